"""Options are checked before anything is loaded; none of this needs PyTorch."""

import subprocess
import sys

import pytest

from finetune.errors import RecipeError
from finetune.recipes import BUILT_IN, _kind, checked_options, names
from finetune.recipes.lora import LoraOptions
from finetune.training.options import TrainingOptions, parse_options, what_is_learned


def test_options_are_read_from_text_and_sorted_into_own_and_shared() -> None:
    given = {"rank": "32", "rslora": "true", "minutes": "2.5", "steps": "none", "targets": "q_proj, v_proj"}
    options = parse_options(LoraOptions, given)
    assert (options.rank, options.rslora, options.targets) == (32, True, ("q_proj", "v_proj"))
    assert (options.training.minutes, options.training.steps) == (2.5, None)


def test_what_is_not_given_keeps_the_recipes_own_default() -> None:
    full = _kind("full").Options
    assert parse_options(full, {"epochs": 2}).training.learning_rate == full().training.learning_rate
    assert full().training.learning_rate != TrainingOptions().learning_rate


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", "0"),
        ("rank", "2.5"),
        ("rank", "many"),
        ("rank", True),
        ("loraplus", "0.5"),
        ("rslora", "perhaps"),
        ("learning_rate", "-1"),
        ("learning_rate", "nan"),
        ("schedule", "zigzag"),
        ("warmup", "1"),
        ("epochs", "0"),
        ("steps", "0"),
        ("minutes", "0"),
        ("step_targets", "0"),
        ("tracking", "mlflow,sheets"),
        ("targets", ""),
        ("clip", "-1"),
        ("threads", "-1"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_options(LoraOptions, {name: value})
    assert name in str(caught.value) and caught.value.fix


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match='Did you mean "rslora"'):
        parse_options(LoraOptions, {"rs_lora": "true"})


def test_only_what_changes_the_result_makes_a_run_another() -> None:
    base = what_is_learned(LoraOptions())
    assert what_is_learned(parse_options(LoraOptions, {"threads": 3, "minutes": 9, "tracking": "mlflow"})) == base
    assert what_is_learned(parse_options(LoraOptions, {"seed": 1})) != base
    assert what_is_learned(parse_options(LoraOptions, {"rank": 8})) != base


def test_every_recipe_has_options_that_can_be_built_and_a_paper() -> None:
    assert set(BUILT_IN) <= set(names())
    for name in BUILT_IN:
        kind = _kind(name)
        assert parse_options(kind.Options, {}) == kind.Options()
        assert "arXiv:" in str(sys.modules[kind.__module__].__doc__)
        assert all(callable(getattr(kind, step)) for step in ("setup", "train", "save"))


def test_an_unknown_recipe_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match="prefix_tuning"):
        checked_options("lorra", {})


def test_recipes_and_their_options_need_no_pytorch() -> None:
    code = (
        "import sys, finetune.cli\nfrom finetune.recipes import BUILT_IN, checked_options\n"
        "[checked_options(name, {}) for name in BUILT_IN]\n"
        "print([name for name in ('torch', 'transformers', 'peft', 'accelerate', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
