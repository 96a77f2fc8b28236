"""A Llama of two layers: everything about training but the size, in milliseconds."""

from __future__ import annotations

from typing import Any


def tiny_llama(seed: int = 0, vocabulary: int = 97) -> Any:
    """A frozen model with random weights, two layers of width 64 and two key heads for four of queries."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def with_lora(model: Any, **options: Any) -> Any:
    """The model with LoRA on all linear layers, B filled with noise so that the adapter does something."""
    import torch
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", **options))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return adapted
