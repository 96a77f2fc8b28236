"""Searching: what a space may hold, and that a search keeps its books whatever happens to it. No PyTorch here."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import StorageError
from finetune.errors import RecipeError, TrainingDiverged, TrainingInterrupted
from finetune.recipes import BUILT_IN, option_kind
from finetune.search.space import Choice, Range, Space, default_space, parse_space, starting_point
from finetune.training.options import parse_options


def test_a_space_reads_ranges_and_choices_as_the_option_is_typed() -> None:
    given = ["learning_rate=1e-4..3e-3:log", "rank=8|16|32 rslora=true|false", "alpha=4..64"]
    parts = parse_space("lora", given, {"loraplus": "4", "step_targets": "256"}).parts
    assert parts["learning_rate"] == Range(1e-4, 3e-3, log=True)
    assert parts["rank"] == Choice((8, 16, 32))
    assert parts["rslora"] == Choice((True, False))
    assert parts["alpha"] == Range(4.0, 64.0)
    assert "loraplus" not in parts and "step_targets" not in parts


def test_a_range_of_a_whole_number_option_is_whole() -> None:
    assert parse_space("lora", ["rank=4..64:log"], {}).parts["rank"] == Range(4, 64, log=True, whole=True)


def test_a_space_written_out_is_read_back_the_same() -> None:
    space = parse_space("lora", ["rank=4..64:log", "rslora=true|false", "warmup=0..0.1", "clip=0.5|1"], {})
    assert parse_space("lora", [str(space)], {}) == space


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ("rank", "no name and values"),
        ("rank=", "no name and values"),
        ("=8|16", "no name and values"),
        ("rank=8", "no choice"),
        ("alpha=8|8.0", "twice"),
        ("rank=8|many", "rank cannot be 'many'"),
        ("rank=0|8", "rank must be above 0"),
        ("rank=2.5..8", "rank cannot be '2.5'"),
        ("learning_rate=1e-3..1e-4", "not below"),
        ("learning_rate=1e-3..1e-3", "not below"),
        ("learning_rate=-1..1", "above 0"),
        ("weight_decay=0..0.1:log", "magnitudes begin above 0"),
        ("learning_rate=1e-4..inf", "ends somewhere"),
        ("learning_rate=1e-4..1e-2:ln", "no scale"),
        ("rslora=false..true", "not a number"),
        ("schedule=cosine|zigzag", "schedule cannot be 'zigzag'"),
        ("rnk=8|16", 'Did you mean "rank"'),
        ("context=512|1024", "which development examples"),
        ("seed=1|2|3", "lucky"),
        ("minutes=1..2", "does not change what is learned"),
        ("rank=8|16 rank=32|64", "given twice"),
    ],
)
def test_a_wrong_space_is_refused_with_the_reason(part: str, complaint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_space("lora", [part], {})
    assert complaint in f"{caught.value.what} {caught.value.fix}"
    assert caught.value.fix


def test_what_a_loss_is_made_of_cannot_be_judged_by_it() -> None:
    with pytest.raises(RecipeError, match="beta is part of the loss"):
        parse_space("dpo", ["beta=0.05..0.5"], {})


def test_an_option_is_either_set_or_searched() -> None:
    with pytest.raises(RecipeError, match="also set to 16"):
        parse_space("lora", ["rank=8|16"], {"rank": "16"})
    everything = {
        part.partition("=")[0]: part.partition("=")[2].split("|")[0] for part in default_space("lora").split()
    }
    everything["learning_rate"] = "1e-3"
    with pytest.raises(RecipeError, match="nothing to search"):
        parse_space("lora", [], everything)
    with pytest.raises(RecipeError, match="rank"):
        parse_space("lora", [], {"rank": "many"})


@pytest.mark.parametrize("recipe", sorted(BUILT_IN))
def test_every_recipe_has_a_space_of_its_own_that_holds_its_defaults(recipe: str) -> None:
    space = parse_space(recipe, [], {})
    for name, part in space.parts.items():
        for value in part.values() or [part.low, part.high]:  # type: ignore[union-attr]
            parse_options(option_kind(recipe), {name: value})
    assert starting_point(recipe, space).keys() == space.parts.keys()


def test_values_are_used_with_four_digits_and_stay_within_their_range() -> None:
    space = Space({"learning_rate": Range(0.00012345, 0.1), "rank": Choice((8, 16))})
    assert space.rounded({"learning_rate": 0.0123456789, "rank": 8}) == {"learning_rate": 0.01235, "rank": 8}
    assert space.rounded({"learning_rate": 0.00012345}) == {"learning_rate": 0.00012345}


# The folder of a search.

optuna = pytest.importorskip("optuna")
from finetune.search.results import full_command, plot, table, trial_line  # noqa: E402
from finetune.search.study import Plan, Search, Trial, open_search  # noqa: E402


class Bench:
    """An objective with a clock of its own: a trial takes `seconds`, its loss is best at a learning rate of 1e-3."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.now, self.seconds = 0.0, seconds
        self.seen: list[Trial] = []

    def clock(self) -> float:
        return self.now

    def loss(self, values: dict[str, Any]) -> float:
        import math

        return 1.0 + abs(math.log10(values["learning_rate"]) + 3) + 0.01 * abs(values.get("rank", 16) - 16)

    def __call__(self, trial: Trial) -> float:
        self.seen.append(trial)
        for point in range(1, 6):
            self.now += self.seconds / 5
            trial.report(self.loss(trial.values) + 1 / point, point)
        return self.loss(trial.values)


