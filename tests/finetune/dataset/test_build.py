"""From sources to a folder: the same bytes for the same input, nothing half done, and errors before time is spent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune.dataset import store
from finetune.dataset.build import BuildProgress, BuildSettings, build_dataset
from finetune.dataset.card import Card
from finetune.dataset.files import FileSource
from finetune.dataset.sources import Examples, Reading
from finetune.dataset.store import DatasetFolder, load
from finetune.errors import DatasetError
from finetune.schema import Example
from tests.finetune.dataset.samples import CALCULATOR, example

MANY = tuple(
    example(f"What is {n} times {n + 1}?", f"{n * (n + 1)}, says bob{n}@acme.org", f"thread:{n % 20}", f"turn:{n}")
    for n in range(100)
)


def built(folder: Path, *given: Example, **options: object) -> DatasetFolder:
    return build_dataset([Examples("given", tuple(given))], folder, **options)  # type: ignore[arg-type]


def test_what_was_built_is_what_is_loaded(tmp_path: Path) -> None:
    made = built(tmp_path / "set", *MANY, MANY[0])
    there = load(tmp_path / "set")
    assert there == made
    splits = there.splits()
    assert len(splits.train) + len(splits.dev) + len(splits.test) == 100
    assert [one.source for one in there.examples("train")] == [one.source for one in splits.train]
    card = there.card
    assert card.examples == {"train": len(splits.train), "dev": len(splits.dev), "test": len(splits.test)}
    assert (card.kinds, card.turns) == ({"turn": 100}, 100)
    assert card.dropped == {"the same as another": 1}
    assert (card.pii, card.pii_examples) == ({"email": 101}, 100)
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_no_secret_is_anywhere_in_the_folder_and_each_can_be_traced(tmp_path: Path) -> None:
    built(tmp_path / "set", *MANY)
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "set").iterdir())
    assert "acme.org" not in text
    lines = [json.loads(line) for line in (tmp_path / "set" / "privacy.jsonl").read_text().splitlines()]
    assert {"source": "turn:7", "found": {"email": 1}} in lines
    assert "| email | 100 |" in (tmp_path / "set" / "card.md").read_text(encoding="utf-8")


def test_the_same_input_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        built(tmp_path / name, *MANY)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    other = built(tmp_path / "three", *MANY, settings=BuildSettings(seed=1))
    assert other.digest != load(tmp_path / "one").digest


def test_the_folder_is_the_users_alone(tmp_path: Path) -> None:
    built(tmp_path / "set", *MANY)
    assert oct((tmp_path / "set").stat().st_mode & 0o777) == "0o700"


def test_building_again_changes_nothing_and_another_set_is_refused(tmp_path: Path) -> None:
    first = built(tmp_path / "set", *MANY)
    before = (tmp_path / "set" / "dataset.json").stat().st_mtime_ns
    assert built(tmp_path / "set", *MANY) == first
    with pytest.raises(DatasetError, match="something else"):
        built(tmp_path / "set", *MANY[:50])
    assert (tmp_path / "set" / "dataset.json").stat().st_mtime_ns == before
    assert os.listdir(tmp_path) == ["set"], "nothing is left beside it"


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl", "card.md", "privacy.jsonl"])
def test_a_changed_file_is_noticed(tmp_path: Path, name: str) -> None:
    built(tmp_path / "set", *MANY)
    path = tmp_path / "set" / name
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(DatasetError, match=f"{name} changed"):
        load(tmp_path / "set")


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"format": 9}', '{"format": 1}'])
def test_a_damaged_manifest(tmp_path: Path, manifest: str) -> None:
    built(tmp_path / "set", *MANY)
    (tmp_path / "set" / "dataset.json").write_text(manifest)
    with pytest.raises(DatasetError):
        load(tmp_path / "set")


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no data set: dataset\.json is missing"):
        load(tmp_path)


class _Untouched:
    """A source that must not be read."""

    name = "untouched"
    reading = Reading()

    def check(self) -> None:
        pass

    def read(self) -> Iterator[Example]:
        raise AssertionError("time was spent")


def test_every_source_is_checked_before_any_is_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no file"):
        build_dataset([_Untouched(), FileSource(tmp_path / "no.jsonl")], tmp_path / "set")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((), "hold no example"),
        (MANY[:1], "only one example"),
        (MANY[:1] * 50, "50 examples say the same"),
        ((example("a", "b", label=True), example("a", "b", label=False)), "contradict each other"),
    ],
    ids=["empty", "one", "duplicates", "contradictions"],
)
def test_too_little_to_learn_from(tmp_path: Path, given: tuple[Example, ...], why: str) -> None:
    with pytest.raises(DatasetError, match=why) as caught:
        built(tmp_path / "set", *given)
    assert caught.value.fix
    assert not list(tmp_path.iterdir())


def test_no_source_at_all(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing to build"):
        build_dataset([], tmp_path / "set")


def test_an_evaluation_item_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="turn:7"):
        built(tmp_path / "set", *MANY, held_out={MANY[7].key})
    assert not list(tmp_path.iterdir())


def test_an_evaluation_item_is_left_out_on_demand_and_counted(tmp_path: Path) -> None:
    made = built(tmp_path / "set", *MANY, held_out={MANY[7].key}, settings=BuildSettings(leave_out_held_out=True))
    assert made.card.dropped == {"held out for evaluation": 1}
    assert "turn:7" not in {one.source for part in ("train", "dev", "test") for one in made.examples(part)}  # type: ignore[arg-type]


def test_an_evaluation_item_is_found_though_scrubbing_changes_the_question(tmp_path: Path) -> None:
    raw = example("Who is eve@acme.org?", "Eve.")
    scrubbed = example("Who is [EMAIL_1]?", "Eve.")
    for held_out in ({raw.key}, {scrubbed.key}):
        with pytest.raises(DatasetError, match="Evaluation items"):
            built(tmp_path / "set", raw, *MANY, held_out=held_out)


def test_progress_names_the_stages_in_order(tmp_path: Path) -> None:
    told: list[BuildProgress] = []
    built(tmp_path / "set", *MANY, on_progress=told.append)
    assert list(dict.fromkeys(one.stage for one in told)) == ["check", "read", "duplicates", "split", "write"]
    assert told[-1].done == 100


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        built(tmp_path / "set", *MANY)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(DatasetError, match="No space left"):
        built(tmp_path / "set", *MANY)
    assert not list(tmp_path.iterdir())


def test_the_card_tells_what_is_taught(tmp_path: Path) -> None:
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"name": "calculator", "arguments": {"expression": "1+1"}}],
    }
    given = [
        *MANY[:20],
        Example(({"role": "user", "content": "1+1?"}, call), (CALCULATOR,), "family:sums#1", "sums"),
        Example(
            ({"role": "user", "content": "Hello"}, {"role": "assistant", "content": ""}),
            (CALCULATOR,),
            "family:talk#1",
            "talk",
        ),
        example("Which?", "Blue.", "x", "turn:a", label=False),
        example("Where?", "Here.", "y", "turn:b", rejected={"role": "assistant", "content": "There."}),
    ]
    card = built(tmp_path / "set", *given).card
    assert card.teaches == {"answer": 21, "a call": 1, "no tool": 1, "preference": 1, "unwanted": 1}
    assert card.tools == {"calculator": 1}
    assert card.kinds == {"turn": 22, "family": 2}
    page = (tmp_path / "set" / "card.md").read_text(encoding="utf-8")
    assert "| calculator | 1 |" in page
    assert "- given (24 examples): 24 examples" in page
