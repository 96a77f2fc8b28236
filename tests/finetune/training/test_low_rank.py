"""The shape of an adapter is settled once and for all; who trains on cannot ask for another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finetune.errors import AdapterInvalid, RecipeError
from finetune.recipes import checked_options
from finetune.recipes.dpo import DpoOptions
from finetune.recipes.lora import LoraOptions
from finetune.search.space import parse_space
from finetune.training.low_rank import continued
from tests.finetune.loras import write_peft


def test_a_fresh_adapter_has_the_shape_that_the_options_say() -> None:
    options = LoraOptions(rank=64, rslora=True)
    assert continued(options, None) is options


@pytest.mark.parametrize("kind", [LoraOptions, DpoOptions])
def test_what_the_options_leave_open_is_the_shape_of_the_adapter(tmp_path: Path, kind: Any) -> None:
    found = continued(kind(), write_peft(tmp_path / "a", rank=4, alpha=8))
    assert (found.rank, found.alpha) == (4, 8)


@pytest.mark.parametrize(
    "said",
    [{"rank": 64}, {"rank": 16}, {"alpha": "32"}, {"rslora": "true"}, {"dora": True}, {"targets": "q_proj"}],
    ids=str,
)
def test_another_shape_is_refused_even_where_it_is_the_default(tmp_path: Path, said: dict[str, Any]) -> None:
    parent = write_peft(tmp_path / "a", rank=4, alpha=8)
    with pytest.raises(RecipeError, match=f"The option {next(iter(said))} cannot be"):
        checked_options("lora", said, parent)


def test_the_same_shape_and_other_options_are_fine(tmp_path: Path) -> None:
    parent = write_peft(tmp_path / "a", rank=4, alpha=8)
    said = {"rank": "4", "alpha": 8, "dropout": 0.1, "learning_rate": "1e-4"}
    assert checked_options("lora", said, parent) == said


def test_a_search_from_an_adapter_leaves_its_shape_alone() -> None:
    assert "rank" in parse_space("lora", [], {}).parts
    assert "rank" not in parse_space("lora", [], {}, continues=True).parts
    with pytest.raises(RecipeError, match="rank is that of the adapter"):
        parse_space("lora", ["rank=8|16"], {}, continues=True)


def test_a_damaged_configuration_is_told(tmp_path: Path) -> None:
    parent = write_peft(tmp_path / "a")
    (parent / "adapter_config.json").write_text("[")
    with pytest.raises(AdapterInvalid, match="cannot be read"):
        continued(LoraOptions(), parent)
