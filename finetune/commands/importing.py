"""`import`: an adapter from elsewhere, asked in both runtimes before the store takes it."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import foreign, print_json
from agent.cli.output import out as stdout
from agent.cli.seam import Json, invocation
from finetune.commands.exporting import compared_conversion

_QUESTIONS = 10  # that both runtimes are asked


def import_adapter(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="A folder that PEFT wrote, or a GGUF adapter.")],
    name: Annotated[str, typer.Option(help="What to call it; default: the folder's name.")] = "",
    other_base: Annotated[
        bool, typer.Option("--other-base", help="Though it says that it is of another base model.")
    ] = False,
    no_compare: Annotated[
        bool, typer.Option("--no-compare", help="Do not ask it the same in PyTorch and, converted, in llama.cpp.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take an adapter from elsewhere into the store, checked; it is not served by that."""
    from agent.adapters import base_fingerprint
    from finetune import adapter_record
    from finetune.improvement.serving import serving
    from finetune.registry import AdapterRegistry

    settings = invocation(ctx).settings()
    path = folder.expanduser().absolute()
    name = name or path.stem
    base, registry = serving(settings).base, AdapterRegistry(settings.adapters_folder)
    registry.check_free(name)
    fingerprint = base_fingerprint(base, registry.folder)
    stated = adapter_record.other_base(path, base, fingerprint) if other_base else ""
    adapter_record.check_stated_base(path, base, fingerprint, stated)
    about = adapter_record.Provenance(stated_base=stated, compared=compared(path, base, not no_compare))
    record = registry.add(name, path, base, about)
    if as_json:
        print_json(asdict(record))
        return
    stdout().print(
        foreign(f"✓ {record.name} is in the store; `ratchet improve eval --adapter {record.name}` measures it.")
    )
    stdout().print(foreign(f"  {about.compared}"))
    if stated:
        stdout().print(foreign(f"  it was made for another base model, {stated}, which stays in the record"))


def compared(source: Path, base: Path, wanted: bool = True) -> str:
    """Ask an adapter from elsewhere the same in PyTorch, as PEFT reads it, and in llama.cpp, as it is converted here.

    Args:
        source: a folder with what PEFT saved, or a GGUF adapter.
        base: the GGUF file of its base model.
        wanted: False to check no more than its files.

    Returns:
        What was found, or why nothing was asked; for people and for the record.

    Raises:
        AdapterInvalid, BaseMismatch, AdapterMissing: as for `AdapterRegistry.add`.
        ExportError: it answers differently, beyond what rounding explains; or PEFT cannot load it.
        StorageError: there is no room to convert it.
    """
    from agent.adapters import FILE
    from agent.errors import StorageError
    from finetune.adapter_record import collect_files
    from finetune.export.check import NOT_ASKED
    from finetune.export.lora_weights import CONFIG

    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        try:
            collect_files(source, base, work)
        except OSError as error:
            raise StorageError(
                f"{source} cannot be converted in {work.parent}: {error.strerror or error}.", fix="Make room there."
            ) from error
        if not (work / CONFIG).is_file():
            return "not compared: it came as GGUF, and nothing was converted"
        if not (work / FILE).is_file():
            return "not compared: it can only be merged, and `export` compares what it merges"
        if not wanted:
            return NOT_ASKED
        return compared_conversion(base, work, work / FILE, _QUESTIONS)
