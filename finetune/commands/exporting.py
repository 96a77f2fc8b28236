"""`export`: an adapter for other programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import err, foreign, print_json, shown_path
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation
from agent.errors import ModelFileInvalid

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.export.check import Agreement
    from finetune.export.merge import Merged

FORMATS = ("gguf", "peft", "merged", "ollama", "checkpoint")
_FINE = ("F32", "F16", "Q8_0")  # other blocks round so much that answers may well differ
_QUESTIONS, _TOKENS = 8, 16  # that a merged model is compared by, and tokens of each answer
_ALIKE = 0.6  # share that must agree: a mistake in merging leaves next to none
_SEED = 7_000_033  # of questions that no training has seen


@dataclass(frozen=True, slots=True)
class _Export:
    """What is asked for.

    Attributes:
        settings: of the program.
        name: of the adapter.
        base: the GGUF file of the base model.
        folder: of the adapter.
        target: what to write.
        kind: how a merged model stores its weights.
        base_name: what PEFT's files call the base; "" for what is known.
        compare: whether to ask what is written and what it is made from the same.
    """

    settings: Settings
    name: str
    base: Path
    folder: Path
    target: Path
    kind: str
    base_name: str = ""
    compare: bool = True

    @property
    def gguf(self) -> Path | None:
        """The adapter as llama.cpp serves it; None where it cannot (DoRA, saved embeddings)."""
        from agent.adapters import FILE

        return self.folder / FILE if (self.folder / FILE).is_file() else None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "ratchet improve export mine-1 --format gguf",
            "ratchet improve export mine-1 --format peft --to mine-1",
            "ratchet improve export mine-1 --format merged --type Q4_0 --to model.gguf",
            "ratchet improve export mine-1 --format ollama --to mine-1",
        )
    )(export)


def export(  # noqa: PLR0913 - each parameter is an option that the user sees
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The adapter, as `list` shows it, or packaged.")],
    form: Annotated[str, typer.Option("--format", help="gguf, peft, merged, ollama or checkpoint.")] = "gguf",
    to: Annotated[
        Path | None, typer.Option(help="File or folder to write; default: beside you.", metavar="PATH")
    ] = None,
    kind: Annotated[str, typer.Option("--type", help="How a merged model stores its weights.")] = "Q8_0",
    base_name: Annotated[
        str, typer.Option(help="What peft calls the base model: its name on the hub.", metavar="TEXT")
    ] = "",
    no_compare: Annotated[
        bool, typer.Option("--no-compare", help="Do not ask the result and the adapter the same questions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write an adapter, or the model it makes, for another program."""
    from finetune.errors import ExportError
    from finetune.improvement.serving import serving

    if form not in FORMATS:
        raise typer.BadParameter(f"{form!r} is none of {', '.join(FORMATS)}")
    if base_name and form != "peft":
        raise typer.BadParameter("--base-name goes with --format peft")
    target = (to or Path({"gguf": f"{name}.gguf", "merged": f"{name}-{kind}.gguf"}.get(form, name))).expanduser()
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise ExportError(f"{target} is there already.", kept="It stays as it is.", fix="Name another with --to.")
    settings = invocation(ctx).settings()
    base, folder = serving(settings).base, _folder(settings, name)
    if form != "gguf":
        _check_base(settings, folder, base)
    asked = _Export(settings, name, base, folder, target.absolute(), kind.upper(), base_name, not no_compare)
    written = _written(asked, form)
    if as_json:
        print_json({"path": str(target.absolute()), **written})
        return
    stdout().print(foreign(f"✓ {shown_path(target)}"))
    _tell(written, kind)
    if form == "ollama":
        stdout().print(foreign(f"Create it with: ollama create {name} -f {shown_path(target / 'Modelfile')}"))


def _tell(written: dict[str, Any], kind: str) -> None:
    if written.get("rounding", 0) > 1:
        err().print(foreign(f"{kind} rounds away more than was learned ({written['rounding']:.1f} times): take F16."))
    if "prompts" in written:
        stdout().print(
            f"  {written['same']} of {written['prompts']} answers are those of the model with the adapter beside it, "
            "or part from them where two tokens are as likely"
        )
    if "compared" in written:
        stdout().print(foreign(f"  {written['compared']}"))
    if "base" in written:
        stdout().print(foreign(f"  base model: {written['base'] or 'none is named'}; `--base-name` says another"))


def _written(asked: _Export, form: str) -> dict[str, Any]:
    from finetune.errors import ExportError

    if form == "gguf":
        if asked.gguf is None:
            raise ExportError(
                f"{asked.name} cannot be served as an adapter (DoRA).", fix="Take --format merged, or peft."
            )
        _copy(asked.gguf, asked.target)
        return {}
    with _peft_files(asked.folder, asked.base) as files:
        if form == "peft":
            return _peft(asked, files)
        if form == "checkpoint":
            return _checkpoint(asked, files)
        if form == "merged":
            return _merged(asked, files)
        from finetune.export.modelfile import write_modelfile

        model = asked.target / f"{asked.name}-{asked.kind}.gguf"
        facts = _merged(replace(asked, target=model), files)
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


def _check_base(settings: Settings, folder: Path, base: Path) -> None:
    """Make sure that an adapter of the store is of the model in use, on which it is merged and compared."""
    from agent.adapters import base_fingerprint
    from finetune.errors import BaseMismatch
    from finetune.registry import AdapterRegistry

    if folder.parent != settings.adapters_folder:
        return  # the packaged one, which is there with its model alone
    record = AdapterRegistry(settings.adapters_folder).show(folder.name)
    if record.base != base_fingerprint(base, settings.adapters_folder):
        raise BaseMismatch(
            f"{record.name} is of {record.base_name} ({record.base[:12]}…), and the model in use is {base.name}.",
            kept="Nothing was written.",
            fix="Choose that model (model.name) first.",
        )


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


