"""A GGUF adapter back as PEFT's files: the same corrections as those it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.export.base_layout import BaseLayout
from finetune.export.lora_gguf import lora_to_gguf
from finetune.export.lora_peft import gguf_to_peft
from finetune.export.lora_weights import LoraWeights
from tests.finetune.loras import linears, write_base, write_peft


@pytest.mark.parametrize("shape", [{}, {"rank": 8, "use_rslora": True}, {"rank": 4, "rank_pattern": {"q_proj": 4}}])
def test_the_way_there_and_back_changes_nothing(tmp_path: Path, shape: dict[str, object]) -> None:
    base = write_base(tmp_path / "base.gguf")
    folder = write_peft(tmp_path / "peft", **shape)  # type: ignore[arg-type]
    gguf = lora_to_gguf(folder, base, tmp_path / "adapter.gguf", "f32")
    layout = BaseLayout.read(base)
    before, after = LoraWeights.read(folder, layout), LoraWeights.read(gguf_to_peft(gguf, base, tmp_path / "b"), layout)
    assert after.modules.keys() == before.modules.keys()
    assert len(after.modules) == 2 * len(linears({"hidden": 1, "inner": 1, "kv": 1}))
    for name, module in before.modules.items():
        zero = np.zeros((module.b.shape[0], module.a.shape[1]), dtype=np.float32)
        np.testing.assert_allclose(after.modules[name].added_to(zero), module.added_to(zero), rtol=1e-5, atol=1e-7)
