"""Attention over packed rows, one sequence at a time.

In a packed row most pairs of tokens do not see each other: of 640 tokens behind shared beginnings seven pairs in ten.
A masked product over the whole row computes them all the same. Here each beginning attends to itself, and each sequence
behind it to the beginning and to itself, so that nothing is computed to be thrown away.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of PyTorch code expects

NAME = "branches"
_PLAIN = frozenset({"llama", "qwen2", "qwen3"})  # causal attention and nothing else: no windows, no caps on scores


def attend_in_branches(model: Any) -> None:
    """Let a model of transformers attend so wherever it is given the bounds of a row, and as ever elsewhere.

    A model is left as it is where it runs on an accelerator, for which one large product is quicker than many small
    ones, and where its attention is of another kind.
    """
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if torch.accelerator.is_available() or inner.config.model_type not in _PLAIN:
        return
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    inner.set_attn_implementation(NAME)


def attends_in_branches(model: Any) -> bool:
    """Whether a model was told to."""
    return getattr(model.config, "_attn_implementation", "") == NAME


def _attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """Attend: query [1, heads, n, d], key and value [1, key heads, n, d] → [1, n, heads, d]."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    bounds = options.pop("bounds", ())
    if not bounds:
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, mask, **options)
        return output
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    parts = [_part(query, key, value, bound, options.get("scaling")) for bound in bounds]
    return torch.cat(parts, 2).transpose(1, 2).contiguous(), None


def _part(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bound: tuple[int, int, int, int], scale: float | None
) -> torch.Tensor:
    start, end, first, last = bound
    own = slice(start, end)
    if first == last:
        return F.scaled_dot_product_attention(
            query[:, :, own], key[:, :, own], value[:, :, own], is_causal=True, scale=scale
        )
    keys, values = (torch.cat((whole[:, :, first:last], whole[:, :, own]), 2) for whole in (key, value))
    seen = _seen(end - start, last - first, query.dtype, query.device)
    return F.scaled_dot_product_attention(query[:, :, own], keys, values, attn_mask=seen, scale=scale)


@lru_cache(maxsize=512)
def _seen(length: int, before: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """What is added to the scores: 0 for all that came before and for earlier tokens, else minus infinity."""
    hidden = torch.full((length, before + length), float("-inf"), dtype=dtype, device=device)
    return hidden.triu(before + 1)