def _peft(asked: _Export, files: Path) -> dict[str, Any]:
    """Write PEFT's files with a card; those that were made from a GGUF are compared with it first."""
    from agent.adapters import FILE
    from finetune.export.check import NOT_ASKED
    from finetune.export.hub_names import base_hub_name
    from finetune.export.lora_peft import copy_peft
    from finetune.registry import CARD

    found = {}
    if files != asked.folder:
        gguf = asked.folder / FILE
        found["compared"] = compared_conversion(asked.base, files, gguf) if asked.compare else NOT_ASKED
    card = asked.folder / CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    return {"base": copy_peft(files, asked.target, asked.base_name or base_hub_name(asked.base), text), **found}


def compared_conversion(base: Path, files: Path, adapter: Path, questions: int = _QUESTIONS) -> str:
    """Ask an adapter the same in PyTorch, as PEFT reads its files, and in llama.cpp.

    Args:
        base: the GGUF file of its base model.
        files: the folder with PEFT's files.
        adapter: the same as GGUF.
        questions: how many.

    Returns:
        What was found, or why nothing was asked; for people and for the record.

    Raises:
        ExportError: it answers differently, beyond what rounding explains; or PEFT cannot load it.
    """
    from finetune.default.lookups import lookups
    from finetune.export.check import why_not_comparable
    from finetune.improvement.training import check_conversion

    if missing := why_not_comparable():
        return missing
    try:
        return check_conversion(base, files, adapter, lookups(_SEED, questions))
    except ModelFileInvalid as error:
        return _unread(error)


def _unread(error: ModelFileInvalid) -> str:
    """Why a base was not asked in PyTorch, which llama.cpp may read all the same."""
    return f"not compared: {error.what.rstrip('.')}"


def _merged(asked: _Export, files: Path) -> dict[str, Any]:
    """Write a merged model; and ask it, and its base with the adapter beside it, the same."""
    from finetune.export.gguf_models import WeightType
    from finetune.export.merge import merge_to_gguf
    from finetune.export.quantize import quantize

    base, target, kind = asked.base, asked.target, asked.kind
    if kind in get_args(WeightType):
        merged = merge_to_gguf(base, files, target, cast(WeightType, kind))
    else:
        between = target.with_name(f".{target.name}.f16")
        try:
            merged = merge_to_gguf(base, files, between, "F16")
            quantize(between, target, kind)
        finally:
            between.unlink(missing_ok=True)
    try:
        return _facts(merged) | _compared(asked, files, kind in _FINE and merged.rounding <= 1)
    except BaseException:
        target.unlink(missing_ok=True)  # nobody knows what it says
        raise


def _compared(asked: _Export, files: Path, required: bool) -> dict[str, Any]:
    """Ask a merged model and its adapter the same: in llama.cpp, or the adapter in PyTorch where only that can."""
    from finetune.export.check import NOT_ASKED, check_answers, why_not_comparable

    if not asked.compare:
        return {"compared": NOT_ASKED}
    if asked.gguf:
        return _agreement(check_merged((asked.base, asked.gguf), asked.target), required)
    if missing := why_not_comparable():
        return {"compared": missing}
    from finetune.default.lookups import lookups
    from finetune.improvement.training import prompts_of
    from finetune.training.base_model import load_base

    try:
        loaded = load_base(asked.base, asked.settings.models_folder)
    except ModelFileInvalid as error:
        return {"compared": _unread(error)}
    prompts = prompts_of(loaded, lookups(_SEED, _QUESTIONS))
    return _agreement(check_answers(loaded, files, (asked.target, None), prompts, tokens=_TOKENS), required)


def check_merged(served: tuple[Path, Path], merged: Path) -> Agreement:
    """Put some questions about passages to the served model and to the merged one; see `finetune.export.check`."""
    from finetune.default.lookups import lookups
    from finetune.export.check import check_merged as check

    asked = [example.messages[0] for example in lookups(_SEED, _QUESTIONS)]
    return check(served, merged, ["\n\n".join([one["content"], *one["passages"]]) for one in asked])


def _checkpoint(asked: _Export, files: Path) -> dict[str, Any]:
    """Write a merged checkpoint; and ask it, and its base with the adapter beside it, the same."""
    from finetune.export.check import NOT_ASKED
    from finetune.export.merge import merge_to_checkpoint
    from finetune.training.base_model import dequantized
    from finetune.training.installed import check_torch

    check_torch()
    base, target = asked.base, asked.target
    merged = merge_to_checkpoint(base, dequantized(base, asked.settings.models_folder), files, target)
    if not asked.compare:
        return _facts(merged) | {"compared": NOT_ASKED}
    try:
        return _facts(merged) | _agreement(_checkpoint_answers(asked, files), True)
    except BaseException:
        shutil.rmtree(target)  # nobody knows what it says
        raise


def _checkpoint_answers(asked: _Export, files: Path) -> Agreement:
    """A merged checkpoint against what is served in llama.cpp; where nothing can be, against PEFT."""
    from finetune.default.lookups import lookups
    from finetune.export.check import check_answers, check_checkpoint
    from finetune.improvement.training import prompts_of
    from finetune.training.base_model import load_base

    base, folder = asked.base, asked.settings.models_folder
    merged = load_base(base, folder, asked.target)
    prompts = prompts_of(merged, lookups(_SEED, _QUESTIONS))
    if asked.gguf:
        return check_answers(merged, None, (base, asked.gguf), prompts, tokens=_TOKENS)
    return check_checkpoint(load_base(base, folder), files, merged, prompts, tokens=_TOKENS)


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
            fix="Take --format gguf or peft, which need no merging, and report this.",
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
