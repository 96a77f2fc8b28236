"""Each recipe learns what it is shown, saves it, and goes on from what was saved."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch
from safetensors.torch import load_file

from finetune.errors import AdapterInvalid, AdapterMissing, BaseMismatch, DatasetError, RecipeError
from finetune.recipes import build
from finetune.schema import Example, TokenSequence
from finetune.training.formatting import Renderer
from finetune.training.objectives import log_probabilities
from finetune.training.options import TrainingOptions
from finetune.training.preferences import (
    balanced,
    dpo,
    gather_pairs,
    gather_thumbs,
    kto,
    last_reply,
    pair_of,
    pair_units,
    thumb_units,
    with_reference,
)
from tests.finetune.runner import OPTIONS
from tests.finetune.tiny import tiny_llama, with_lora
from tests.finetune.tiny_base import TOOLS, job, splits, splits_for, tiny_base

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
LEARNING = {
    "lora": {},
    "lora with everything": {"rslora": True, "dora": True, "loraplus": 4.0, "dropout": 0.05},
    "lora saving memory": {"gradient_checkpointing": True},
    "full": {"learning_rate": 0.003},
    "prompt_tuning": {"learning_rate": 0.3, "sample_every": 9},
    "prefix_tuning": {"learning_rate": 0.1, "sample_every": 9},
}


def trained(name: str, out: Path, options: dict[str, Any], **given: Any) -> Any:
    chosen = build(name, job(out, **given), OPTIONS | {"dev_every": 100} | options)
    chosen.setup()
    outcome = chosen.train()
    return outcome, chosen.save(), chosen


@pytest.mark.parametrize("name", LEARNING)
def test_the_loss_on_other_examples_falls(tmp_path: Path, name: str) -> None:
    outcome, folder, _ = trained(name.split()[0], tmp_path / "run", LEARNING[name])
    # A few embeddings before a frozen model of random weights cannot do much; the others can.
    assert outcome.dev_loss < outcome.dev_loss_before - (0.05 if name == "prompt_tuning" else 0.2)
    assert json.loads((folder / "run.json").read_text())["outcome"]["dev_loss"] == outcome.dev_loss
    assert list(folder.glob("*.safetensors")) and not list(folder.glob("*.bin"))


@pytest.mark.parametrize("name", ["lora", "full"])
def test_in_bf16_the_loss_falls_and_what_is_saved_is_of_32_bits(tmp_path: Path, name: str) -> None:
    given = LEARNING[name] | {"epochs": 1}
    exact, _, _ = trained(name, tmp_path / "exact", given)
    outcome, folder, _ = trained(name, tmp_path / "run", given | {"precision": "bf16"})
    assert outcome.dev_loss < outcome.dev_loss_before - 0.2
    assert outcome.dev_loss_before == pytest.approx(exact.dev_loss_before, rel=0.01)
    assert outcome.dev_loss_before != exact.dev_loss_before  # it was computed in other numbers
    assert json.loads((folder / "run.json").read_text())["precision"] == "bf16"
    (weights,) = map(load_file, folder.glob("*.safetensors"))
    assert all(one.dtype == torch.float32 and torch.isfinite(one).all() for one in weights.values())


@pytest.mark.parametrize("name", ["lora", "prompt_tuning", "prefix_tuning"])
def test_what_is_saved_is_what_was_trained(tmp_path: Path, name: str) -> None:
    from peft import PeftModel

    _, folder, chosen = trained(name, tmp_path / "run", LEARNING[name])
    loaded = PeftModel.from_pretrained(tiny_base().model, str(folder)).eval()
    tokens = torch.tensor([[5, 6, 7, 8]])
    seen = torch.ones_like(tokens)
    with torch.no_grad():
        ours = chosen.model.eval()(input_ids=tokens, attention_mask=seen).logits
        theirs = loaded(input_ids=tokens, attention_mask=seen).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_full_model_is_saved_with_its_tokenizer_and_can_be_read(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    _, folder, chosen = trained("full", tmp_path / "run", LEARNING["full"])
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    for name, tensor in chosen.model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    assert (folder / "tokenizer.json").is_file() and (folder / "chat_template.jinja").is_file()


def test_training_goes_on_from_an_adapter(tmp_path: Path) -> None:
    first, folder, _ = trained("lora", tmp_path / "first", {})
    second, again, _ = trained("lora", tmp_path / "second", {}, parent=folder)
    assert second.dev_loss_before == pytest.approx(first.dev_loss, rel=1e-5)
    assert json.loads((again / "run.json").read_text())["parent"]


def test_an_adapter_that_does_not_belong_is_refused(tmp_path: Path) -> None:
    _, folder, _ = trained("lora", tmp_path / "first", {"steps": 2})
    other = replace(tiny_base(), fingerprint="a" * 64)
    with pytest.raises(BaseMismatch, match="another base model"):
        build("lora", job(tmp_path / "a", parent=folder, base=other), OPTIONS).setup()
    with pytest.raises(AdapterInvalid, match="type LORA"):
        build("prompt_tuning", job(tmp_path / "b", parent=folder), OPTIONS).setup()
    with pytest.raises(AdapterMissing):
        build("lora", job(tmp_path / "c", parent=tmp_path), OPTIONS).setup()
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(AdapterInvalid, match="pickled"):
        build("lora", job(tmp_path / "d", parent=folder), OPTIONS).setup()
    with pytest.raises(RecipeError, match="not from an adapter"):
        build("full", job(tmp_path / "e", parent=folder), OPTIONS).setup()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine can")
def test_qlora_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="needs a CUDA device"):
        build("qlora", job(tmp_path / "run"), {}).setup()


def test_dpo_comes_to_prefer_what_is_preferred(tmp_path: Path) -> None:
    given = {"learning_rate": 0.01, "step_targets": 4}
    outcome, _, _ = trained("dpo", tmp_path / "run", given, splits=splits_for("dpo"))
    assert outcome.dev_loss_before == pytest.approx(0.6931, abs=1e-3)  # log 2: no preference yet
    assert outcome.dev_loss < 0.5


def test_kto_learns_from_lone_thumbs(tmp_path: Path) -> None:
    given = {"learning_rate": 0.01, "step_targets": 4}
    outcome, _, _ = trained("kto", tmp_path / "run", given, splits=splits_for("kto"))
    assert outcome.dev_loss_before == pytest.approx(0.5, abs=1e-3)  # the sigmoid of 0
    assert outcome.dev_loss < outcome.dev_loss_before - 0.01


@pytest.mark.parametrize(("name", "unmoved"), [("dpo", math.log(2)), ("kto", 0.5)])
def test_the_reference_is_computed_in_the_precision_of_the_run(tmp_path: Path, name: str, unmoved: float) -> None:
    given = {"precision": "bf16", "steps": 1}
    outcome, _, _ = trained(name, tmp_path / "run", given, splits=splits_for(name))
    assert outcome.dev_loss_before == pytest.approx(unmoved, abs=1e-6)


@pytest.mark.parametrize("name", ["dpo", "kto"])
def test_what_learns_from_judgments_shows_its_replies_on_the_way(tmp_path: Path, name: str) -> None:
    data = splits_for(name)
    trained(name, tmp_path / "run", {"sample_every": 1, "samples": 2, "sample_tokens": 4, "steps": 2}, splits=data)
    samples = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert [one["step"] for one in samples] == [1, 1, 2, 2, 2, 2]  # each round, and once more at the end
    assert all(one["prompt"].endswith("assistant\n") for one in samples)
    asked = [data.dev[place].messages[0]["content"] for place in (0, 1, 2, 3)]
    assert all(any(text in one["prompt"] for text in asked) for one in samples)


@pytest.mark.parametrize("name", ["dpo", "kto"])
def test_data_without_judgments_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="Nothing was trained"):
        build(name, job(tmp_path / "run"), OPTIONS).setup()


def test_a_pair_is_taken_where_the_replies_first_differ() -> None:
    base = tiny_base()
    renderer = Renderer.of(base)

    def reply(sequence: TokenSequence) -> str:
        kept = [token for token, learned in zip(sequence.ids, sequence.targets, strict=True) if learned]
        return str(base.tokenizer.decode(kept))

    asked = {"role": "user", "content": "Weather in Oslo?"}
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}
    spoken = {"role": "assistant", "content": "Cold."}
    found = pair_of(renderer, Example((asked, call), TOOLS, rejected=spoken))
    assert found is not None and reply(found[0]).startswith("weather") and reply(found[1]) == "none"
    found = pair_of(renderer, Example((asked, spoken), TOOLS, rejected={"role": "assistant", "content": "Warm."}))
    assert found is not None and (reply(found[0]), reply(found[1])) == ("Cold.", "Warm.")
    assert pair_of(renderer, Example((asked, spoken), TOOLS, rejected=spoken)) is None
    assert len(last_reply(renderer, Example((asked, spoken, asked, call), TOOLS))) == 1


def test_a_reply_that_says_nothing_is_left_out_and_counted() -> None:
    renderer = Renderer.of(tiny_base())
    asked = {"role": "user", "content": "Weather in Oslo?"}
    spoken, silent = ({"role": "assistant", "content": text} for text in ("Cold.", ""))
    pairs = [Example((asked, spoken), rejected=other) for other in (silent, spoken | {"content": "Warm."})]
    notes: list[str] = []
    assert len(gather_pairs(renderer, pairs, 999, notes)) == 1 and notes[0].startswith("1 of 2 examples")
    thumbs = [Example((asked, silent), label=False), Example((asked, spoken), label=True)]
    assert len(gather_thumbs(renderer, thumbs, 999, notes)) == 1 and "say nothing" in notes[1]
    unknown = {"role": "assistant", "content": "", "tool_calls": [{"name": "nowhere", "arguments": {}}]}
    with pytest.raises(DatasetError, match="not of the form"):
        pair_of(renderer, Example((asked, spoken), TOOLS, rejected=unknown))


def test_dpo_is_the_papers_formula(tmp_path: Path) -> None:
    model = with_lora(tiny_llama())
    pairs = [(_sequence(3, 5), _sequence(3, 6)), (_sequence(4, 7), _sequence(4, 8, 9))]
    units = [replace(unit, reference=(-1.0, -2.0, -3.0, -4.0)) for unit in pair_units(pairs, 1000)]
    (unit,) = units
    said = log_probabilities(model, unit.sequences, CPU)
    margins = (said[:2] - torch.tensor([-1.0, -2.0])) - (said[2:] - torch.tensor([-3.0, -4.0]))
    expected = -torch.log(1 / (1 + torch.exp(-0.5 * margins))).sum()
    torch.testing.assert_close(dpo(units, 0.5, 0.0).loss(model, unit, CPU), expected)


def test_kto_is_the_papers_formula(tmp_path: Path) -> None:
    model = with_lora(tiny_llama())
    units = thumb_units([(_sequence(3, 5), True), (_sequence(4, 7), False)], 4)
    unit = replace(units[0], reference=(-5.0, -4.0, -6.0, -7.0))
    assert [list(one.ids) for one in unit.sequences[2:]] == [[1, 3, 7], [1, 4, 5]]  # each with the other's reply
    said = log_probabilities(model, unit.sequences, CPU)
    moved = max(0.0, ((said[2] + 6.0 + said[3] + 7.0) / 2).item())
    wanted = 2.0 * (1 - torch.sigmoid(0.5 * (said[0] + 5.0 - moved)))
    unwanted = 3.0 * (1 - torch.sigmoid(0.5 * (moved - (said[1] + 4.0))))
    torch.testing.assert_close(kto(units, 0.5, 2.0, 3.0).loss(model, unit, CPU), wanted + unwanted)


def test_the_reference_is_computed_once(tmp_path: Path) -> None:
    model = with_lora(tiny_llama())
    units = pair_units([(_sequence(3, 5), _sequence(3, 6))], 1000)
    first = with_reference(model, units, tmp_path / "reference.json")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    assert with_reference(model, units, tmp_path / "reference.json") == first


def test_no_judged_reply_is_alone() -> None:
    for number in range(2, 14):
        units = thumb_units([(_sequence(3, place + 1), True) for place in range(number)], 4)
        assert sum(unit.count for unit in units) == number and all(unit.count > 1 for unit in units)


def test_a_mismatched_reply_is_one_to_another_prompt() -> None:
    judged = [(_sequence(3 + place // 6, 20 + place), True) for place in range(12)]  # six to each of two prompts
    for unit in thumb_units(judged, 4):
        asked = [one.ids[1] for one in unit.sequences[: unit.count]]
        replied = [3 + (one.ids[2] - 20) // 6 for one in unit.sequences[unit.count :]]
        assert [one.ids[1] for one in unit.sequences[unit.count :]] == asked
        assert all(one != other for one, other in zip(asked, replied, strict=True))
    assert thumb_units(judged, 4) == thumb_units(judged, 4)
    assert thumb_units(judged[:3], 4)  # the prompt is the same for all


def test_few_wanted_replies_count_as_much_as_many_unwanted() -> None:
    wanted, unwanted = balanced([True] * 2 + [False] * 8)
    assert wanted * 2 == unwanted * 8 and wanted * 2 + unwanted * 8 == 10
    assert balanced([True] * 3) == (1.0, 1.0)
    assert build("kto", job(Path("x"), base=None, splits=splits(0, 0)), {}).options.desirable is None


def _sequence(asked: int, *reply: int) -> TokenSequence:
    return TokenSequence([1, asked, *reply], [False, False] + [True] * len(reply))


def test_shared_options_reach_every_recipe() -> None:
    assert build("dpo", job(Path("x"), base=None, splits=splits(0, 0)), {"seed": 3}).options.training == replace(
        TrainingOptions(learning_rate=1e-4, epochs=3, step_targets=16, pack_tokens=2048), seed=3
    )
