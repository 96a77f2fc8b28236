"""Folders of runs, checkpoints and figures: whole or not there, and never another run's."""

import json
from collections import namedtuple
from pathlib import Path

import pytest

from agent.errors import StorageError
from finetune.dataset.example_files import read_splits
from finetune.errors import BaseMismatch, DatasetError, RecipeError
from finetune.schema import DatasetSplits, Example
from finetune.training import runs
from finetune.training.checkpoints import checkpoints, latest, write_checkpoint
from finetune.training.job import Job, check_examples
from finetune.training.runs import Identity, Run, check_space, open_run, read_record
from finetune.training.tracking import JsonLines, check_trackers, read_metrics

ONE = Identity("lora", "b" * 64, "d" * 64, {"rank": 4, "training": {"seed": 0}})


def test_the_same_configuration_goes_on_with_a_run(tmp_path: Path) -> None:
    assert not open_run(tmp_path / "run", ONE).resumed
    assert open_run(tmp_path / "run", ONE).resumed


@pytest.mark.parametrize(
    ("other", "error", "said"),
    [
        (Identity("full", ONE.base, ONE.data, ONE.options), RecipeError, "recipe"),
        (Identity("lora", ONE.base, "e" * 64, ONE.options), RecipeError, "data"),
        (Identity("lora", ONE.base, ONE.data, {"rank": 8, "training": {"seed": 0}}), RecipeError, "rank (4 there, 8"),
        (Identity("lora", ONE.base, ONE.data, {"rank": 4, "training": {"seed": 1}}), RecipeError, "seed (0 there, 1"),
        (Identity("lora", ONE.base, ONE.data, ONE.options, "a" * 64), RecipeError, "parent"),
        (Identity("lora", "c" * 64, ONE.data, ONE.options), BaseMismatch, "another base model"),
    ],
)
def test_another_configuration_is_refused_and_changes_nothing(
    tmp_path: Path, other: Identity, error: type[Exception], said: str
) -> None:
    open_run(tmp_path, ONE)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(error) as caught:
        open_run(tmp_path, other)
    assert said in str(caught.value) and "not touched" in str(caught.value)
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RecipeError, match="not empty"):
        open_run(tmp_path, ONE)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_record(tmp_path)


def test_a_full_disk_is_noticed_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(runs.shutil, "disk_usage", lambda folder: usage(2**40, 2**40, 100 * 2**20))
    check_space(tmp_path, 100_000)
    with pytest.raises(StorageError, match="100 MiB are free"):
        check_space(tmp_path, 135_000_000)


def test_two_checkpoints_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    for step in (3, 6, 9):
        write_checkpoint(tmp_path, step, {"spent": step}, lambda folder: _fill(folder))
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000006", "step-00000009"]
    found = latest(tmp_path)
    assert found is not None and found[1]["step"] == 9


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    for step in (3, 6):
        write_checkpoint(tmp_path, step, {}, lambda folder: _fill(folder))
    (tmp_path / "step-00000006" / "tensors").write_bytes(b"short")
    found = latest(tmp_path)
    assert found is not None and found[1]["step"] == 3


def test_a_checkpoint_that_fails_halfway_leaves_no_trace(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 3, {}, lambda folder: _fill(folder))

    def full(folder: Path) -> None:
        _fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        write_checkpoint(tmp_path, 6, {}, full)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]


def test_the_lineage_lies_beside_a_result_before_the_run_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Run, **values: object) -> None:
        raise KeyboardInterrupt

    run = open_run(tmp_path / "run", ONE)
    (run.folder / "adapter").mkdir()
    monkeypatch.setattr(Run, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        run.finish(run.folder / "adapter")
    assert open_run(run.folder, ONE).result is None
    beside = read_record(run.folder / "adapter")
    assert beside is not None and (beside["base"], beside["state"]) == (ONE.base, "done")


def test_an_unfinished_checkpoint_of_a_killed_run_is_not_taken(tmp_path: Path) -> None:
    _fill(tmp_path / ".new-00000006")
    assert latest(tmp_path) is None
    write_checkpoint(tmp_path, 6, {}, lambda folder: _fill(folder))
    assert latest(tmp_path) is not None


def _fill(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tensors").write_bytes(b"0123456789")


def test_a_torn_line_costs_itself_alone_and_a_repeated_step_counts_once(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.5}\n{"step": 3, "lo')
    log = JsonLines(tmp_path / "metrics.jsonl")
    log.add({"step": 2, "loss": 2.25})
    log.add({"step": 2, "dev_loss": 9.0})
    log.close()
    assert read_metrics(tmp_path) == {
        1: {"step": 1, "loss": 3.0},
        2: {"step": 2, "loss": 2.25, "dev_loss": 9.0},
    }


def test_a_tracker_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_trackers(())
    with pytest.raises(RecipeError, match="pip install mlflow-skinny"):
        check_trackers(("mlflow",))


def test_data_sets_are_read_by_split(tmp_path: Path) -> None:
    line = json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})
    (tmp_path / "train.jsonl").write_text(f"{line}\n{line}\n")
    (tmp_path / "dev.jsonl").write_text(line)
    assert [len(part) for part in (read_splits(tmp_path).train, read_splits(tmp_path).dev)] == [2, 1]
    assert len(read_splits(tmp_path / "dev.jsonl").train) == 1


@pytest.mark.parametrize("line", ['{"text": "a"}', '{"messages": "a"}', '{"messages": [1]}', "[1]", "{"])
def test_a_line_that_is_no_example_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.jsonl").write_text(f'{{"messages": []}}\n{line}\n')
    with pytest.raises(DatasetError, match="line 2"):
        read_splits(tmp_path)


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ([], "no example"),
        ([({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})], "a single example"),
        ([({"role": "user", "content": "a"},)] * 9, "None of the 9 examples has an assistant's message"),
        ([({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})] * 9, "All 9 examples .* the same"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused_before_the_model_is_read(
    tmp_path: Path, examples: list[tuple[dict[str, str], ...]], said: str
) -> None:
    splits = DatasetSplits(tuple(map(Example, examples)))
    with pytest.raises(DatasetError, match=said):
        Job(splits, tmp_path, tmp_path / "there is no such model.gguf").load_base()


def test_the_same_example_from_many_places_is_one() -> None:
    def said(text: str, source: str) -> Example:
        return Example(({"role": "user", "content": "a"}, {"role": "assistant", "content": text}), source=source)

    with pytest.raises(DatasetError, match="All 3 examples"):
        check_examples([said("É so.", "one"), said("é  so.", "two"), said("É so.", "three")])
    check_examples([said("It is so.", "one"), said("It is so.", "two"), said("It is not.", "three")])


def test_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.jsonl"):
        read_splits(tmp_path)
    with pytest.raises(DatasetError, match="no file"):
        read_splits(tmp_path / "nothing.jsonl")
