"""`python -m finetune train`: what is wrong is said before PyTorch is loaded."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from finetune.cli import app


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
