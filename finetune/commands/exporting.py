"""`export`: an adapter for other programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import err, foreign, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.export.merge import Merged

FORMATS = ("gguf", "merged", "ollama", "checkpoint")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "ratchet improve export mine-1 --format gguf",
            "ratchet improve export mine-1 --format merged --type Q4_0 --to model.gguf",
            "ratchet improve export mine-1 --format ollama --to mine-1",
        )
    )(export)


def export(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The adapter, as `list` shows it, or packaged.")],
    form: Annotated[str, typer.Option("--format", help="gguf, merged, ollama or checkpoint.")] = "gguf",
    to: Annotated[
        Path | None, typer.Option(help="File or folder to write; default: beside you.", metavar="PATH")
    ] = None,
    kind: Annotated[str, typer.Option("--type", help="How a merged model stores its weights.")] = "Q8_0",
    as_json: Json = False,
) -> None:
    """Write an adapter, or the model it makes, for another program."""
    from finetune.errors import ExportError

    if form not in FORMATS:
        raise typer.BadParameter(f"{form!r} is none of {', '.join(FORMATS)}")
    target = (to or Path({"gguf": f"{name}.gguf", "merged": f"{name}-{kind}.gguf"}.get(form, name))).expanduser()
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise ExportError(f"{target} is there already.", kept="It stays as it is.", fix="Name another with --to.")
    written = _written(invocation(ctx).settings(), name, form, target.absolute(), kind.upper())
    if as_json:
        print_json({"path": str(target.absolute()), **written})
        return
    stdout().print(foreign(f"✓ {shown_path(target)}"))
    if written.get("rounding", 0) > 1:
        err().print(foreign(f"{kind} rounds away more than was learned ({written['rounding']:.1f} times): take F16."))
    if form == "ollama":
        stdout().print(foreign(f"Create it with: ollama create {name} -f {shown_path(target / 'Modelfile')}"))


def _written(settings: Settings, name: str, form: str, target: Path, kind: str) -> dict[str, Any]:
    from agent.adapters import FILE
    from finetune.errors import ExportError
    from finetune.improvement.serving import serving

    base = serving(settings).base
    folder = _folder(settings, name)
    if form == "gguf":
        if not (folder / FILE).is_file():
            raise ExportError(f"{name} cannot be served as an adapter (DoRA).", fix="Take --format merged.")
        _copy(folder / FILE, target)
        return {}
    with _peft_files(folder, base) as files:
        if form == "checkpoint":
            from finetune.export.merge import merge_to_checkpoint
            from finetune.training.base_model import dequantized
            from finetune.training.installed import check_torch

            check_torch()
            return _facts(merge_to_checkpoint(base, dequantized(base, settings.models_folder), files, target))
        if form == "merged":
            return _facts(_merged(base, files, target, kind))
        from finetune.export.modelfile import write_modelfile

        model = target / f"{name}-{kind}.gguf"
        merged = _merged(base, files, model, kind)
        write_modelfile(model)
        return _facts(merged)


def _folder(settings: Settings, name: str) -> Path:
    from agent.adapters import PACKAGED
    from finetune.improvement.serving import serving
    from finetune.registry import AdapterRegistry

    if name == PACKAGED and (now := serving(settings)).name == PACKAGED and now.adapter:
        return now.adapter.parent
    AdapterRegistry(settings.adapters_folder).verify(name)
    return settings.adapters_folder / name


@contextmanager
def _peft_files(folder: Path, base: Path) -> Iterator[Path]:
    """The adapter as PEFT's files, which a GGUF alone is turned into for the time being."""
    from agent.adapters import FILE
    from finetune.export.lora_peft import gguf_to_peft
    from finetune.improvement.serving import PEFT_FILES

    if all((folder / name).is_file() for name in PEFT_FILES):
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        yield gguf_to_peft(folder / FILE, base, Path(made) / "adapter")


def _merged(base: Path, files: Path, target: Path, kind: str) -> Merged:
    """A merged model; K-quants are made from one of 16 bits."""
    from finetune.export.gguf_models import WeightType
    from finetune.export.merge import merge_to_gguf
    from finetune.export.quantize import quantize

    if kind in get_args(WeightType):
        return merge_to_gguf(base, files, target, cast(WeightType, kind))
    between = target.with_name(f".{target.name}.f16")
    try:
        merged = merge_to_gguf(base, files, between, "F16")
        quantize(between, target, kind)
    finally:
        between.unlink(missing_ok=True)
    return merged


def _copy(source: Path, target: Path) -> None:
    """Copy a file; the copy is there whole or not at all."""
    from agent.errors import StorageError

    partial = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError as error:
        what = f"{target} cannot be written: {error.strerror or error}."
        raise StorageError(
            what, kept=f"{source.name} is untouched.", fix="Make room, or name another place."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _facts(merged: Merged) -> dict[str, Any]:
    return {name: value for name, value in asdict(merged).items() if name != "path"}
