"""Packed training is the same as training one by one: logits, losses and gradients."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch

from finetune.schema import TokenSequence
from finetune.training.branch_attention import attend_in_branches, attends_in_branches
from finetune.training.fused_lora import fuse
from finetune.training.loss import supervised_loss, token_losses
from finetune.training.packing import collate, pack
from tests.finetune.tiny import tiny_llama, with_lora

pytestmark = pytest.mark.slow


def sequences(seed=0, families=3):
    source = np.random.default_rng(seed)
    made = []
    for family in range(families):
        beginning = list(map(int, source.integers(0, 97, 5 + 4 * family)))
        for branch in range(3):
            ids = list(map(int, source.integers(0, 97, 6 + branch)))
            made.append(
                TokenSequence(
                    [*beginning, *ids], [False] * (len(beginning) + 3) + [True] * (3 + branch), len(beginning)
                )
            )
    return made


def alone(model, sequence):
    """Losses of a sequence's targets, computed the plain way: no mask, no packing, all logits."""
    ids = torch.tensor([list(sequence.ids)])
    logits = model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
    places = [place for place, wanted in enumerate(sequence.targets) if wanted]
    return torch.stack([-logits[place - 1, sequence.ids[place]] for place in places])


@pytest.mark.parametrize("budget", [20, 64, 1000])
def test_packed_examples_do_not_see_each_other(budget):
    model, items = tiny_llama(), sequences()
    for row in pack(items, budget):
        together = token_losses(model, collate([row]))
        apart = torch.cat([alone(model, items[member]) for member in row.members])
        torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing():
    model, items = tiny_llama(), sequences()
    rows = pack(items, 40)
    together = token_losses(model, collate(rows))
    torch.testing.assert_close(together, torch.cat([token_losses(model, collate([row])) for row in rows]))


def test_another_sequence_beside_it_changes_no_loss():
    model, items = tiny_llama(), sequences()
    row = next(row for row in pack(items, 1000) if len(row.members) > 1)
    before = token_losses(model, collate([row]))
    last = items[row.members[-1]]
    changed = list(items)
    changed[row.members[-1]] = TokenSequence(
        [*last.ids[: last.shared], *reversed(last.ids[last.shared :])], last.targets, last.shared
    )
    after = token_losses(model, collate([pack(changed, 1000)[0]]))
    own = sum(last.targets)
    torch.testing.assert_close(before[:-own], after[:-own])
    assert not torch.allclose(before[-own:], after[-own:])


def test_the_loss_is_a_sum_and_its_number_of_targets():
    model, items = tiny_llama(), sequences()
    total, count = supervised_loss(model, collate(pack(items, 1000)))
    assert count == sum(sum(item.targets) for item in items)
    torch.testing.assert_close(total, torch.cat([alone(model, item) for item in items]).sum(), atol=1e-3, rtol=1e-5)


def gradients(model, batch):
    model.zero_grad()
    supervised_loss(model, batch)[0].backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("rslora", [False, True])
def test_fused_layers_give_the_same_gradients(rslora):
    batch = collate(pack(sequences(), 64))
    model = with_lora(tiny_llama(), use_rslora=rslora)
    plain = gradients(model, batch)
    assert fuse(model) == 14
    fused = gradients(model, batch)
    assert plain.keys() == fused.keys() and len(plain) == 28
    for name, gradient in plain.items():
        torch.testing.assert_close(fused[name], gradient, atol=1e-5, rtol=1e-4)


def test_fused_layers_obey_a_disabled_adapter():
    batch = collate(pack(sequences(), 64))
    model = with_lora(tiny_llama())
    fuse(model)
    with model.disable_adapter():
        torch.testing.assert_close(token_losses(model, batch), token_losses(tiny_llama(), batch))
    assert not torch.allclose(token_losses(model, batch), token_losses(tiny_llama(), batch))


def test_layers_that_do_more_than_lora_are_left_alone():
    assert fuse(with_lora(tiny_llama(), use_dora=True)) == 0
    assert fuse(with_lora(tiny_llama(), lora_dropout=0.1)) == 0


def test_attention_by_branches_gives_the_same_losses_and_gradients():
    model = with_lora(tiny_llama())
    batches = [collate([row]) for row in pack(sequences(), 64)]
    plain = [(token_losses(model, batch).detach(), gradients(model, batch)) for batch in batches]
    attend_in_branches(model)
    assert attends_in_branches(model.get_base_model()) and any(len(batch.bounds) > 3 for batch in batches)
    for batch, (losses, dense) in zip(batches, plain, strict=True):
        torch.testing.assert_close(token_losses(model, batch), losses, atol=1e-5, rtol=1e-5)
        for name, gradient in gradients(model, batch).items():
            torch.testing.assert_close(gradient, dense[name], atol=1e-5, rtol=1e-4)


def test_attention_without_bounds_is_the_ordinary_one():
    model, items = tiny_llama(), sequences()
    expected = alone(model, items[0])
    several = token_losses(model, collate(pack(items, 20)))
    attend_in_branches(model)
    torch.testing.assert_close(alone(model, items[0]), expected)
    torch.testing.assert_close(token_losses(model, collate(pack(items, 20))), several)


def test_a_token_counts_as_much_as_its_weight_says():
    model, items = tiny_llama(), sequences()[:3]
    weighed = [replace(item, weights=[2 + place % 2 for place in range(len(item.ids))]) for item in items]
    total, count = supervised_loss(model, collate(pack(weighed, 1000)))
    places = [[place for place, wanted in enumerate(item.targets) if wanted] for item in items]
    weights = [torch.tensor([2.0 + place % 2 for place in row]) for row in places]
    expected = sum((alone(model, item) * weight).sum() for item, weight in zip(items, weights, strict=True))
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-5)
    assert count == sum(weight.sum() for weight in weights)
