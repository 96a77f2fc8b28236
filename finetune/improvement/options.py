"""What a run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from finetune.errors import RecipeError

# For some dozens of examples that continue an adapter: many small steps, at half the rate of a fresh one.
GENTLE: Mapping[str, Any] = {
    "learning_rate": 5e-4,
    "epochs": 6,
    "step_targets": 256,
    "warmup": 0.1,
    "dev_every": 0,
    "checkpoint_seconds": 60,
}


@dataclass(frozen=True, slots=True)
class ImproveOptions:
    """What a run is asked to do; two runs that agree in it, over the same feedback, learn the same.

    Attributes:
        minutes: that training may take.
        recipe: how; one of `finetune.recipes` that makes a LoRA.
        seed: of what is drawn by chance.
        records: whether feedback is read.
        files: further examples, by path.
        documents: name of a collection to make examples from; empty for none.
        writer: model that writes the questions about it, as for `build_chat_model`; empty for templates.
        rehearsal: so many examples of what the model could do before, for each of the user's; with 0 none of the
            user's questions is asked again without its answer either.
        preferences: whether corrections also train as pairs, the answer that was corrected being the worse one.
        overturn: whether answers that people want to what the model declined are learned, too. One that slips a
            harmful request in among many others is noticed by no figure.
        guards: items about tools that show whether something was forgotten; there are others in proportion.
        threads: of the processor; 0: one for each core.
        settings: further options of the recipe.

    Raises:
        RecipeError: a number makes no sense, or there is nothing to write questions about.
    """

    minutes: float = 8.0
    recipe: str = "lora"
    seed: int = 0
    records: bool = True
    files: tuple[str, ...] = ()
    documents: str = ""
    writer: str = ""
    rehearsal: float = 2.0
    preferences: bool = False
    overturn: bool = False
    guards: int = 64
    threads: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.minutes <= 0:
            raise _wrong("minutes", "must be above 0")
        if self.rehearsal < 0:
            raise _wrong("rehearsal", "cannot be negative; 0 rehearses nothing")
        if self.guards < 1:
            raise _wrong("guards", "must be at least 1: without any, nothing shows what was forgotten")
        if self.writer and not self.documents:
            raise RecipeError(
                "The option --writer names who writes questions about documents, and none are named.",
                kept="Nothing was done.",
                fix="Add --documents COLLECTION, or leave --writer out.",
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "files": list(self.files), "settings": dict(self.settings)}

    def training(self, share: float = 1.0) -> dict[str, Any]:
        """What the recipe is told, with a share of the time."""
        own = {"minutes": self.minutes * share, "seed": self.seed, "threads": self.threads}
        return {**GENTLE, **own, **self.settings}


def _wrong(name: str, rule: str) -> RecipeError:
    return RecipeError(f"The option --{name} {rule}.", kept="Nothing was done.", fix=f"Change --{name}.")
