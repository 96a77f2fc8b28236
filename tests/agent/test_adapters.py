"""Which adapter a local model is served with, and what is said when the expected one cannot be."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent import adapters
from agent.adapters import (
    FILE,
    POINTER,
    ServedAdapter,
    base_fingerprint,
    choose_adapter,
    is_own,
    served_entries,
    write_json,
)
from agent.config import ModelSettings, load_settings
from agent.errors import ModelFileInvalid, ModelNotFound
from agent.models.local import build
from tests.finetune.loras import write_base
from tests.knowledge.embedders.minilm_gguf import write_minilm_gguf


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base.gguf")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "adapters"
    made.mkdir()
    return made


def write_lora(path, architecture="llama"):
    from gguf import GGUFType, GGUFWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, architecture)
    writer.add_type(GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_string("general.name", str(path.parent.name))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def keep(folder, name, base):
    """An adapter in the store; returns its SHA-256."""
    path = write_lora(folder / name / FILE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = {"base": base_fingerprint(base, folder), "files": {FILE: digest}}
    (folder / name / "adapter.json").write_text(json.dumps(manifest))
    return digest


def promote(folder, base, *entries):
    served = {base_fingerprint(base, folder): [{"name": name, "sha256": digest} for name, digest in entries]}
    (folder / POINTER).write_text(json.dumps({"served": served, "history": []}))


@pytest.fixture
def packaged(tmp_path, monkeypatch, base):
    """A packaged adapter, as if the package had one."""
    place = tmp_path / "package"
    digest = hashlib.sha256(write_lora(place / FILE).read_bytes()).hexdigest()
    (place / "adapter.json").write_text(json.dumps({"files": {FILE: digest}}))
    monkeypatch.setattr(adapters, "_FOLDER", place)
    return ServedAdapter((place / FILE,), f"packaged@{digest[:12]}")


@pytest.fixture
def unpackaged(tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "_FOLDER", tmp_path / "nowhere")


def test_without_any_adapter_the_model_answers_alone(base, folder, unpackaged):
    assert choose_adapter("", base, folder, bundled=True) == ServedAdapter()
    assert choose_adapter("", base, None) == ServedAdapter()


def test_the_packaged_adapter_belongs_to_the_bundled_model(base, folder, packaged):
    assert choose_adapter("", base, folder, bundled=True) == packaged
    assert choose_adapter("", base, folder) == ServedAdapter()
    assert choose_adapter("none", base, folder, bundled=True) == ServedAdapter()


def test_the_promoted_adapter_comes_before_the_packaged_one(base, folder, packaged):
    digest = keep(folder, "mine", base)
    promote(folder, base, ("mine", digest))
    expected = ServedAdapter((folder / "mine" / FILE,), f"mine@{digest[:12]}")
    assert choose_adapter("", base, folder, bundled=True) == expected
    assert choose_adapter("mine", base, folder) == expected


def test_an_own_adapter_is_told_from_the_packaged_one(base, folder, packaged):
    promote(folder, base, ("mine", keep(folder, "mine", base)))
    own = choose_adapter("", base, folder, bundled=True)
    assert [is_own(one.name) for one in (own, packaged, ServedAdapter())] == [True, False, False]


def test_it_is_bound_to_its_base(base, folder, tmp_path, packaged):
    promote(folder, base, ("mine", keep(folder, "mine", base)))
    other = write_base(tmp_path / "other.gguf", seed=1)
    assert choose_adapter("", other, folder, bundled=True) == packaged
    with pytest.raises(ModelFileInvalid, match="another model"):
        choose_adapter("mine", other, folder)
    with pytest.raises(ModelFileInvalid, match="another model"):
        base.write_bytes(other.read_bytes())  # the very file became another model
        os.utime(base, ns=(1, 1))
        choose_adapter("mine", base, folder)


@pytest.mark.parametrize("harm", ["changed", "gone", "pointer", "foreign name"])
def test_a_promoted_adapter_that_is_damaged_gives_way_and_says_so(base, folder, packaged, harm):
    digest = keep(folder, "mine", base)
    promote(folder, base, ("mine" if harm != "foreign name" else "../mine", digest))
    if harm == "changed":
        write_lora(folder / "mine" / FILE, "qwen2")
    elif harm == "gone":
        (folder / "mine" / FILE).unlink()
    elif harm == "pointer":
        (folder / POINTER).write_text('{"served": {"a": 3}}')
    found = choose_adapter("", base, folder, bundled=True)
    assert (found.paths, found.name) == (packaged.paths, packaged.name)
    assert "the packaged adapter answers" in found.note
    assert "the model without an adapter answers" in choose_adapter("", base, folder).note


def test_a_damaged_packaged_adapter_is_left_out_and_told(base, folder, packaged):
    packaged.paths[0].write_bytes(packaged.paths[0].read_bytes() + b"!")
    found = choose_adapter("", base, folder, bundled=True)
    assert found.paths == () and "damaged" in found.note


def test_what_is_asked_for_by_name_must_be_there_and_whole(base, folder, tmp_path):
    keep(folder, "mine", base)
    with pytest.raises(ModelNotFound, match="other"):
        choose_adapter("other", base, folder)
    with pytest.raises(ModelNotFound):
        choose_adapter("../mine", base, folder)
    write_lora(folder / "mine" / FILE, "qwen2")
    with pytest.raises(ModelFileInvalid, match="damaged"):
        choose_adapter("mine", base, folder)
    with pytest.raises(ModelFileInvalid, match="not a LoRA"):
        choose_adapter(str(write_minilm_gguf(tmp_path / "e.gguf")), base, folder)


def test_paths_and_names_can_be_given_together(base, folder, tmp_path):
    digest, path = keep(folder, "mine", base), write_lora(tmp_path / "theirs.gguf")
    found = choose_adapter(os.pathsep.join([str(path), "mine"]), base, folder)
    assert found == ServedAdapter((path, folder / "mine" / FILE), str(path))
    assert choose_adapter("mine", base, folder).name == f"mine@{digest[:12]}"


def test_the_fingerprint_is_remembered_until_the_file_changes(base, folder, tmp_path):
    first = base_fingerprint(base, folder)
    assert first == hashlib.sha256(base.read_bytes()).hexdigest() == base_fingerprint(base, folder)
    (folder / ".bases.json").write_text("[damaged")
    assert base_fingerprint(base, folder) == first
    write_base(base, seed=4)
    assert base_fingerprint(base, folder) != first
    with pytest.raises(ModelNotFound):
        base_fingerprint(tmp_path / "nowhere", folder)


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / "state.json"
    with ThreadPoolExecutor(8) as threads:
        written = [threads.submit(write_json, path, {"number": number, "text": "x" * 9999}) for number in range(64)]
        assert [one.result() for one in written] == [None] * 64
    assert json.loads(path.read_text())["text"] == "x" * 9999
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_model_is_built_with_what_is_promoted(base, folder, tmp_path, unpackaged):
    digest = keep(folder, "mine", base)
    promote(folder, base, ("mine", digest))
    model = build(str(base), ModelSettings(), tmp_path, folder)
    assert model.adapters == (folder / "mine" / FILE,) and model.adapter_name == f"mine@{digest[:12]}"
    assert build(str(base), ModelSettings(adapter="none"), tmp_path, folder).adapters == ()


def test_nothing_promoted_is_an_empty_state(folder):
    assert served_entries(folder)["served"] == {}
    assert load_settings().adapters_folder == load_settings().home / "adapters"