def plan(*space: str, **given: Any) -> Plan:
    parts = parse_space("lora", space, {"loraplus": 1, "step_targets": 256})
    return Plan("lora", parts, **{"trial_minutes": 1.0, **given})


def run(folder: Path, bench: Bench, minutes: float = 20.0, the_plan: Plan | None = None, **given: Any) -> Any:
    with open_search(folder, the_plan or plan(), bench.clock) as search:
        return search.run(bench, minutes, **given)


def test_a_search_begins_at_the_defaults_and_ends_better_within_its_time(tmp_path: Path) -> None:
    bench = Bench()
    result = run(tmp_path / "s", bench, minutes=8, the_plan=plan("learning_rate=1e-5..1e-1:log"))
    assert bench.seen[0].values == {"learning_rate": 1e-3, "rank": 16}
    losses = [one.dev_loss for one in result.trials]
    assert result.best is not None and result.best.dev_loss == min(one for one in losses if one is not None)
    assert bench.now <= 8 * 60 and result.ended == "time"
    assert {one.state for one in result.trials} == {"complete", "pruned"}
    pruned = [one for one in result.trials if one.state == "pruned"]
    assert all(one.seconds < 60 and one.reason for one in pruned)
    assert len(result.trials) > 8  # time that pruning saved went into more trials


def test_proposals_come_from_the_seed(tmp_path: Path) -> None:
    values = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        bench = Bench()
        run(tmp_path / name, bench, most=3, the_plan=plan(seed=seed))
        values.append([one.values for one in bench.seen])
    assert values[0] == values[1] != values[2]


def test_the_result_is_written_after_every_trial_and_its_command_can_be_read_back(tmp_path: Path) -> None:
    written = []
    command = ("python", "-m", "finetune", "train", "--data", "my data")
    with open_search(tmp_path, plan(command=command), Bench().clock) as search:
        result = search.run(
            Bench(), 9, most=4, on_trial=lambda now: written.append(json.loads((tmp_path / "result.json").read_text()))
        )
    assert [len(one["trials"]) for one in written] == [1, 2, 3, 4]
    import shlex

    words = shlex.split(written[-1]["command"])
    assert words[: len(command)] == list(command)
    given = dict(word.split("=") for word in words[len(command) :] if word != "--set")
    wanted = parse_options(option_kind("lora"), result.options)
    assert parse_options(option_kind("lora"), given) == wanted


def killed_in(search: Search, bench: Bench, after: int) -> None:
    """Leave the search as a kill in trial number `after` would."""
    taken = 0

    class KilledError(BaseException):
        pass

    def objective(trial: Trial) -> float:
        nonlocal taken
        taken += 1
        if taken > after:
            bench.now += 12
            trial.report(9.0, 1)
            (trial.folder / "checkpoints").mkdir(parents=True)
            raise KilledError
        return bench(trial)

    with pytest.raises(KilledError):
        search.run(objective, 20)


