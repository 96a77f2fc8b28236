"""`export`: an adapter for other programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, get_args

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import err, foreign, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.export.check import Agreement
    from finetune.export.merge import Merged

Merge: TypeAlias = tuple[Path, Path, Path]  # the base, the adapter in PEFT's files, and what to write

FORMATS = ("gguf", "merged", "ollama", "checkpoint")
_FINE = ("F32", "F16", "Q8_0")  # other blocks round so much that answers may well differ
_QUESTIONS, _TOKENS = 8, 16  # that a merged model is compared by, and tokens of each answer
_ALIKE = 0.6  # share that must agree: a mistake in merging leaves next to none
_SEED = 7_000_033  # of questions that no training has seen


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
    if "prompts" in written:
        stdout().print(
            f"  {written['same']} of {written['prompts']} answers are those of the model with the adapter beside it, "
            "or part from them where two tokens are as likely"
        )
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
    served = (base, folder / FILE) if (folder / FILE).is_file() else None  # DoRA is no adapter to be served
    with _peft_files(folder, base) as files:
        if form == "checkpoint":
            return _checkpoint(settings, (base, files, target), served)
        if form == "merged":
            return _merged((base, files, target), kind, served)
        from finetune.export.modelfile import write_modelfile

        model = target / f"{name}-{kind}.gguf"
        facts = _merged((base, files, model), kind, served)
        write_modelfile(model)
        return facts


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


def _merged(merge: Merge, kind: str, served: tuple[Path, Path] | None) -> dict[str, Any]:
    """Write a merged model, K-quants from one of 16 bits; and ask it and what is served the same."""
    from finetune.export.gguf_models import WeightType
    from finetune.export.merge import merge_to_gguf
    from finetune.export.quantize import quantize

    base, files, target = merge
    if kind in get_args(WeightType):
        merged = merge_to_gguf(base, files, target, cast(WeightType, kind))
    else:
        between = target.with_name(f".{target.name}.f16")
        try:
            merged = merge_to_gguf(base, files, between, "F16")
            quantize(between, target, kind)
        finally:
            between.unlink(missing_ok=True)
    if served is None:
        return _facts(merged)
    try:
        return _facts(merged) | _agreement(check_merged(served, target), kind in _FINE and merged.rounding <= 1)
    except BaseException:
        target.unlink(missing_ok=True)  # nobody knows what it says
        raise


def check_merged(served: tuple[Path, Path], merged: Path) -> Agreement:
    """Put some questions about passages to the served model and to the merged one; see `finetune.export.check`."""
    from finetune.default.lookups import lookups
    from finetune.export.check import check_merged as check

    asked = [example.messages[0] for example in lookups(_SEED, _QUESTIONS)]
    return check(served, merged, ["\n\n".join([one["content"], *one["passages"]]) for one in asked])


def _checkpoint(settings: Settings, merge: Merge, served: tuple[Path, Path] | None) -> dict[str, Any]:
    """Write a merged checkpoint; and ask it in PyTorch, and what is served in llama.cpp, the same."""
    from finetune.default.lookups import lookups
    from finetune.export.check import check_answers
    from finetune.export.merge import merge_to_checkpoint
    from finetune.improvement.training import prompts_of
    from finetune.training.base_model import dequantized, load_base
    from finetune.training.installed import check_torch

    check_torch()
    base, files, target = merge
    merged = merge_to_checkpoint(base, dequantized(base, settings.models_folder), files, target)
    if served is None:
        return _facts(merged)
    try:
        loaded = load_base(base, settings.models_folder, target)
        prompts = prompts_of(loaded, lookups(_SEED, _QUESTIONS))
        return _facts(merged) | _agreement(check_answers(loaded, None, served, prompts, tokens=_TOKENS), True)
    except BaseException:
        shutil.rmtree(target)  # nobody knows what it says
        raise


def _agreement(found: Agreement, required: bool) -> dict[str, Any]:
    """How many answers agree.

    Raises:
        ExportError: too few do, where that is required.
    """
    from finetune.errors import ExportError
    from finetune.export.check import ROUNDED

    same = found.prompts - len(found.beyond(ROUNDED))
    if required and same < _ALIKE * found.prompts:
        raise ExportError(
            f"The merged model answers differently: {same} of {found.prompts} answers are those of the adapter.",
            kept="Nothing was written; the adapter is untouched.",
            fix="Take --format gguf, which needs no merging, and report this.",
        )
    return {"same": same, "prompts": found.prompts}


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
