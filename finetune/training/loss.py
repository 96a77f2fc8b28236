"""The loss of packed sequences, with logits only where something is predicted.

SmolLM2's head is as large as a quarter of all its other weights; most tokens of a prompt are never predicted, so most
of the head's work would be thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of PyTorch code expects

from finetune.training.branch_attention import attends_in_branches

if TYPE_CHECKING:
    from finetune.training.packing import Batch


def hidden_states(model: Any, batch: Batch) -> torch.Tensor:
    """The last hidden states at the places from which something is predicted: [m, width]."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    how = {"bounds": batch.bounds} if attends_in_branches(inner) else {}
    hidden = inner.model(
        input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False, **how
    ).last_hidden_state
    return torch.as_tensor(hidden.flatten(0, 1)[batch.flat])


def token_losses(model: Any, batch: Batch) -> torch.Tensor:
    """The cross-entropy of each predicted token, in nats: [m]."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    logits = inner.lm_head(hidden_states(model, batch))
    return F.cross_entropy(logits.float(), batch.labels, reduction="none")


def supervised_loss(model: Any, batch: Batch) -> tuple[torch.Tensor, int]:
    """The weighted sum of the predicted tokens' cross-entropy, and the sum of their weights.

    The sum is returned so that the caller can divide by the weights of a whole optimizer step: the mean of the means of
    its parts would weigh tokens of short replies more.
    """
    return (token_losses(model, batch) * batch.weights).sum(), int(batch.weights.sum())
