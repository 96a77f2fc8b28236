"""A quicker forward and backward pass for the linear layers that LoRA adapts.

y = x (W + sBA)ᵀ, with the sum computed beforehand: adding it costs r·in·out operations however many tokens there are,
and then one product does what takes three. Going back, ∂L/∂x again takes one product, and the gradients of A and B are
computed from x and ∂L/∂y through the r-dimensional middle, so that the gradient of W is never formed.
LoRA: Hu et al. 2021; rsLoRA differs in s alone (Kalajdzievski 2023).
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch


class LoraLinear(torch.autograd.Function):
    """x [..., in], W [out, in], A [r, in], B [out, r] → x (W + sBA)ᵀ, differentiable in x, A and B."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """One matrix product with the summed weights."""
        summed = torch.addmm(weight, b, a, alpha=scale)
        ctx.save_for_backward(x, summed, a, b)
        ctx.scale = scale
        return x @ summed.T

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, None, torch.Tensor, torch.Tensor, None]:
        """Gradients of x, A and B."""
        x, summed, a, b = ctx.saved_tensors
        rows, grads = x.flatten(0, -2), grad.flatten(0, -2)
        through = grads @ b
        grad_a = (through.T @ rows).mul_(ctx.scale)
        grad_b = (grads.T @ (rows @ a.T)).mul_(ctx.scale)
        grad_x = grad @ summed if ctx.needs_input_grad[0] else None
        return grad_x, None, grad_a, grad_b, None


def fuse(model: Any) -> int:
    """Let the plain LoRA linear layers of a PEFT model compute as above; returns how many do.

    Layers with DoRA, dropout, a bias, or several adapters at once keep PEFT's own forward, and so does every layer
    while its adapter is disabled or merged.
    """
    from peft.tuners.lora.layer import Linear

    fused = 0
    for module in model.modules():
        if isinstance(module, Linear) and _is_plain(module):
            module.forward = MethodType(_forward, module)  # type: ignore[method-assign]
            fused += 1
    return fused


def _is_plain(module: Any) -> bool:
    name = module.active_adapters[0] if len(module.active_adapters) == 1 else None
    if name not in module.lora_A or module.base_layer.bias is not None or module.lora_A[name].bias is not None:
        return False
    unchanged = isinstance(module.lora_dropout[name], torch.nn.Identity)
    return unchanged and name not in module.lora_variant and type(module.base_layer) is torch.nn.Linear


def _forward(module: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    if module.disable_adapters or module.merged or args or kwargs:
        return torch.as_tensor(type(module).forward(module, x, *args, **kwargs))
    name = module.active_adapters[0]
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    output = LoraLinear.apply(x, module.base_layer.weight, a, b, module.scaling[name])  # type: ignore[no-untyped-call]
    return torch.as_tensor(output)
