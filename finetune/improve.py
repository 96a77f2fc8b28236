"""The loop: feedback → data set → adapter → comparison → verdict → what is served.

    gather    what people said, and how much of it there is
    build     a part held out that is never trained on, the rest with rehearsal: home/datasets/NAME
    train     in the time given, from the adapter that is served now: home/runs/NAME/training
    add       converted, checked and kept in the store, with its lineage: home/adapters/NAME
    measure   both adapters on the same items, in turn
    decide    the gate's verdict, with all replies: home/runs/NAME/verdict

Each stage leaves its result on the disk before the next begins, so that a run that was interrupted, even killed, goes
on where it was. Nothing is served until a person approves it, and nothing at all is learned from feedback elsewhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.adapters import FILE, PACKAGED, base_fingerprint
from finetune.adapter_record import Provenance
from finetune.dataset.example_files import read_splits
from finetune.errors import DatasetError, ExportError, TooLittleFeedback
from finetune.improvement import serving as now_served
from finetune.improvement.checks import check_base, check_consent, check_takes_effect
from finetune.improvement.feedback import (
    LEAST_LEARNED,
    LEAST_TESTED,
    Gathered,
    check_enough,
    gather,
    overturns,
    signals,
)
from finetune.improvement.folder import RunFolder, runs
from finetune.improvement.holdout import earlier_runs, hold_out
from finetune.improvement.measuring import lineage_of, most_measured, own_items, policy_for, results_file
from finetune.improvement.options import ImproveOptions
from finetune.improvement.training import Checker, Task, Trainer, check_conversion, train
from finetune.improvement.watching import Watcher
from finetune.registry import AdapterRegistry
from finetune.schema import DatasetSplits

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.config import Settings
    from finetune.evaluation.items import Evaluation, EvaluationItem
    from finetune.evaluation.verdict import Verdict

    OpenModel = Callable[[Settings, Sequence[Path]], BaseChatModel]

STAGES = {
    "gather": "Gathering feedback",
    "build": "Building the data set",
    "train": "Training",
    "add": "Converting and checking the adapter",
    "measure": "Comparing it with what is served",
    "decide": "Deciding",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """What a run came to: the verdict, and both evaluations it rests on."""

    verdict: Verdict
    base: Evaluation
    candidate: Evaluation


class Improvement:
    """One run of the loop.

    Args:
        settings: where everything is kept, and which model is served.
        run: its folder, new or of an interrupted run.
        watch: sees how it goes.
        trainer: makes an adapter from examples.
        checker: compares what was trained with what was converted.
        open_model: loads the model with adapters to compare.
    """

    def __init__(
        self,
        settings: Settings,
        run: RunFolder,
        watch: Watcher | None = None,
        *,
        trainer: Trainer = train,
        checker: Checker = check_conversion,
        open_model: OpenModel = now_served.open_model,
    ) -> None:
        self.settings, self.run, self.watch = settings, run, watch or Watcher()
        self.options = ImproveOptions(**run.facts["options"] | {"files": tuple(run.facts["options"]["files"])})
        self.registry = AdapterRegistry(settings.adapters_folder)
        self._trainer, self._checker, self._open_model = trainer, checker, open_model

    def go(self) -> Compared:
        """All stages that are not behind it; the run is "refused" or "waiting" afterwards.

        Raises:
            TooLittleFeedback: nothing could be proved with what there is.
            RecipeError: the settings name an adapter, which would answer whatever is promoted.
            FinetuneError, ModelError, StorageError, DatabaseError: a stage failed; the run can go on later.
        """
        check_takes_effect(self.settings)
        self._build()
        self._train()
        self._add()
        compared = self._measure()
        state = "waiting" if compared.verdict.promoted else "refused"
        self.run.note("decide", state=state)
        return compared

    def _stage(self, name: str) -> None:
        names = list(STAGES)
        self.watch.stage(names.index(name) + 1, len(names), STAGES[name])

    def _build(self) -> None:
        """Gather, divide, and write the data set; the feedback is read once, so that later words change nothing."""
        if self.run.has("build"):
            return
        self._stage("gather")
        known = signals(self.settings.database)
        gathered = self._unspoiled(gather(self.settings, self.options, known))
        for line in gathered.facts:
            self.watch.note(line)
        check_enough(gathered, known)
        self._stage("build")
        before = [run for run in runs(self.settings.home) if run.name != self.run.name]
        divided = hold_out(gathered.examples, earlier_runs(before))
        for line in divided.notes:
            self.watch.note(line)
        items = own_items(divided.test)
        _check_measurable(items)
        splits, counts = self._with_rehearsal(divided.train, divided.test, items)
        folder = self._saved(splits, gathered, divided.notes)
        again = f", {counts['again']:,} of them again without what answered them" if counts["again"] else ""
        self.watch.note(
            f"{counts['learned']:,} of yours to learn from{again}, {len(items):,} questions held out, "
            f"{counts['rehearsed']:,} against forgetting"
        )
        self.run.note("build", dataset=folder, signals=list(known.ids), held_out=len(items), **counts)

    @staticmethod
    def _unspoiled(gathered: Gathered) -> Gathered:
        """Without what any suite asks: learned by heart, it would spoil every figure of it."""
        from finetune.dataset.splits import without_held_out
        from finetune.suites import known_keys

        kept = without_held_out(DatasetSplits(gathered.examples), known_keys()).train
        left = len(gathered.examples) - len(kept)
        dropped = gathered.dropped | ({"asked in an evaluation": left} if left else {})
        return replace(gathered, examples=kept, dropped=dropped)

    def _with_rehearsal(
        self, train: Any, test: Any, items: Sequence[EvaluationItem]
    ) -> tuple[DatasetSplits, dict[str, int]]:
        """What is learned from, nothing of which is asked in an evaluation, and how much there is of each kind."""
        from finetune.dataset.splits import without_held_out
        from finetune.dataset.unanswered import counterparts
        from finetune.improvement.rehearsal import FEWEST, SILENT, guard_items, rehearsal
        from finetune.suites import known_keys

        held = {item.key for item in (*items, *guard_items(self.options.guards))} | known_keys()
        own = without_held_out(DatasetSplits(tuple(train)), held).train
        counts = {"learned": len(own), "again": 0, "rehearsed": 0}
        if not self.options.rehearsal:
            return DatasetSplits(own, (), tuple(test)), counts
        again = without_held_out(DatasetSplits(tuple(counterparts(own, SILENT))), held).train
        rehearsed = rehearsal(max(FEWEST, round(len(own) * self.options.rehearsal)), self.options.seed, held)
        counts |= {"again": len(again), "rehearsed": len(rehearsed)}
        return DatasetSplits((*own, *again, *rehearsed), (), tuple(test)), counts

    def _saved(self, splits: DatasetSplits, gathered: Any, notes: tuple[str, ...]) -> str:
        """Write the data set, or find the one that was written before the run was killed."""
        from finetune.dataset.card import card_of
        from finetune.dataset.store import MANIFEST, load, save

        if (self.run.dataset / MANIFEST).is_file():
            return load(self.run.dataset).digest
        facts = {"sources": gathered.sources, "dropped": gathered.dropped, "settings": self.options.to_json()}
        pii = {"pii": dict(gathered.pii.kinds), "pii_examples": len(gathered.pii.examples)}
        card = card_of(replace(splits, notes=notes), **facts, **pii)
        return save(self.run.dataset, splits, card, gathered.pii).digest

    def _train(self) -> None:
        if self.run.has("train"):
            return
        self._stage("train")
        if "parent_digest" not in self.run.facts:
            now = now_served.serving(self.settings)
            parent = now.name if now.name in self.registry.names() else ""
            self.run.note(
                base=base_fingerprint(now.base, self.settings.adapters_folder),
                parent=parent,
                parent_digest=now.digest,
                parent_folder=str(now_served.trainable(now, self.run.path) or ""),
                base_path=str(now.base),
            )
        facts, splits = self.run.facts, self._splits()
        check_consent(self.settings.database, (*splits.train, *splits.test))
        parent_folder = Path(facts["parent_folder"]) if facts["parent_folder"] else None
        with self.watch.training() as on_progress:
            task = Task(
                replace(splits, test=()),
                self.run.path / "training",
                Path(facts["base_path"]),
                parent_folder,
                self.options,
                on_progress,
                self.watch.note,
            )
            trained = self._trainer(task)
        told = {name: str(value) for name, value in trained.options.items()}
        self.run.note(
            "train",
            trained=str(trained.folder),
            recipe=self.options.recipe,
            seed=self.options.seed,
            told=told,
            metrics=dict(trained.metrics),
        )

    def _add(self) -> None:
        if self.run.has("add"):
            return
        self._stage("add")
        facts, name = self.run.facts, self.run.name
        from_packaged = {"from": PACKAGED} if facts["parent_digest"] and not facts["parent"] else {}
        about = Provenance(
            facts["dataset"],
            facts["recipe"],
            {**facts["told"], **from_packaged},
            facts["seed"],
            facts["metrics"],
            facts["parent"],
        )
        if name not in self.registry.names() or self.registry.show(name).provenance.dataset != facts["dataset"]:
            self.registry.add(name, Path(facts["trained"]), Path(facts["base_path"]), about)
        record = self.registry.verify(name)
        if FILE not in record.files:
            raise ExportError(
                f"{name} cannot be served beside its base model (DoRA).",
                kept="It is in the store.",
                fix=f"Merge it: `ratchet improve export {name} --format merged`, or train without dora.",
            )
        adapter = self.settings.adapters_folder / name
        test = self._splits().test
        self.watch.note(self._checker(Path(facts["base_path"]), adapter, adapter / FILE, test))
        self.run.note("add", files=dict(record.files))

    def _measure(self) -> Compared:
        """Compare with what is served at this moment, which may be another than at the beginning."""
        from finetune.evaluation.evaluate import Contender, Progress, compare

        self._stage("measure")
        now, name = check_base(self.settings, self.run), self.run.name
        items = self.items()
        candidate = self.settings.adapters_folder / name / FILE
        paths = [path for path in (now.adapter, candidate) if path is not None]
        contenders = [
            Contender(now.alias, results_file(self.run.path, now.name, now.digest)),
            Contender(
                str(candidate),
                results_file(self.run.path, name, self.run.facts["files"][FILE]),
                lineage_of(self.run.facts),
            ),
        ]
        model = self._open_model(self.settings, paths)
        with self.watch.counting("answers") as count:

            def on_progress(progress: Progress) -> None:
                count(progress.done, progress.total)

            base, candidate_evaluation = compare(model, contenders, items, on_progress)
        self.run.note("measure", compared_with=now.digest, compared_name=now.name)
        return self._decided(replace(base, adapter=now.name), replace(candidate_evaluation, adapter=name))

    def _decided(self, base: Evaluation, candidate: Evaluation) -> Compared:
        from finetune.dataset.splits import questions_of
        from finetune.evaluation.gate import decide
        from finetune.evaluation.verdict_folder import store_verdict

        self._stage("decide")
        train = self._splits().train
        learned = {key for example in train for key in questions_of(example)}
        overturned = [] if self.options.overturn else [example.source for example in train if overturns(example)]
        policy = policy_for(base.items)
        verdict = decide(base, candidate, policy, training_keys=learned, overturned=overturned)
        shutil.rmtree(self.run.verdict, ignore_errors=True)  # of an attempt that was interrupted right here
        store_verdict(self.run.verdict, verdict, base, candidate)
        self.registry.attach_verdict(self.run.name, verdict.to_json())
        return Compared(verdict, base, candidate)

    def items(self) -> tuple[EvaluationItem, ...]:
        """What both adapters are asked: the user's held-out questions first."""
        from finetune.improvement.rehearsal import guard_items

        return (*own_items(self._splits().test), *guard_items(self.options.guards))

    def _splits(self) -> DatasetSplits:
        """The data set, after checking that every byte of it is what this run built."""
        from finetune.dataset.store import load

        if load(self.run.dataset).digest != self.run.facts["dataset"]:
            raise DatasetError(
                f"The data set {self.run.dataset} is not the one that {self.run.name} built: it changed since.",
                kept="What is served stays.",
                fix="`ratchet improve --fresh` begins anew.",
            )
        return read_splits(self.run.dataset)


def _check_measurable(items: Sequence[EvaluationItem]) -> None:
    _, count = most_measured(items)
    if count < LEAST_TESTED:
        raise TooLittleFeedback(
            f"Only {count:,} questions that are measured alike can be held out, and it takes {LEAST_TESTED}, with "
            f"{LEAST_LEARNED} left to learn from: the others are too much alike, or were learned from before.",
            kept="Nothing was trained, and all feedback is kept.",
            fix="Give feedback on more, and more different, questions.",
        )
