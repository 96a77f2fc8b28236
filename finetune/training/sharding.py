"""Weights of which each process holds a part (FSDP: Zhao et al. 2023, arXiv:2304.11277), whole again for files.

What gathers is to be called by all processes alike; one that does not would leave the others waiting. Files hold
whole tensors, so that a run may go on with another number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import DistributedType, get_int_from_env, parse_flag_from_env

from finetune.errors import RecipeError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from finetune.training.options import TrainingOptions

_OTHERS = {"ACCELERATE_USE_DEEPSPEED": "DeepSpeed", "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM"}
_ASKED = "ACCELERATE_USE_FSDP"


def check_launch(options: TrainingOptions) -> None:
    """Refuse what Accelerate was told to do and this loop cannot, before anything is trained.

    Raises:
        RecipeError: DeepSpeed or Megatron-LM, which clip and step by themselves; FSDP of version 1, which would clip by
            the norm of each process's part; FSDP with weights in one process alone, or with samples.
    """
    for flag, name in _OTHERS.items():
        if parse_flag_from_env(flag):
            raise _refused(f"{name} is not supported", "Choose several GPUs, or FSDP 2, in `accelerate config`")
    if not parse_flag_from_env(_ASKED):
        return
    if get_int_from_env(["FSDP_VERSION"], 1) != 2:
        raise _refused("FSDP is supported in version 2 alone", "Set fsdp_version: 2 in the configuration of Accelerate")
    if parse_flag_from_env("FSDP_CPU_RAM_EFFICIENT_LOADING"):
        raise _refused(
            "Every process reads the model itself, and FSDP is set up to read it in one alone",
            "Set fsdp_cpu_ram_efficient_loading: false in the configuration of Accelerate",
        )
    if options.sample_every:
        raise _refused("Samples cannot be taken from weights in parts (FSDP)", "Leave out sample_every")


def check_kind(accelerator: Accelerator) -> None:
    """Refuse to train in another way than was asked for.

    Raises:
        RecipeError: FSDP was asked for, and Accelerate has not set it up: it does so for GPUs alone.
    """
    if parse_flag_from_env(_ASKED) and not is_sharded(accelerator):
        raise _refused("FSDP needs GPUs under `accelerate launch`", "Turn FSDP off in the configuration of Accelerate")


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of the weights."""
    return accelerator.distributed_type is DistributedType.FSDP


def rest(module: torch.nn.Module) -> None:
    """Have each process hold its part alone, as between steps.

    After a measurement it still holds whole weights, in the precision that it computes in, which is not to be saved.
    """
    from torch.distributed.fsdp import FSDPModule

    for one in module.modules():
        if isinstance(one, FSDPModule):
            one.reshard()


def whole(value: Any) -> Any:
    """A value with whole tensors in the place of parts, in mappings and lists as well; other tensors as they are."""
    from torch.distributed.tensor import DTensor

    if isinstance(value, Mapping):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    return value.full_tensor().detach().cpu() if isinstance(value, DTensor) else value


def part(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """This process's part of a whole tensor, cut as `like` is; the tensor itself where that is whole."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def parts_of_state(state: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    """An optimizer's saved state, its moments cut as the parameters are that they belong to."""
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    cut = {
        number: {
            name: part(value, parameters[number]) if value.shape == parameters[number].shape else value
            for name, value in moments.items()
        }
        for number, moments in state["state"].items()
    }
    return {**state, "state": cut}


def make_whole(module: torch.nn.Module) -> None:
    """Put whole parameters, on the CPU, in the place of the trained ones, to be saved; the module computes no more."""
    from torch.distributed.tensor import DTensor

    rest(module)
    made: dict[int, torch.nn.Parameter] = {}  # tied weights are one parameter under two names
    for owner in list(module.modules()):
        for name, parameter in list(owner.named_parameters(recurse=False)):
            if isinstance(parameter, DTensor) and parameter.requires_grad:
                if id(parameter) not in made:
                    made[id(parameter)] = torch.nn.Parameter(whole(parameter))
                setattr(owner, name, made[id(parameter)])


def _refused(what: str, fix: str) -> RecipeError:
    return RecipeError(f"{what}.", kept="Nothing was trained.", fix=f"{fix}.")
