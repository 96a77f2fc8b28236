"""What a training run can be told: options that all recipes share, and reading them from text.

Nothing here needs PyTorch, so that a wrong option is found before anything is loaded.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from finetune.errors import RecipeError

Schedule = Literal["cosine", "linear", "wsd", "constant"]
Precision = Literal["auto", "fp32", "bf16"]
Tracker = Literal["mlflow", "tensorboard"]

# These change how a run is watched or how long it may take, not what is learned: a run may be continued with others
# (it keeps its threads, whatever is asked for).
_FREE = frozenset(
    "minutes threads checkpoint_seconds checkpoint_steps dev_every dev_times dev_tokens sample_every samples "
    "sample_tokens tracking".split()
)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a recipe's weights are moved, and how the run is watched.

    Attributes:
        learning_rate: the highest, after warm-up; AdamW (Loshchilov & Hutter 2019).
        schedule: cosine or linear decay to zero; wsd: constant, then 1 - sqrt over the last fifth (Hägele et al. 2024).
        warmup: share of the run in which the learning rate rises.
        weight_decay: of AdamW, for matrices.
        beta2: of AdamW.
        clip: most that the norm of the gradient may be; 0 for any.
        epochs: how often the data is seen.
        steps: most optimizer steps; None for no limit.
        minutes: time that the run may take, its preparation included; None for no limit. The schedule ends with it.
        step_targets: target tokens (for preferences: examples) that one optimizer step is a mean over, at least.
        pack_tokens: tokens in one forward pass.
        context: longest sequence, in tokens; longer ones are left out and counted.
        seed: of weights, order and dropout.
        precision: of the computation; auto takes bf16 where the machine is quicker at it.
        threads: of PyTorch; 0 for one per core. A run that was interrupted goes on with those that it began with.
        gradient_checkpointing: compute activations twice rather than keep them: slower, less memory.
        checkpoint_seconds: time between two checkpoints.
        checkpoint_steps: steps between two checkpoints; 0 to go by time alone.
        dev_every: steps between two measurements of the loss on development data; 0 for the end alone.
        dev_times: measurements spread evenly over the run, however long it turns out to be, instead; 0 for dev_every.
        dev_tokens: at most so many tokens of it are measured.
        sample_every: steps between two rounds of sample replies; 0 for none.
        samples: prompts in a round.
        sample_tokens: longest sample.
        tracking: where figures go besides metrics.jsonl.
    """

    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    beta2: float = 0.99
    clip: float = 1.0
    epochs: float = 1.0
    steps: int | None = None
    minutes: float | None = None
    step_targets: int = 1024
    pack_tokens: int = 1024
    context: int = 2048
    seed: int = 0
    precision: Precision = "auto"
    threads: int = 0
    gradient_checkpointing: bool = False
    checkpoint_seconds: float = 300.0
    checkpoint_steps: int = 0
    dev_every: int = 50
    dev_times: int = 0
    dev_tokens: int = 8192
    sample_every: int = 0
    samples: int = 3
    sample_tokens: int = 48
    tracking: tuple[Tracker, ...] = ()

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "learning_rate", "must be above 0")
        require(0 <= self.warmup < 1, "warmup", "is a share of the run, from 0 to below 1")
        require(self.weight_decay >= 0, "weight_decay", "cannot be negative")
        require(0 < self.beta2 < 1, "beta2", "lies between 0 and 1")
        require(self.clip >= 0, "clip", "cannot be negative; 0 turns clipping off")
        require(self.epochs > 0, "epochs", "must be above 0")
        require(self.steps is None or self.steps > 0, "steps", "must be above 0")
        require(self.minutes is None or self.minutes > 0, "minutes", "must be above 0")
        for name in ("step_targets", "pack_tokens", "context"):
            require(getattr(self, name) > 0, name, "must be above 0")
        require(self.checkpoint_seconds > 0, "checkpoint_seconds", "must be above 0")
        watching = ("dev_every", "dev_times", "dev_tokens", "sample_every", "samples")
        for name in ("threads", "checkpoint_steps", *watching):
            require(getattr(self, name) >= 0, name, "cannot be negative")
        require(self.sample_tokens > 0, "sample_tokens", "must be above 0")


