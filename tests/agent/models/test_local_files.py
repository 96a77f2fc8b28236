"""Files that are no model, adapters, and the bundled model's preparation."""

import json
from pathlib import Path

import pytest

from agent.config import ModelSettings
from agent.errors import ConfigError, ModelFileInvalid, ModelNotFound, StorageError
from agent.models import bundled
from agent.models.local import LocalChatModel, build
from tests.knowledge.embedders.minilm_gguf import write_minilm_gguf


def write_lora(path: Path, *, seed: int = 0, architecture: str = "llama", width: int = 576, size: float = 0.2) -> Path:
    """A random LoRA of rank 4 for the query projections of a model of that width; `size` is that of its weights."""
    import gguf
    import numpy as np

    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 8.0)
    for layer in range(0, 30, 3):
        name = f"blk.{layer}.attn_q.weight"
        writer.add_tensor(f"{name}.lora_a", random.normal(0, size, (4, width)).astype(np.float32))
        writer.add_tensor(f"{name}.lora_b", random.normal(0, size, (width, 4)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(ModelNotFound, match="nowhere"):
        build("nowhere.gguf", ModelSettings(), tmp_path)


def test_models_in_the_folder_are_named_by_stem(gguf, tmp_path):
    (tmp_path / "mine.gguf").symlink_to(gguf)
    assert build("mine", ModelSettings(), tmp_path).path == tmp_path / "mine.gguf"
    with pytest.raises(ModelNotFound, match="local:mine"):
        build("other", ModelSettings(), tmp_path)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all", b"GGUF\x09\0\0\0" + b"\0" * 64])
def test_what_is_no_gguf_is_told_from_its_header(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileInvalid):
        LocalChatModel(path=path)


@pytest.mark.parametrize("keep", [40, 1_000, 500_000, 90_000_000])
def test_a_file_cut_short_is_invalid_and_harmless(gguf, tmp_path, keep):
    path = tmp_path / "cut.gguf"
    with gguf.open("rb") as file:
        path.write_bytes(file.read(keep))
    with pytest.raises(ModelFileInvalid):
        LocalChatModel(path=path).invoke("Hello")


def test_more_context_than_was_trained_is_refused(gguf):
    with pytest.raises(ConfigError, match="trained for 8192 tokens of context, not 9000"):
        LocalChatModel(path=gguf, context_tokens=9000)


def test_an_embedder_does_not_chat(tmp_path):
    with pytest.raises(ModelFileInvalid, match="does not generate text"):
        LocalChatModel(path=write_minilm_gguf(tmp_path / "embedder.gguf"))


def test_an_adapter_is_no_model_and_a_model_no_adapter(gguf, tmp_path):
    lora = write_lora(tmp_path / "a.gguf")
    with pytest.raises(ModelFileInvalid, match="is a LoRA adapter"):
        LocalChatModel(path=lora)
    with pytest.raises(ModelFileInvalid, match="is not a LoRA adapter"):
        LocalChatModel(path=gguf, adapters=(gguf,))
    with pytest.raises(ModelNotFound, match="no adapter file"):
        LocalChatModel(path=gguf, adapters=(tmp_path / "b.gguf",))


def test_an_adapter_for_another_model_is_refused(gguf, tmp_path):
    other = write_lora(tmp_path / "qwen.gguf", architecture="qwen2")
    with pytest.raises(ModelFileInvalid, match='"qwen2".*"llama"'):
        LocalChatModel(path=gguf, adapters=(other,))
    wide = write_lora(tmp_path / "wide.gguf", width=1024)
    with pytest.raises(ModelFileInvalid, match="with the adapter"):
        LocalChatModel(path=gguf, adapters=(wide,)).invoke("Hello")


def test_base_and_adapters_answer_in_turn_from_one_model(gguf, model, tmp_path):
    first, second = write_lora(tmp_path / "first.gguf", seed=1), write_lora(tmp_path / "second.gguf", seed=2)
    adapted = LocalChatModel(path=gguf, adapters=(first, second), context_tokens=1024, max_tokens=16)
    question = "Name three rivers."
    plain = model.invoke(question, max_tokens=16).text

    def ask(adapter):
        return adapted.bind(adapter=adapter).invoke(question).text

    seen = [(ask(""), ask("first"), ask("second")) for _ in range(2)]
    assert seen[0] == seen[1]
    assert seen[0][0] == plain and len(set(seen[0])) == 3
    assert adapted.invoke(question).text == ask(str(first))
    with pytest.raises(ModelNotFound, match="loaded: first, second"):
        ask("third")


def test_the_settings_name_adapters(gguf, tmp_path):
    lora = write_lora(tmp_path / "a.gguf")
    (tmp_path / "m.gguf").symlink_to(gguf)
    assert build("m", ModelSettings(adapter=str(lora)), tmp_path).adapters == (lora,)


def test_a_prepared_model_is_found_again_without_its_source(gguf, models_folder, monkeypatch):
    monkeypatch.setattr(bundled, "_installed", lambda: None)
    assert bundled.prepare(models_folder) == gguf


def test_without_package_the_fix_is_to_pull(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "_installed", lambda: None)
    with pytest.raises(ModelNotFound, match="ratchet models pull"):
        bundled.prepare(tmp_path)


def test_a_source_of_another_checksum_is_refused(tmp_path):
    source = tmp_path / "source.gguf"
    source.write_bytes(b"GGUF something else")
    with pytest.raises(ModelFileInvalid, match="SHA-256"):
        bundled.prepare(tmp_path / "models", source)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("damage", ["size", "manifest", "gone"])
def test_a_damaged_preparation_is_not_trusted(tmp_path, damage):
    target = tmp_path / f"{bundled.NAME}-Q8_0.gguf"
    target.write_bytes(b"GGUF\x03\0\0\0" + b"x" * 100)
    manifest = bundled._manifest(target)
    manifest.write_text(json.dumps({"source": bundled._SHA256, "size": 108}))
    assert bundled.is_prepared(tmp_path)
    if damage == "size":
        target.write_bytes(b"GGUF\x03\0\0\0" + b"x" * 99)
    elif damage == "manifest":
        manifest.write_text("{")
    else:
        target.unlink()
    assert not bundled.is_prepared(tmp_path)


def test_a_crash_while_preparing_leaves_nothing(tmp_path, monkeypatch):
    def full(source, target):
        target.write_bytes(b"GGUF half")
        raise OSError(28, "No space left on device")

    source = tmp_path / "source.gguf"
    source.write_bytes(b"x")
    monkeypatch.setattr(bundled, "_verify", lambda path: None)
    monkeypatch.setattr(bundled, "_requantize", full)
    with pytest.raises(StorageError, match="No space left"):
        bundled.prepare(tmp_path / "models", source)
    assert list((tmp_path / "models").iterdir()) == []


def test_the_prepared_weights_speak_like_the_packaged_ones(gguf):
    """The two agree on 96 % of 460 next tokens (each agrees with F32 on 97 %); here on 60 of them."""
    packaged = bundled._installed()
    if packaged is None:
        pytest.skip("the package of the bundled model is not installed")
    theirs, ours = (LocalChatModel(path=path, context_tokens=512)._engine for path in (packaged, gguf))

    def greedy(engine, prompt, count):
        body = {"prompt": prompt, "max_tokens": count, "temperature": 0, "n_probs": 1}
        return [item["id"] for item in engine.server.handle_completions(body)["choices"][0]["logprobs"]["content"]]

    same = 0
    for text in ("The capital of France is", "To install the package, run", "Dear Ms Lopez,\n\nthank you for"):
        prompt = theirs.tokenizer.tokenize(text)
        spoken = greedy(theirs, prompt, 20)
        same += sum(greedy(ours, prompt + spoken[:place], 1) == [token] for place, token in enumerate(spoken))
    assert same >= 52  # sums depend a little on how many threads share them