def test_a_killed_search_goes_on_where_it_was_and_tries_the_broken_trial_again(tmp_path: Path) -> None:
    bench, again = Bench(), Bench()
    with open_search(tmp_path, plan(), bench.clock) as search:
        killed_in(search, bench, 2)
    before = json.loads((tmp_path / "result.json").read_text())["trials"]
    result = run(tmp_path, again, most=6)
    assert json.loads(json.dumps([one.values for one in result.trials[:2]])) == [one["values"] for one in before]
    broken = again.seen[0]
    assert broken.folder == tmp_path / "trials" / "0002"  # whose run goes on from its checkpoint
    assert not (broken.folder / "checkpoints").exists()  # deleted once the trial is over
    assert [one.number for one in result.trials[:3]] == [0, 1, 3]
    assert len(result.trials) == 6 and len(again.seen) == 4
    assert len({json.dumps(one.values) for one in result.trials}) == 6


def test_a_process_that_is_killed_leaves_a_search_that_goes_on(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tests.finetune.search.test_study import *\n"
        "def objective(trial):\n"
        "    trial.report(3.0, 1)\n"
        "    if trial.number == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return 2.0\n"
        "with open_search(Path(sys.argv[1]), plan()) as search: search.run(objective, 60)"
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root).returncode == -9
    bench = Bench()
    result = run(tmp_path, bench, most=4)
    assert [one.number for one in result.trials] == [0, 1, 3, 4]
    assert bench.seen[0].folder == tmp_path / "trials" / "0002"


def test_time_of_earlier_sessions_counts_that_of_killed_trials_too(tmp_path: Path) -> None:
    bench = Bench()
    with open_search(tmp_path, plan(), bench.clock) as search:
        killed_in(search, bench, 2)
    assert len(run(tmp_path, Bench(), minutes=3.1).trials) == 2  # 2 min 12 s are gone, and a trial takes a minute
    assert len(run(tmp_path, Bench(), minutes=3.3).trials) == 3


def test_a_trial_that_ends_the_program_each_time_is_given_up(tmp_path: Path) -> None:
    for _ in range(3):
        with open_search(tmp_path, plan(), Bench().clock) as search:
            folder = tmp_path / "trials" / "0000"
            if (folder / "checkpoints").exists():
                (folder / "checkpoints").rmdir()
            killed_in(search, Bench(), 0)
    bench = Bench()
    result = run(tmp_path, bench, most=3)
    assert result.trials[0].state == "failed" and "ended during it" in result.trials[0].reason
    assert bench.seen[0].values != result.trials[0].values and len(bench.seen) == 2