Options = TypeVar("Options")


def named_values(settings: Sequence[str]) -> dict[str, str]:
    """Options from texts like "rank=32".

    Raises:
        RecipeError: one names no value.
    """
    pairs = {}
    for setting in settings:
        name, given, value = setting.partition("=")
        if not given:
            raise RecipeError(f'"{setting}" names no value.', fix="Write --set NAME=VALUE, for example --set rank=32.")
        pairs[name.strip().replace("-", "_")] = value.strip()
    return pairs


def require(holds: bool, name: str, rule: str) -> None:
    """Refuse an option's value.

    Raises:
        RecipeError: the rule does not hold.
    """
    if not holds:
        raise RecipeError(f"The option {name} {rule}.", kept="Nothing was trained.", fix=f"Change {name}.")


def parse_options(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """Build a recipe's options from names and values, as text or typed.

    Args:
        kind: the recipe's frozen dataclass; its field `training` holds the shared options.
        given: by name; those of `training` are named without a prefix.

    Raises:
        RecipeError: a name is unknown, or a value is not of its type or range.
    """
    defaults = kind()
    own = typing.get_type_hints(kind)
    shared = typing.get_type_hints(TrainingOptions)
    mine: dict[str, Any] = {}
    training: dict[str, Any] = {}
    for name, value in given.items():
        if name in own and name != "training":
            mine[name] = _typed(name, value, own[name])
        elif name in shared:
            training[name] = _typed(name, value, shared[name])
        else:
            raise _unknown(name, [*(own.keys() - {"training"}), *shared])
    common: TrainingOptions = getattr(defaults, "training")  # noqa: B009 - every recipe's options have it
    return dataclasses.replace(defaults, **mine, training=dataclasses.replace(common, **training))  # type: ignore[type-var]


def what_is_learned(options: Any) -> dict[str, Any]:
    """The options that the result depends on, as plain values; two runs that agree in them are the same run."""
    values = dataclasses.asdict(options)
    values["training"] = {name: value for name, value in values["training"].items() if name not in _FREE}
    return values


def _unknown(name: str, known: list[str]) -> RecipeError:
    near = difflib.get_close_matches(name, known, n=1)
    fix = f'Did you mean "{near[0]}"?' if near else f"Known are {', '.join(sorted(known))}."
    return RecipeError(f'This recipe has no option "{name}".', kept="Nothing was trained.", fix=fix)


def _typed(name: str, value: Any, kind: Any) -> Any:
    """The value as its type demands, read from text where it is text."""
    try:
        return _read(value, kind)
    except (ValueError, TypeError) as error:
        raise RecipeError(
            f"The option {name} cannot be {value!r}.", kept="Nothing was trained.", fix=f"It must be {_words(kind)}."
        ) from error


def _read(value: Any, kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        if value is None or (isinstance(value, str) and value.lower() in ("", "none")):
            return None
        return _read(value, next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        items = [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else list(value)
        return tuple(_read(one, arguments[0]) for one in items)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(value)
        return value
    if kind is bool:
        return _read_bool(value)
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    if isinstance(value, bool):
        raise TypeError(value)
    read = kind(value)
    if kind is float and read != read:
        raise ValueError(value)
    return read


def _read_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "yes", "on", "1"):
        return True
    if text in ("false", "no", "off", "0"):
        return False
    raise ValueError(value)


def _words(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        return " or ".join("none" if one is type(None) else _words(one) for one in arguments)
    if origin is tuple:
        return f"a list with commas, each {_words(arguments[0])}"
    if origin is Literal:
        return " or ".join(map(str, arguments))
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}.get(kind, str(kind))
