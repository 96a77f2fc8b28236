"""`python -m finetune train`: what is wrong is said before PyTorch is loaded."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from finetune.cli import app
from finetune.suites import load_suite


def train(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    line = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (tmp_path / "train.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path / "train.jsonl"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--recipe", "lorra"), 'There is no recipe "lorra"'),
        (("--set", "rank=0"), "The option rank must be above 0"),
        (("--set", "rank"), "rank"),
        (("--set", "ranks=3"), 'Did you mean "rank"'),
        (("--minutes", "-1"), "The option minutes must be above 0"),
        (("--track", "sheets"), "tracking cannot be"),
    ],
)
def test_a_wrong_option_ends_with_2_and_leaves_nothing(
    tmp_path: Path, data: Path, arguments: tuple[str, ...], said: str
) -> None:
    loaded = "torch" in sys.modules
    result = train("--data", str(data), "--out", str(tmp_path / "run"), *arguments)
    assert result.exit_code == 2 and said in " ".join(result.output.split())
    assert not (tmp_path / "run").exists() and ("torch" in sys.modules) == loaded


def test_missing_data_ends_with_2(tmp_path: Path) -> None:
    result = train("--data", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "run"))
    assert result.exit_code == 2 and "There is no file" in result.output


def test_an_error_can_be_read_by_a_script(tmp_path: Path, data: Path) -> None:
    result = train("--data", str(data), "--out", str(tmp_path / "run"), "--recipe", "lorra", "--json")
    assert "lorra" in json.loads(result.stdout)["error"]["what"]


def lines(path: Path, *exchanges: tuple[str, str]) -> Path:
    said = ([{"role": "user", "content": asked}, {"role": "assistant", "content": told}] for asked, told in exchanges)
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in said))
    return path


@pytest.mark.slow
def test_what_models_are_evaluated_with_is_left_out_and_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    asked = [item.messages[-1]["content"] for item in load_suite("general")[:3]]
    data = lines(tmp_path / "own.jsonl", *((text, "It is so.") for text in asked), ("Where is the heron?", "There."))
    result = train("--data", str(data), "--out", str(tmp_path / "run"))
    said = " ".join(result.output.split())
    assert result.exit_code == 2
    assert "3 examples ask what models are evaluated with and are left out of train." in said
    assert "The data set has a single example to train on." in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_file_with_one_example_many_times_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    data = lines(tmp_path / "own.jsonl", *[("Where is the heron?", "There.")] * 40)
    result = train("--data", str(data), "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "All 40 examples to train on say the same" in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()
