"""What a run computes with: found out once, and kept."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch

from finetune.training import hardware
from finetune.training.options import TrainingOptions
from finetune.training.runs import Identity, open_run

pytestmark = pytest.mark.slow


def _takes(monkeypatch: pytest.MonkeyPatch, fp32: float, bf16: float) -> None:
    """A machine without an accelerator, on which a product takes so many seconds."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "_seconds", {torch.float32: fp32, torch.bfloat16: bf16}.__getitem__)


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    for fp32, bf16 in ((1.0, 9.0), (9.0, 1.0)):
        _takes(monkeypatch, fp32, bf16)
        assert hardware.chosen_precision(wanted) == wanted


@pytest.mark.parametrize(("bf16", "chosen"), [(0.5, "bf16"), (0.9, "fp32"), (4.0, "fp32")])
def test_bf16_is_chosen_only_where_it_is_much_quicker(
    monkeypatch: pytest.MonkeyPatch, bf16: float, chosen: str
) -> None:
    _takes(monkeypatch, 1.0, bf16)
    assert hardware.chosen_precision("auto") == chosen


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_an_accelerator_computes_in_bf16_where_it_can(
    monkeypatch: pytest.MonkeyPatch, supported: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert hardware.chosen_precision("auto") == chosen


def test_both_kinds_of_product_are_really_timed() -> None:
    assert hardware._seconds(torch.float32) > 0 and hardware._seconds(torch.bfloat16) > 0


def test_a_run_goes_on_in_the_precision_that_it_began_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        for fp32, bf16 in ((1.0, 0.1), (0.1, 1.0)):
            _takes(monkeypatch, fp32, bf16)
            run = open_run(tmp_path / "run", Identity("test", "b", "d", {}))
            hardware.settle(run, TrainingOptions(threads=1), lambda note: None)
            assert run.record["precision"] == "bf16"
    finally:
        torch.set_num_threads(before)