def test_an_interruption_is_told_in_three_sentences_and_loses_nothing(tmp_path: Path) -> None:
    def objective(trial: Trial) -> float:
        if trial.number == 1:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(TrainingInterrupted) as caught, open_search(tmp_path, plan()) as search:
        search.run(objective, 9)
    assert "1 finished trial" in caught.value.kept and "same command" in caught.value.fix
    bench = Bench()
    assert run(tmp_path, bench, most=2).trials[1].values == bench.seen[0].values


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"the_plan": plan("rank=8|64")}, "space"),
        ({"the_plan": plan(trial_minutes=2.0)}, "trial_minutes"),
        ({"the_plan": plan(subject={"data": "other"})}, "data"),
        ({"the_plan": plan(fixed={"alpha": "8"})}, "fixed"),
    ],
)
def test_another_search_in_the_same_folder_is_refused_by_what_differs(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    run(tmp_path, Bench(), most=1)
    with pytest.raises(RecipeError, match=named):
        run(tmp_path, Bench(), **change)


def test_a_folder_in_use_or_of_something_else_is_refused(tmp_path: Path) -> None:
    with open_search(tmp_path / "s", plan()), pytest.raises(RecipeError, match="Another process"):
        run(tmp_path / "s", Bench())
    (tmp_path / "letters.txt").write_text("…")
    with pytest.raises(RecipeError, match="holds no search"):
        run(tmp_path, Bench())


def test_a_damaged_database_is_told_and_the_result_stays(tmp_path: Path) -> None:
    run(tmp_path, Bench(), most=1)
    (tmp_path / "trials.db").write_bytes(b"not a database" * 400)
    with pytest.raises(StorageError, match=r"trials\.db"):
        run(tmp_path, Bench())
    assert (tmp_path / "result.json").is_file()


def test_a_small_space_is_tried_to_its_end_and_nothing_in_it_twice(tmp_path: Path) -> None:
    bench = Bench()
    small = Plan("lora", Space({"learning_rate": Choice((1e-3, 1e-2)), "rank": Choice((8, 16))}), trial_minutes=1.0)
    result = run(tmp_path, bench, minutes=600, the_plan=small)
    assert result.ended == "space" and len(bench.seen) == 4
    assert sorted(map(str, (one.values for one in bench.seen))) == sorted({str(one.values) for one in bench.seen})
    assert run(tmp_path, bench, minutes=600, the_plan=small).ended == "space" and len(bench.seen) == 4


def failing(error: Exception) -> Callable[[Trial], float]:
    def objective(trial: Trial) -> float:
        if trial.values["learning_rate"] > 3e-3:
            raise error
        return trial.values["learning_rate"]

    return objective


def test_options_that_diverge_cost_their_trial_alone(tmp_path: Path) -> None:
    for name, error in (("a", TrainingDiverged("The loss is no number.")), ("b", RecipeError("It does not fit."))):
        with open_search(tmp_path / name, plan("learning_rate=1e-3..1e-2")) as search:
            result = search.run(failing(error), 600, most=8)
        failed = [one for one in result.trials if one.state == "failed"]
        assert failed and all(one.dev_loss is None and one.reason == error.what for one in failed)
        assert result.best is not None and result.best.state == "complete"


def test_a_loss_that_is_no_number_never_wins(tmp_path: Path) -> None:
    with open_search(tmp_path, plan()) as search:
        result = search.run(lambda trial: float("nan") if trial.number else 5.0, 600, most=3)
    assert [one.state for one in result.trials] == ["complete", "failed", "failed"]
    assert result.best is result.trials[0]


def test_a_search_in_which_nothing_is_possible_ends_at_once(tmp_path: Path) -> None:
    def objective(trial: Trial) -> float:
        raise RecipeError("No GPU here.", fix="Take lora.")

    with pytest.raises(RecipeError, match="No GPU"), open_search(tmp_path, plan()) as search:
        search.run(objective, 600)


# What is shown.


def test_trials_are_shown_best_first_with_what_made_the_difference(tmp_path: Path) -> None:
    with open_search(tmp_path, plan("learning_rate=1e-5..1e-1:log")) as search:
        result = search.run(lambda trial: Bench().loss(trial.values), 600, most=9)
    assert result.importances and max(result.importances, key=lambda name: result.importances[name]) == "learning_rate"
    assert sum(result.importances.values()) == pytest.approx(1, abs=0.01)
    shown = table(result)
    numbers = [str(cell) for cell in shown.columns[0].cells]
    assert result.best is not None and numbers[0] == str(result.best.number)
    assert sorted(map(int, numbers)) == [one.number for one in result.trials]
    assert "best so far" in trial_line(result.best, result.best)
    assert "ended early" in trial_line(replace(result.trials[0], state="pruned"), result.best)


def test_trials_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = plot(run(tmp_path / "s", Bench(), most=4), tmp_path)
    assert drawn is not None and drawn.read_bytes().startswith(b"\x89PNG")


def test_a_command_survives_the_shell() -> None:
    assert full_command(["train", "--data", "a b"], {"rslora": True, "targets": ("q", "v")}) == (
        "train --data 'a b' --set rslora=true --set targets=q,v"
    )


# The command.


def test_mistakes_are_found_before_anything_is_read_or_loaded(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from finetune.cli import app

    def refused(*words: str) -> str:
        done = CliRunner().invoke(app, ["search", "--data", str(tmp_path), "--out", str(tmp_path / "s"), *words])
        assert done.exit_code == 2, done.output
        return done.output

    assert "not below" in refused("--space", "learning_rate=1..0.1")
    assert "prefix_tuning" in refused("--recipe", "lorra")
    assert "--trial-minutes" in refused("--set", "minutes=5")
    assert "does not fit" in refused("--minutes", "5", "--trial-minutes", "6")
    assert "above 0" in refused("--minutes", "-1")
    assert "train.jsonl" in refused()
    message = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    (tmp_path / "train.jsonl").write_text(json.dumps(message) + "\n")
    assert "no development part" in refused()
    assert not (tmp_path / "s").exists()


def test_help_needs_neither_pytorch_nor_optuna() -> None:
    code = (
        "import sys, finetune.cli, finetune.commands.search, finetune.search.space\n"
        "heavy = 'torch', 'transformers', 'optuna', 'sqlalchemy', 'matplotlib'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
