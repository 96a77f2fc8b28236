"""The loop: what it learns from, and that nothing it has learned is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from agent.errors import StorageError
from finetune.errors import BaseMismatch, DatasetError, RecipeError, TrainingDiverged, TrainingInterrupted
from finetune.recipes import build, carry_out
from finetune.schema import DatasetSplits, Example, TokenSequence
from finetune.training.checkpoints import latest
from finetune.training.hardware import settle
from finetune.training.loop import Trainee, fit
from finetune.training.objectives import Objective, log_probabilities, packed, prepare
from finetune.training.options import TrainingOptions
from finetune.training.runs import Identity, open_run
from finetune.training.stopping import stopping
from finetune.training.tracking import read_metrics
from tests.finetune.runner import OPTIONS, start
from tests.finetune.tiny import tiny_llama, with_lora
from tests.finetune.tiny_base import example, job, splits, tiny_base

pytestmark = pytest.mark.slow
QUICK = TrainingOptions(learning_rate=0.02, step_targets=8, pack_tokens=64, precision="fp32", threads=1, dev_every=0)


def losses(folder: Path) -> dict[int, tuple[float, float]]:
    """Loss and gradient norm of each step, to the last bit."""
    return {step: (values["loss"], values["gradient_norm"]) for step, values in read_metrics(folder).items()}


def a_run(folder: Path) -> Any:
    run = open_run(folder, Identity("test", "b", "d", {}))
    run.note(precision="fp32")
    return run


def sequences(number: int = 12) -> list[TokenSequence]:
    return [TokenSequence([one, 7, 8, one % 5, 9], [False, False, True, True, True]) for one in range(number)]


def test_a_step_is_a_mean_over_targets_not_a_mean_of_means(tmp_path: Path) -> None:
    # A short reply and a long one, in units of their own: the step's loss weighs tokens alike.
    uneven = [
        TokenSequence([1, 2, 3], [False, False, True]),
        TokenSequence([4, *range(20, 50)], [False] + [True] * 30),
    ]
    options = replace(QUICK, step_targets=31, pack_tokens=8, learning_rate=1e-9)
    model = with_lora(tiny_llama())
    objective = packed(uneven, options)
    assert sorted(objective.counts) == [1, 30]
    fit(Trainee(model, objective), options, a_run(tmp_path))
    expected = -log_probabilities(model, uneven, torch.device("cpu")).sum().item() / 31
    assert read_metrics(tmp_path)[1]["loss"] == pytest.approx(expected, rel=1e-5)


def test_gradients_of_a_step_do_not_depend_on_how_it_is_cut_into_units(tmp_path: Path) -> None:
    norms = []
    for number, size in enumerate((5, 1000)):
        options = replace(QUICK, step_targets=10_000, pack_tokens=size)
        fit(Trainee(with_lora(tiny_llama()), packed(sequences(), options)), options, a_run(tmp_path / str(number)))
        norms.append(read_metrics(tmp_path / str(number))[1]["gradient_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_the_mask_admits_every_token_of_the_reply_and_no_other() -> None:
    base = tiny_base()
    data = prepare(base, DatasetSplits((example(1), example(3))), TrainingOptions())
    decode = base.tokenizer.decode
    for sequence, reply in zip(data.train, ('weather {"city": "Lima"}<|im_end|>', "Rome<|im_end|>"), strict=True):
        learned = [token for token, is_target in zip(sequence.ids, sequence.targets, strict=True) if is_target]
        assert decode(learned, skip_special_tokens=False) == reply
        before = decode(list(sequence.ids[: len(sequence.ids) - len(learned)]), skip_special_tokens=False)
        assert before.endswith("<|im_start|>assistant\n")


def test_padding_and_packing_give_the_same_loss() -> None:
    model, some = with_lora(tiny_llama()), sequences(5) + [TokenSequence(list(range(20)), [False] * 9 + [True] * 11)]
    objective = packed(some, replace(QUICK, pack_tokens=512))
    together = sum(objective.loss(model, unit, torch.device("cpu")).item() for unit in objective.units)
    alone = -sum(log_probabilities(model, [one], torch.device("cpu")).item() for one in some)
    side_by_side = -log_probabilities(model, some, torch.device("cpu")).sum().item()
    assert together == pytest.approx(alone, rel=1e-5) and side_by_side == pytest.approx(alone, rel=1e-5)


def test_sequences_beyond_the_context_are_left_out_and_counted() -> None:
    wordy = Example(({"role": "user", "content": "a " * 900}, {"role": "assistant", "content": "b"}))
    silent = Example(({"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}))
    data = prepare(tiny_base(), DatasetSplits((example(1), example(3), wordy, silent)), TrainingOptions(context=512))
    assert len(data.train) == 2
    assert any("1 training sequences are longer than 512 tokens" in note for note in data.notes)
    assert any("1 of 4 training examples have nothing to learn" in note for note in data.notes)


def test_replies_marked_as_bad_are_neither_learned_from_nor_measured_on() -> None:
    bad = replace(example(5), label=False)
    data = prepare(tiny_base(), DatasetSplits((example(1), example(3), bad), (example(1), bad)), TrainingOptions())
    assert len(data.train) == 2 and len(data.dev) == len(data.prompts) == 1


def test_a_run_keeps_its_number_of_threads_and_says_so(tmp_path: Path) -> None:
    before, notes = torch.get_num_threads(), list[str]()
    try:
        settle(a_run(tmp_path), replace(QUICK, threads=1), notes.append)
        again = open_run(tmp_path, Identity("test", "b", "d", {}))
        settle(again, replace(QUICK, threads=2), notes.append)
        assert torch.get_num_threads() == 1 and len(notes) == 1 and "1 threads" in notes[0]
        settle(again, replace(QUICK, threads=0), notes.append)
        assert torch.get_num_threads() == 1 and len(notes) == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("watching", [{"dev_times": 3, "dev_every": 0}, {"dev_every": 2}])
def test_a_run_that_goes_on_is_measured_when_it_would_have_been(tmp_path: Path, watching: dict[str, int]) -> None:
    def measured(folder: Path) -> list[int]:
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [line["step"] for line in lines if "dev_loss" in line]

    options = OPTIONS | watching
    for name, stop in (("whole", 0), ("cut", 4), ("cut", 0)):
        chosen = build(
            "lora",
            job(tmp_path / name, on_progress=lambda now, stop=stop: now.step == stop and _interrupt()),
            options,
        )
        chosen.setup()
        with pytest.raises(TrainingInterrupted) if stop else nullcontext():
            chosen.train()
    assert measured(tmp_path / "cut") == measured(tmp_path / "whole")


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ((), "no example"),
        ((example(1),), "a single example"),
        ((Example(({"role": "user", "content": "a"},)),) * 3, "None of the 3 examples"),
        ((replace(example(1), tools=()), replace(example(2), tools=())), "None of the 2 examples"),
        (tuple(Example(({"role": "assistant", "content": "b"}, {"content": x})) for x in "xy"), "not of the form"),
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused(tmp_path: Path, examples: Any, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        build("lora", job(tmp_path / "run", splits=DatasetSplits(examples)), OPTIONS).setup()
    assert said in str(caught.value) and "Nothing was trained" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("writer", "kind"), [("safetensors.torch.save_file", SafetensorError), ("torch.save", RuntimeError)]
)
def test_a_disk_that_fills_up_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, kind: type[Exception]
) -> None:
    def full(*_: object) -> None:
        raise kind("I/O error: No space left on device")

    monkeypatch.setattr(writer, full)
    chosen = build("lora", job(tmp_path / "run"), OPTIONS | {"steps": 1})
    chosen.setup()
    with pytest.raises(StorageError, match="No space left"):
        chosen.train()


def test_the_time_budget_holds_and_the_schedule_ends_with_it(tmp_path: Path) -> None:
    def slowly(model: Any, unit: Any, device: torch.device) -> torch.Tensor:
        time.sleep(0.02)
        return torch.as_tensor(model(input_ids=torch.tensor([unit]), labels=torch.tensor([unit])).loss)

    objective = Objective([[1, 2, 3]] * 2000, [3] * 2000, [1] * 2000, slowly)
    options = replace(QUICK, step_targets=1, minutes=3 / 60, checkpoint_seconds=0.5)
    outcome = fit(Trainee(with_lora(tiny_llama()), objective), options, a_run(tmp_path))
    steps = read_metrics(tmp_path)
    assert outcome.ended == "time" and 3 < outcome.steps < 2000
    assert outcome.seconds < 3 + 2 * max(values["seconds"] for values in steps.values()) + 0.5
    rates = [values["learning_rate"] for values in steps.values()]
    assert rates[-1] < 0.2 * max(rates)


def test_a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights(tmp_path: Path) -> None:
    def breaking(model: Any, unit: int, device: torch.device) -> torch.Tensor:
        loss = torch.as_tensor(model(input_ids=torch.tensor([[1, 2]]), labels=torch.tensor([[1, 2]])).loss)
        return loss * (float("nan") if unit == 5 else 1.0)

    objective = Objective(list(range(8)), [2] * 8, [1] * 8, breaking)
    model, options = with_lora(tiny_llama()), replace(QUICK, step_targets=1, checkpoint_steps=1)
    with pytest.raises(TrainingDiverged, match="no longer a number") as caught:
        fit(Trainee(model, objective), options, a_run(tmp_path))
    found = latest(tmp_path / "checkpoints")
    done = found[1]["step"] if found else 0
    assert (f"up to step {done:,} is kept" in caught.value.kept) == (done > 0)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_ctrl_c_finishes_the_step_and_the_same_command_goes_on(tmp_path: Path) -> None:
    chosen = build("lora", job(tmp_path / "whole"), OPTIONS)
    chosen.setup()
    chosen.train()
    stopped = build("lora", job(tmp_path / "cut", on_progress=lambda now: now.step == 4 and _interrupt()), OPTIONS)
    stopped.setup()
    with pytest.raises(TrainingInterrupted, match="Stopped after step 4") as caught:
        stopped.train()
    assert "up to step 4 is kept" in caught.value.kept and "same command" in caught.value.fix
    again = build("lora", job(tmp_path / "cut"), OPTIONS)
    again.setup()
    again.train()
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_second_ctrl_c_ends_at_once_and_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stopping() as stop:
        _interrupt()
        assert stop.requested
        _interrupt()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.timeout(1200)
def test_killed_at_random_moments_a_run_ends_with_the_same_losses_and_weights(tmp_path: Path) -> None:
    given = {"dropout": 0.1, "epochs": 10}
    whole = start(tmp_path / "whole", **given)
    whole.join()
    assert whole.exitcode == 0
    expected = losses(tmp_path / "whole")
    chance, kills = random.Random(1), 0
    while kills < 12:
        child = start(tmp_path / "killed", **given)
        _wait_for_steps(tmp_path / "killed", child, chance.randint(0, 4))
        time.sleep(chance.random() * 0.2)
        ended = child.exitcode is not None
        child.kill()
        child.join()
        if ended:
            break
        kills += 1
    last = start(tmp_path / "killed", **given)
    last.join()
    assert kills >= 3 and last.exitcode == 0
    assert losses(tmp_path / "killed") == expected
    one, other = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("recipe", ["full", "dpo", "kto", "prompt_tuning", "prefix_tuning"])
def test_every_recipe_ends_with_the_same_losses_and_weights_however_often_it_is_killed(
    tmp_path: Path, recipe: str
) -> None:
    whole = start(tmp_path / "whole", recipe, epochs=5)
    whole.join()
    assert whole.exitcode == 0
    killed = 0
    for more in (4, 3):  # after the first checkpoint, which is written at step 3, and after the second
        child = start(tmp_path / "killed", recipe, epochs=5)
        _wait_for_steps(tmp_path / "killed", child, more)
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
    assert killed, "one at least was still training"
    assert latest(tmp_path / "killed" / "checkpoints") is not None
    last = start(tmp_path / "killed", recipe, epochs=5)
    last.join()
    assert last.exitcode == 0
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    (name,) = (path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").glob("*/*.safetensors"))
    one, other = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
    assert one and all(torch.equal(one[part], other[part]) for part in one)


def _wait_for_steps(folder: Path, child: Any, more: int) -> None:
    """Until the run has written so many more lines, or has ended."""
    path = folder / "metrics.jsonl"
    begun = len(path.read_bytes().splitlines()) if path.exists() else 0
    while child.is_alive() and (len(path.read_bytes().splitlines()) if path.exists() else 0) < begun + more:
        time.sleep(0.01)


def test_sigterm_keeps_what_was_done(tmp_path: Path) -> None:
    child = start(tmp_path / "run", epochs=200)
    _wait_for_steps(tmp_path / "run", child, 3)
    child.terminate()
    child.join()
    assert child.exitcode == 130
    assert latest(tmp_path / "run" / "checkpoints") is not None
    assert "same command" in (tmp_path / "run" / "message.txt").read_text()


def test_the_record_tells_where_an_adapter_comes_from(tmp_path: Path) -> None:
    chosen = build("lora", job(tmp_path / "run"), OPTIONS | {"sample_every": 5, "dev_every": 4})
    chosen.setup()
    outcome = chosen.train()
    folder = chosen.save()
    record = json.loads((folder / "run.json").read_text())
    assert record["base"] == "f" * 64 and record["recipe"] == "lora" and record["state"] == "done"
    assert record["options"]["rank"] == 16 and record["options"]["training"]["seed"] == 0
    assert record["outcome"]["steps"] == outcome.steps and record["outcome"]["dev_loss"] < outcome.dev_loss_before
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "run.json"
    }  # fmt: skip
    assert str(tmp_path) not in (folder / "adapter_config.json").read_text()
    samples = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert samples and samples[0]["prompt"].endswith("assistant\n")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_another_configuration_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    build("lora", job(tmp_path / "run"), OPTIONS).setup()
    with pytest.raises(RecipeError, match="rank"):
        build("lora", job(tmp_path / "run"), OPTIONS | {"rank": 2}).setup()
    with pytest.raises(RecipeError, match="data"):
        build("lora", job(tmp_path / "run", splits=splits(9)), OPTIONS).setup()
    with pytest.raises(BaseMismatch):
        build("lora", job(tmp_path / "run", base=replace(tiny_base(), fingerprint="a" * 64)), OPTIONS).setup()


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    folder, outcome = carry_out(build("lora", job(tmp_path / "run"), OPTIONS | {"steps": 3}))
    before = (folder / "adapter_model.safetensors").stat().st_mtime_ns
    again = build("lora", job(tmp_path / "run"), OPTIONS | {"steps": 3})
    assert carry_out(again) == (folder, outcome)
    assert (folder / "adapter_model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(RecipeError, match="is finished"):
        again.train()


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    carry_out(build("lora", job(tmp_path / "one"), OPTIONS | {"steps": 4, "dev_every": 2}))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    child = [*launcher, "-m", "tests.finetune.one_of_several", str(tmp_path / "two")]
    done = subprocess.run(child, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one, two = (read_metrics(tmp_path / name) for name in ("one", "two"))
    assert two[4]["loss"] == pytest.approx(one[4]["loss"], rel=1e-4)
    assert two[4]["dev_loss"] == pytest.approx(one[4]["dev_loss"], rel=1e-4)
    assert len((tmp_path / "two" / "metrics.jsonl").read_text().splitlines()) == len(
        (tmp_path / "one" / "metrics.jsonl").read_text().splitlines()
    )


@pytest.mark.parametrize("name", ["mlflow", "tensorboard"])
def test_figures_reach_the_trackers(tmp_path: Path, own_home: Path, name: str) -> None:
    pytest.importorskip(name)
    chosen = build("lora", job(tmp_path / "run"), OPTIONS | {"tracking": name, "steps": 3})
    chosen.setup()
    chosen.train()
    if name == "tensorboard":
        assert list((tmp_path / "run" / "tensorboard").glob("events.*"))
        return
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{own_home / 'runs' / 'mlflow.db'}")
    logged = client.get_run(json.loads((tmp_path / "run" / "run.json").read_text())["mlflow"])
    assert logged.info.status == "FINISHED" and logged.data.params["options.rank"] == "16"
    history = {point.step: point.value for point in client.get_metric_history(logged.info.run_id, "loss")}
    assert history == {step: values["loss"] for step, values in read_metrics(tmp_path / "run").items() if step}
