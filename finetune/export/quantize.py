"""A GGUF model in smaller blocks.

Blocks of 32 weights with one scale (Q8_0, Q5_0, Q4_0) or scale and offset (Q5_1, Q4_1) are computed here, by the `gguf`
package. K-quants, whose scales are quantized themselves, need llama.cpp's own tool.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import cast, get_args

from agent.errors import StorageError
from agent.models.gguf_check import model_context
from finetune.errors import ExportError
from finetune.export.gguf_models import WeightType, rewrite

TOOL = "llama-quantize"
K_QUANTS = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K")


def quantize(source: Path, target: Path, kind: str) -> Path:
    """Write a model with its matrices in other blocks, in one step.

    Args:
        source: a GGUF model, best in F16 or Q8_0: what an earlier rounding lost does not come back.
        target: what to write.
        kind: F32, F16, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0; or one of `K_QUANTS`, where llama-quantize is on the PATH.

    Raises:
        ExportError: there is no such kind, or the tool it needs is missing or failed.
        ModelNotFound, ModelFileInvalid: `source` is no model.
        StorageError: `target` cannot be written.
    """
    kind = kind.upper()
    if kind in get_args(WeightType):
        return rewrite(source, target, cast(WeightType, kind))
    if kind not in K_QUANTS:
        known = ", ".join((*get_args(WeightType), *K_QUANTS))
        raise ExportError(f'There is no quantization "{kind}".', fix=f"Known are {known}.")
    model_context(source)
    tool = shutil.which(TOOL)
    if tool is None:
        raise ExportError(
            f"{kind} needs llama.cpp's tool {TOOL}, which is not on the PATH.",
            kept="Nothing was written.",
            fix="Install llama.cpp, or choose Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0.",
        )
    partial = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [tool, "--allow-requantize", str(source), str(partial), kind]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode or not partial.is_file():
            said = ([line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["it said nothing"])[
                -1
            ]
            raise ExportError(f"{TOOL} failed: {said[:300]}.", kept=f"{source.name} is untouched.")
        partial.replace(target)
    except OSError as error:
        raise StorageError(
            f"The model could not be written to {target}: {(error.strerror or str(error)).lower()}.",
            kept=f"{source.name} is untouched.",
            fix="Free some space or name another place.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target
