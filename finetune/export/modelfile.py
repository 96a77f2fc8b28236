"""A Modelfile, by which Ollama serves a merged GGUF model with the prompt format it was trained on.

Ollama's templates are Go's, so the model's own (Jinja) cannot be copied: its format is recognized by the marks it uses.
A wrong template or a missing stop is the usual reason why an exported model babbles, so what is not recognized is
refused. Adapters are merged first: newer versions do not accept `ADAPTER`.
Format: https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent import prompts
from agent.errors import ModelFileInvalid, StorageError
from agent.models.gguf_check import model_context
from finetune.errors import ExportError
from finetune.export.gguf_shapes import read_shapes


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """How turns are written.

    Attributes:
        mark: what the model's own template contains.
        template: the same in Go's template language.
        stops: what ends a turn.
    """

    mark: str
    template: str
    stops: tuple[str, ...]


FORMATS = {
    "chatml": PromptFormat(
        "<|im_start|>",
        "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n",
        ("<|im_end|>", "<|im_start|>"),
    ),
    "llama3": PromptFormat(
        "<|start_header_id|>",
        "{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content }}<|eot_id|>{{ end }}"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ("<|eot_id|>", "<|start_header_id|>"),
    ),
    "zephyr": PromptFormat(
        "<|user|>",
        "{{- range .Messages }}<|{{ .Role }}|>\n{{ .Content }}</s>\n{{ end }}<|assistant|>\n",
        ("</s>", "<|user|>"),
    ),
}


def write_modelfile(model: Path, target: Path | None = None, system: str = prompts.SYSTEM) -> Path:
    """Write the Modelfile of a GGUF model; `ollama create NAME -f Modelfile` does the rest.

    Args:
        model: the merged model.
        target: what to write; default: `Modelfile` beside the model.
        system: what the model is told first, where the conversation does not say.

    Raises:
        ModelNotFound, ModelFileInvalid: `model` is no model.
        ExportError: its prompt format is not known.
        StorageError: it cannot be written.
    """
    target = target or model.with_name("Modelfile")
    context = model_context(model)
    form = format_of(model)
    place = f"./{model.name}" if target.resolve().parent == model.resolve().parent else str(model.resolve())
    lines = [
        f"FROM {place}",
        f'TEMPLATE """{form.template}"""',
        *[f'PARAMETER stop "{stop}"' for stop in form.stops],
        f"PARAMETER num_ctx {min(context, 4096)}",
        "PARAMETER temperature 0",
    ]
    if system:
        if '"""' in system:
            raise ExportError('The system prompt contains """, which a Modelfile cannot quote.', fix="Reword it.")
        lines.append(f'SYSTEM """{system}"""')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        new.write_text("\n".join(lines) + "\n", encoding="utf-8")
        new.replace(target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}.") from error
    return target


def format_of(model: Path) -> PromptFormat:
    """The prompt format of a GGUF model, by its own chat template.

    Raises:
        ModelFileInvalid: it has none.
        ExportError: it is none of `FORMATS`.
    """
    try:
        template = str(read_shapes(model)[0].get("tokenizer.chat_template", ""))
    except (ValueError, OSError) as error:
        raise ModelFileInvalid(f"{model} is damaged: {error}.", fix="Get the file again.") from error
    if not template:
        raise ModelFileInvalid(f"{model.name} brings no chat template.", fix="Use a model that was tuned to chat.")
    for form in FORMATS.values():
        if form.mark in template:
            return form
    known = ", ".join(FORMATS)
    raise ExportError(
        f"The prompt format of {model.name} is not known ({known} are).", fix="Write its Modelfile by hand."
    )
