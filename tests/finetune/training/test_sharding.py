"""Weights in parts: the same is learned, nothing hangs, and what is saved is whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

from safetensors.torch import load_file

from finetune.errors import RecipeError
from finetune.recipes import build, carry_out
from finetune.training.checkpoints import latest
from finetune.training.tracking import read_metrics
from tests.finetune.runner import OPTIONS, options_for
from tests.finetune.sharded import SHORT
from tests.finetune.tiny_base import job, splits_for

pytestmark = pytest.mark.slow
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "OMP_NUM_THREADS": "1",
}


RECIPES = ("lora", "full", "dpo", "kto", "prompt_tuning", "prefix_tuning")


@pytest.fixture(scope="module")
def stopped_and_resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs, one of each recipe, in two processes that were ended after a step and started again."""
    out = tmp_path_factory.mktemp("sharded")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    root, environment = Path(__file__).parents[3], os.environ | FSDP
    for stop in (3, 0):
        child = [*launcher, "-m", "tests.finetune.sharded", str(out), str(stop), *RECIPES]
        done = subprocess.run(child, cwd=root, env=environment, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
        assert all((latest(out / recipe / "checkpoints") is not None) == (stop > 0) for recipe in RECIPES)
    return out


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("recipe", RECIPES)
def test_processes_that_hold_parts_learn_and_save_what_one_does(
    tmp_path: Path, stopped_and_resumed: Path, recipe: str
) -> None:
    task = job(tmp_path / recipe, splits=splits_for(recipe))
    folder, _ = carry_out(build(recipe, task, options_for(recipe) | SHORT))
    one, two = (read_metrics(where / recipe) for where in (tmp_path, stopped_and_resumed))
    for step in range(1, 6):
        assert two[step].keys() == one[step].keys()
        for figure in ("loss", "gradient_norm", "dev_loss"):
            if figure in one[step]:
                assert two[step][figure] == pytest.approx(one[step][figure], rel=1e-3), (step, figure)
    assert "dev_loss" in two[4] and "dev_loss" in two[5]
    (path,) = folder.glob("*.safetensors")
    whole, gathered = (load_file(where / path.relative_to(tmp_path)) for where in (tmp_path, stopped_and_resumed))
    assert whole.keys() == gathered.keys()
    for name, weights in whole.items():
        assert (gathered[name] - weights).norm() < 0.02 * weights.norm(), name


@pytest.mark.parametrize(
    ("environment", "options", "said"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, {}, "DeepSpeed is not supported"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, {}, "Megatron-LM is not supported"),
        ({"ACCELERATE_USE_FSDP": "true"}, {}, "version 2 alone"),
        (FSDP | {"FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}, {}, "reads the model itself"),
        (FSDP, {"sample_every": 2}, "Samples cannot be taken"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], options: dict[str, int], said: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RecipeError, match=said) as caught:
        build("lora", job(tmp_path / "run"), OPTIONS | options).setup()
    assert "Nothing was trained" in str(caught.value) and caught.value.fix
    assert not (tmp_path / "run").exists()


def test_parts_are_not_promised_where_there_are_none(tmp_path: Path) -> None:
    launched = [sys.executable, "-m", "tests.finetune.one_of_several", str(tmp_path / "run")]
    root, environment = Path(__file__).parents[3], os.environ | FSDP
    done = subprocess.run(launched, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0 and "FSDP needs GPUs" in done.stderr
    assert not (tmp_path / "run" / "adapter").exists()
