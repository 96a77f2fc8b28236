"""`ratchet improve eval` on the command line: figures, differences from the first, pages to read, and going on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.adapters import FILE
from agent.cli import app
from agent.config import Settings, load_settings
from agent.errors import ServerUnreachable
from finetune.evaluation.evaluate import latency
from finetune.evaluation.items import EvaluationItem, ItemResult
from finetune.registry import AdapterRegistry
from finetune.suites import load_suite
from tests.finetune.evaluations import evaluation, item
from tests.finetune.loras import write_base, write_peft
from tests.finetune.scripted_model import Reply, ScriptedModel

COUNT = 8
GENERAL = load_suite("general", COUNT)
BOTH = ("--adapter", "none", "--adapter", "tuned", "--suite", "general", "--limit", str(COUNT))
Opened = list[ScriptedModel]


def ratchet(*words: str) -> Result:
    return CliRunner().invoke(app, ["improve", "eval", *words])


def figures(*words: str) -> Any:
    done = ratchet(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def said(adapter: str, asked: str) -> str:
    """The bare model is right about the first question alone, an adapter about all the others."""
    (number,) = (n for n, one in enumerate(GENERAL) if one.messages[-1]["content"] == asked)
    return str(GENERAL[number].expected["answers"][0]) if (number == 0) != bool(adapter) else "zzz"


@pytest.fixture
def settings(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with a base model and the adapters `tuned` and `other`."""
    base = write_base(_made(own_home) / "base.gguf")
    monkeypatch.setenv("RATCHET_MODEL__NAME", f"local:{base}")
    settings = load_settings()
    for seed, name in enumerate(("tuned", "other"), 1):
        AdapterRegistry(settings.adapters_folder).add(name, write_peft(own_home / f"{name}-peft", seed=seed), base)
    return settings


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def answering(monkeypatch: pytest.MonkeyPatch, reply: Callable[[str, str], Reply] = said) -> Opened:
    """The scripted models that the command opens in the place of the engine, in turn."""
    opened: Opened = []

    def open_model(settings: Settings, adapters: Sequence[Path]) -> ScriptedModel:
        model = ScriptedModel(reply=lambda name, messages: reply(name, str(messages[-1].content)))
        model.adapters = tuple(adapters)
        opened.append(model)
        return model

    monkeypatch.setattr("finetune.improvement.serving.open_model", open_model)
    return opened


