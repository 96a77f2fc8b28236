"""A home with feedback, a trainer that needs no PyTorch, and a model that answers by a table: the loop in a second."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.config import Settings, load_settings
from agent.records import Records
from agent.schema import Turn
from finetune.improve import Improvement
from finetune.improvement import measuring, promotion
from finetune.improvement.feedback import signals
from finetune.improvement.folder import RunFolder, begin, unfinished
from finetune.improvement.options import ImproveOptions
from finetune.improvement.training import Task, Trained
from finetune.improvement.watching import Watcher
from knowledge.schema import Passage
from tests.finetune.loras import write_base, write_peft
from tests.finetune.scripted_model import ScriptedModel

FEW = 8  # items about tools, and others in proportion: enough for tests with the wide margins below
BIRDS = ("heron", "gannet", "ibis", "kestrel", "marlin", "wren", "plover", "curlew", "dunlin", "siskin")
PLACES = ("harbour", "quarry", "meadow", "tower", "orchard", "canal", "ridge", "mill")


def widen_margins() -> None:
    """Few items can show little: nothing is guarded closely, and no clock is judged."""
    wide = (guard for guard in measuring.GUARDS if guard.metric != "seconds")
    measuring.GUARDS = tuple(replace(guard, margin=0.95, required=False) for guard in wide)


def question(number: int) -> str:
    bird, place = BIRDS[number % len(BIRDS)], PLACES[number // len(BIRDS) % len(PLACES)]
    return f"Where does the {bird} of the {place} nest, by list {number}?"


def answer(number: int) -> str:
    return f"grove {number}"


def home_with_feedback(home: Path, count: int = 60, per_thread: int = 2, *, shown: bool = False) -> Settings:
    """Settings of a home in which a person corrected so many answers; its base model is a tiny GGUF."""
    home.mkdir(parents=True, exist_ok=True)
    write_base(home / "base.gguf")
    add_feedback(home, range(count), per_thread, shown=shown)
    return load_settings({"home": home, "model": {"name": f"local:{home / 'base.gguf'}"}})


def add_feedback(home: Path, numbers: Sequence[int], per_thread: int = 2, *, shown: bool = False) -> None:
    with closing(Records(home / "ratchet.db")) as records:
        for number in numbers:
            at = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
            thread = f"thread{number // per_thread}"
            beside = {"passages": passages(number)} if shown else {}
            records.append(
                Turn(f"t{number}", thread, question(number), "I cannot tell.", "done", created_at=at, **beside)
            )
            records.add_feedback(f"t{number}", -1, correction=answer(number))


def passages(number: int) -> tuple[Passage, ...]:
    """What stands beside a question: one passage holds its answer, another is about another bird."""
    bird = question(number)[15:].partition(" nest")[0]
    texts = (f"The {bird} feeds at dusk. It nests in {answer(number)}.", "The owl of the quay nests in a barrel.")
    return tuple(Passage(f"p{number}-{at}", "birds.md", text, 1, 1) for at, text in enumerate(texts))


def fake_train(task: Task) -> Trained:
    """An adapter of random numbers; what it learned from is noted beside it."""
    task.out.mkdir(parents=True, exist_ok=True)
    noted = [example.to_json() for example in task.splits.train]
    (task.out / "learned.json").write_text(json.dumps(noted), encoding="utf-8")
    with (task.out / "times").open("a") as file:
        file.write("x")
    return Trained(write_peft(task.out / "adapter", seed=task.options.seed), {"rank": 4}, {"loss": 0.5})


def fake_check(base: Path, folder: Path, adapter: Path, examples: Any) -> str:
    assert adapter.is_file() and folder.is_dir() and examples
    return "alike"


def learned_model(settings: Settings, adapters: Sequence[Path]) -> ScriptedModel:
    """Whatever adapter it has, but not the bare model, knows where the birds nest."""

    def reply(adapter: str, messages: list[Any]) -> Any:
        asked = str(messages[-1].additional_kwargs.get("question") or messages[-1].content)
        if "nest, by list" in asked:
            number = int(asked.rsplit(" ", 1)[1].rstrip("?"))
            return answer(number) if adapter else "I cannot tell."
        return "fine"

    return ScriptedModel(reply=reply, adapters=tuple(adapters))


def ignorant_model(settings: Settings, adapters: Sequence[Path]) -> ScriptedModel:
    return ScriptedModel(reply=lambda adapter, messages: "fine", adapters=tuple(adapters))


OpenModel = Callable[[Settings, Sequence[Path]], Any]


def improvement(
    settings: Settings,
    name: str = "mine-1",
    *,
    open_model: OpenModel = learned_model,
    watch: Watcher | None = None,
    trainer: Any = fake_train,
    **options: Any,
) -> Improvement:
    """The interrupted run, or a new one."""
    run = unfinished(settings.home)
    if run is None:
        chosen = ImproveOptions(**{"guards": FEW, "rehearsal": 0.0, **options})
        run = begin(settings.home, name, chosen, signals(settings.database).ids)
    return Improvement(settings, run, watch, trainer=trainer, checker=fake_check, open_model=open_model)


def run_and_die(home: Path, writes: int) -> None:
    """A run whose process is killed right before the state is written for the nth time; for a child process."""
    left = writes
    noted = RunFolder.note

    def note(self: RunFolder, stage: str = "", **facts: Any) -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        noted(self, stage, **facts)

    widen_margins()
    RunFolder.note = note  # type: ignore[method-assign]
    settings = load_settings({"home": home, "model": {"name": f"local:{home / 'base.gguf'}"}})
    done = improvement(settings)
    done.go()
    promotion.promote(settings, done.run.name, reason="test")
