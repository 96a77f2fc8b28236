"""A checkpoint folder becomes a local model that answers alike; a folder that is none says what it lacks."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent.config import load_settings
from agent.errors import ModelError, ModelFileInvalid, ModelNotFound, StorageError
from agent.models import bundled, hf
from agent.models.registry import build_chat_model
from tests.agent.models.checkpoint import write_checkpoint

QUESTION = "Name the three primary colors."


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Path:
    """The bundled model as `save_pretrained` would write it."""
    missing = [name for name in hf._NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"conversion needs {', '.join(missing)}")
    return write_checkpoint(bundled.prepare(models_folder), tmp_path_factory.mktemp("hf") / "smol checkpoint")


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """The files of a checkpoint, with nothing in them."""
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["NoSuchForCausalLM"]}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return folder


@pytest.mark.slow
def test_a_checkpoint_answers_as_the_model_it_holds(checkpoint: Path, tmp_path: Path) -> None:
    settings = load_settings({"models": tmp_path / "models", "model": {"max_tokens": 24}})
    words = "In 2024, 3 of 17 rivers"
    with closing(build_chat_model("local:default", adapter="none", max_tokens=24)) as reference:
        expected = reference.invoke(QUESTION).text, reference.get_num_tokens(words), reference.profile
    with closing(build_chat_model(f"hf:{checkpoint}", settings)) as model:
        assert (model.invoke(QUESTION).text, model.get_num_tokens(words), model.profile) == expected


@pytest.mark.slow
def test_a_checkpoint_is_converted_once_and_again_after_training(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "run 7")
    first = hf.convert(folder, tmp_path / "models")
    made = first.stat().st_mtime_ns
    assert hf.convert(folder, tmp_path / "models") == first and first.stat().st_mtime_ns == made
    other = tmp_path / "models" / "of-another.gguf"
    other.touch()
    (folder / "model.safetensors").touch()
    second = hf.convert(folder, tmp_path / "models")
    assert second != first
    assert sorted((tmp_path / "models").iterdir()) == sorted([second, other])


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("missing", ModelNotFound, "no checkpoint folder"),
        ("empty", ModelNotFound, "no config.json"),
        ("adapter", ModelNotFound, "adapter"),
        ("pickled", ModelFileInvalid, "safetensors"),
        ("wordless", ModelFileInvalid, "tokenizer"),
        ("garbled", ModelFileInvalid, "JSON"),
    ],
)
def test_what_is_no_checkpoint_says_so(
    name: str, error: type[ModelError], says: str, shell: Path, tmp_path: Path
) -> None:
    folder = shell
    if name == "missing":
        folder = tmp_path / "nowhere"
    elif name == "empty":
        (folder / "config.json").unlink()
    elif name == "adapter":
        (folder / "config.json").rename(folder / "adapter_config.json")
    elif name == "pickled":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif name == "wordless":
        (folder / "tokenizer.json").unlink()
    else:
        (folder / "config.json").write_text("{" * 100)
    with pytest.raises(error, match=says) as caught:
        build_chat_model(f"hf:{folder}", load_settings({"models": tmp_path / "models"}))
    assert caught.value.fix
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_a_checkpoint_that_brings_code_is_refused_before_anything_runs(
    file: str, shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf.subprocess, "run", lambda *args, **kwargs: pytest.fail("a process was started"))
    (shell / "evil.py").write_text("raise SystemExit('ran')")
    (shell / file).write_text(json.dumps({"deep": [{"auto_map": {"AutoTokenizer": ["evil.T", None]}}]}))
    with pytest.raises(ModelFileInvalid, match="code of its own") as caught:
        hf.convert(shell, tmp_path / "models")
    assert caught.value.fix


def test_what_converts_must_be_installed(shell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    with pytest.raises(ModelError, match="torch") as caught:
        hf.convert(shell, tmp_path / "models")
    assert "finetune" in caught.value.fix


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in the place of llama.cpp's; a test writes into it what it does."""
    script = tmp_path / "converter.py"
    monkeypatch.setattr(hf, "_script", lambda: script)
    return script


@pytest.mark.parametrize(
    ("does", "error", "says"),
    [
        ("exit('ERROR:hf-to-gguf:Model NoSuchForCausalLM is not supported')", ModelFileInvalid, "NoSuchFor"),
        ("raise ValueError('\\x1b[31mq is missing')", ModelFileInvalid, "ValueError: q is missing"),
        ("pass", ModelFileInvalid, "said nothing"),
        ("raise OSError(28, 'No space left on device')", StorageError, "No space left"),
    ],
)
def test_a_conversion_that_fails_says_why_and_leaves_nothing(
    does: str, error: type[Exception], says: str, shell: Path, tmp_path: Path, converter: Path
) -> None:
    converter.write_text(does)
    with pytest.raises(error, match=says) as caught:
        hf.convert(shell, tmp_path / "models")
    assert "\x1b" not in str(caught.value) and caught.value.fix
    assert list((tmp_path / "models").iterdir()) == []


def test_the_converter_is_offline_and_the_checkpoint_stays_as_it_was(
    shell: Path, tmp_path: Path, converter: Path
) -> None:
    converter.write_text(
        "import os, pathlib, sys\n"
        "offline = os.environ['HF_HUB_OFFLINE'] + os.environ['TRANSFORMERS_OFFLINE']\n"
        "pathlib.Path(sys.argv[3]).write_text(offline)\n"
    )
    made = hf.convert(shell, tmp_path / "models")
    assert made.read_text() == "11"
    assert list((tmp_path / "models").iterdir()) == [made]
    assert {path.name for path in shell.iterdir()} == {"config.json", "model.safetensors", "tokenizer.json"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_a_folder_that_cannot_be_written_is_named(shell: Path, tmp_path: Path, converter: Path) -> None:
    converter.write_text("")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file") as caught:
        hf.convert(shell, tmp_path / "file" / "models")
    assert caught.value.fix