@pytest.fixture
def opened(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Opened:
    return answering(monkeypatch)


def asking(monkeypatch: pytest.MonkeyPatch, *items: EvaluationItem) -> None:
    monkeypatch.setattr("finetune.suites.load_suite", lambda name, limit=0: items)


def results_in(folder: Path) -> dict[str, list[ItemResult]]:
    """By adapter, what the files of replies hold."""
    found = {}
    for path in folder.glob("replies-*.jsonl"):
        _, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        found[path.stem.split("-")[1]] = [ItemResult.from_json(line) for line in lines]
    return found


def test_help_gives_an_example_with_differences() -> None:
    shown = " ".join(ratchet("--help").stdout.split())
    assert "--out compared # and how they differ" in shown
    assert "compared with the first" in shown


def test_the_text_has_figures_differences_and_latency(opened: Opened) -> None:
    done = ratchet(*BOTH)
    assert done.exit_code == 0, done.output
    shown = " ".join(done.stdout.split())
    assert "12.5 % (2–47)" in shown and "87.5 % (53–98)" in shown
    assert "seconds a reply: median" in shown and "95th percentile" in shown
    assert "tuned less base, item by item" in shown
    assert "+75.0 points" in shown and "7 / 1" in shown and "0.070" in shown


def test_of_one_alone_there_is_nothing_to_compare(opened: Opened) -> None:
    words = ("--suite", "general", "--limit", str(COUNT))
    found = figures(*words)
    assert found["adapters"].keys() == {"none"} and found["first"] == "none"
    assert (found["differences"], found["pages"], found["perplexity"]) == ({}, {}, {"none": None})
    assert "item by item" not in ratchet(*words).stdout


def test_json_has_paired_differences_from_the_first(opened: Opened) -> None:
    found = figures(*BOTH, "--adapter", "other")
    assert found["adapters"]["none"]["general"]["right"]["mean"] == pytest.approx(1 / COUNT)
    assert found["differences"].keys() == {"tuned", "other"}
    right = found["differences"]["tuned"]["general"]["right"]
    assert right["difference"] == pytest.approx(6 / 8)
    assert -0.25 <= right["low"] < 0.75 < right["high"] <= 1
    assert (right["better"], right["worse"], right["items"], right["unpaired"]) == (7, 1, 8, 0)
    assert right["p"] == pytest.approx(2 * (8 + 1) / 2**8), "the sign test, two-sided"
    assert right["p_adjusted"] >= right["p"]
    assert found["differences"]["other"] == found["differences"]["tuned"]
    turned = figures(*BOTH[2:4], *BOTH[:2], *BOTH[4:])
    assert (turned["first"], turned["differences"].keys()) == ("tuned", {"none"})
    assert turned["differences"]["none"]["general"]["right"]["difference"] == pytest.approx(-6 / 8)


def test_what_never_came_out_otherwise_still_has_an_interval(settings: Settings, monkeypatch: Any) -> None:
    answering(monkeypatch, lambda adapter, asked: "zzz")
    right = figures(*BOTH)["differences"]["tuned"]["general"]["right"]
    assert (right["difference"], right["p"], right["better"], right["worse"]) == (0, 1, 0, 0)
    assert right["low"] < -0.2 and right["high"] > 0.2, "eight items prove little"


def test_latency_is_that_of_the_replies(settings: Settings, monkeypatch: Any, tmp_path: Path) -> None:
    clock = iter(range(10**6))
    answering(monkeypatch)
    monkeypatch.setattr("finetune.evaluation.evaluate.time.perf_counter", lambda: next(clock) ** 2 / 100)
    words = (*BOTH, "--out", str(tmp_path / "kept"))
    found, shown = figures(*words)["latency"], ratchet(*words).stdout
    kept = results_in(tmp_path / "kept")
    for name, file in (("none", "bare"), ("tuned", "tuned")):
        seconds = [result.seconds for result in kept[file]]
        assert len(set(seconds)) == COUNT
        median, p95 = latency(evaluation([{}] * COUNT, seconds=seconds))
        assert found[name] == {"median": median, "p95": p95} and median < p95
        assert f"{median:.2f} / {p95:.2f}" in shown
    assert found["none"] != found["tuned"]


def test_perplexity_is_in_the_json_as_in_the_table(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    asking(monkeypatch, item("t", "perplexity", text="four words of text"), item("u", "perplexity", text="one more"))
    words = (*BOTH[:4], "--suite", "perplexity")
    found = figures(*words)
    assert found["perplexity"] == pytest.approx({"none": math.exp(2), "tuned": math.exp(1)})
    bits = found["differences"]["tuned"]["perplexity"]["bits_per_byte"]
    assert bits["difference"] < 0 and (bits["better"], bits["worse"], bits["higher_is_better"]) == (2, 0, False)
    assert "7.39" in ratchet(*words).stdout and "2.72" in ratchet(*words).stdout


def test_what_failed_is_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.errors import ModelError

    answering(monkeypatch, lambda adapter, asked: ModelError("It broke.") if adapter else said(adapter, asked))
    assert figures(*BOTH)["failed"] == {"none": 0, "tuned": COUNT}


def test_out_keeps_replies_and_pages_to_read(opened: Opened, settings: Settings, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    found = figures(*BOTH, "--adapter", "other", "--out", str(kept))
    assert len(list(kept.glob("replies-*.jsonl"))) == 3
    assert {Path(page) for page in found["pages"].values()} == set(kept.glob("*.md"))
    assert len(list(kept.iterdir())) == 5, "nothing unfinished is left"
    page = Path(found["pages"]["tuned"]).read_text(encoding="utf-8")
    assert page.startswith("# tuned against the bare model\n")
    assert "| general | right | +75.0 points" in page
    assert "## Won: 7" in page and "## Lost: 1" in page
    assert str(GENERAL[3].messages[-1]["content"]) in page and f"`{GENERAL[3].expected['answers'][0]}`" in page
    assert ".md" in ratchet(*BOTH, "--out", str(kept)).stdout


def test_what_is_in_the_folder_is_not_asked_again(opened: Opened, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    first = figures(*BOTH, "--out", kept)
    again = figures(*BOTH, "--out", kept)
    assert [len(model.asked) for model in opened] == [2 * COUNT, 0]
    assert again == first
    figures(*BOTH, "--adapter", "other", "--out", kept)
    assert {name for name, _ in opened[-1].asked} == {str(opened[-1].adapters[1])}, "only who is new is asked"


def test_an_interrupted_measurement_goes_on(settings: Settings, monkeypatch: Any, tmp_path: Path) -> None:
    words = (*BOTH, "--out", str(tmp_path / "kept"))
    answering(monkeypatch)
    whole = figures(*BOTH)
    left = iter(range(5))

    def dying(adapter: str, asked: str) -> Reply:
        return said(adapter, asked) if next(left, None) is not None else ServerUnreachable("It is gone.")

    answering(monkeypatch, dying)
    done = ratchet(*words)
    assert done.exit_code == 4 and "It is gone." in done.stderr
    assert not list((tmp_path / "kept").glob("*.md"))
    opened = answering(monkeypatch)
    found = figures(*words)
    assert len(opened[0].asked) == 2 * COUNT - 5
    assert found["adapters"] == whole["adapters"] and found["differences"] == whole["differences"]


def test_an_adapter_that_was_trained_anew_is_asked_anew(opened: Opened, settings: Settings, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    figures(*BOTH, "--out", kept)
    registry = AdapterRegistry(settings.adapters_folder)
    registry.remove("tuned")
    registry.add("tuned", write_peft(tmp_path / "anew", seed=9), settings.home / "base.gguf")
    figures(*BOTH, "--out", kept)
    tuned = str(settings.adapters_folder / "tuned" / FILE)
    assert [name for name, _ in opened[-1].asked] == [tuned] * COUNT


def test_a_page_that_cannot_be_written_costs_no_replies(opened: Opened, settings: Settings, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    page = Path(figures(*BOTH, "--out", str(kept))["pages"]["tuned"])
    page.unlink()
    _made(page / "in the way")
    done = ratchet(*BOTH, "--out", str(kept))
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr and "All replies are in" in done.stderr
    assert not list(kept.glob(".*"))
    (page / "in the way").rmdir()
    page.rmdir()
    figures(*BOTH, "--out", str(kept))
    assert page.is_file() and not opened[-1].asked


@pytest.mark.parametrize("as_json", [False, True])
def test_a_suite_that_is_not_there_is_told_before_anything_is_asked(opened: Opened, as_json: bool) -> None:
    done = ratchet("--suite", "general", "--suite", "tool", *(["--json"] if as_json else []))
    assert (done.exit_code, opened) == (2, [])
    told = json.loads(done.stdout)["error"] if as_json else {"what": done.stderr, "fix": done.stderr}
    assert 'There is no suite "tool".' in told["what"]
    assert all(name in told["fix"] for name in ("yours", "tools", "lookups", "general", "seal_tools"))


def test_without_a_run_there_are_no_questions_of_yours(opened: Opened) -> None:
    done = ratchet("--suite", "yours", "--json")
    assert (done.exit_code, opened) == (3, [])
    assert "held out questions of yours" in json.loads(done.stdout)["error"]["what"]
    assert ratchet("--suite", "yours", "--of", "mine-7").exit_code == 3


def test_an_adapter_that_is_not_there_is_told_before_anything_is_asked(opened: Opened) -> None:
    done = ratchet("--adapter", "none", "--adapter", "nobody", "--suite", "general")
    assert (done.exit_code, opened) == (4, []) and "nobody" in done.stderr


def test_what_reads_the_figures_still_finds_the_means_alone(opened: Opened, tmp_path: Path) -> None:
    from finetune.commands.default import _means

    (tmp_path / "figures.json").write_text(ratchet(*BOTH, "--json").stdout, encoding="utf-8")
    found = _means(tmp_path / "figures.json")
    assert found["general: right, bare model"] == pytest.approx(1 / 8)
    assert found["general: right, this adapter"] == pytest.approx(7 / 8)
