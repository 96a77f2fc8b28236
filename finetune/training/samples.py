"""What the model says on its way, to be read by people."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch

END_OF_TURN = ("<|im_end|>", "<|endoftext|>", "</s>", "<|eot_id|>", "<end_of_turn>")


def sample(model: Any, tokenizer: Any, prompt: Sequence[int], most: int) -> tuple[str, str]:
    """The likeliest continuation of a prompt, token by token, on the weights as they are.

    Args:
        model: live, in evaluation mode.
        tokenizer: of the base model.
        prompt: token numbers.
        most: longest reply, in tokens.

    Returns:
        The prompt and the reply as text, special tokens shown.
    """
    ids = torch.tensor([list(prompt)], device=next(model.parameters()).device)
    ends = [number for number in map(tokenizer.token_to_id, END_OF_TURN) if number is not None]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Position ids are not supported", UserWarning)  # they follow from the mask
        written = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=most,
            do_sample=False,
            eos_token_id=ends or None,
            pad_token_id=ends[0] if ends else 0,
        )[0].tolist()
    # With embeddings for a prompt, generate returns the reply alone.
    reply = written[len(prompt) :] if written[: len(prompt)] == list(prompt) else written
    return tokenizer.decode(list(prompt), skip_special_tokens=False), tokenizer.decode(reply, skip_special_tokens=False)
