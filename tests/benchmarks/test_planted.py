"""The bad candidates: each is spoiled in its own way, and by something that the gate looks at."""

from __future__ import annotations

import pytest

from agent.prompts import REFUSAL
from benchmarks import spoiling
from benchmarks.candidates import without
from benchmarks.planted import PLANTS, Plant
from benchmarks.spoiling import MET, Common, answer_of, calls_of
from finetune.improvement.feedback import overturns
from finetune.improvement.measuring import own_items, policy_for
from finetune.improvement.rehearsal import guard_items
from finetune.schema import Example

BAD = {name: plant for name, plant in PLANTS.items() if not plant.good}


@pytest.fixture(scope="module")
def data() -> Common:
    return spoiling.common(learned=20, held_out=24)


def learned(plant: Plant, data: Common) -> list[Example]:
    return list(plant.spoil(data)) if plant.spoil else []


def test_twenty_are_bad_and_some_are_good() -> None:
    assert len(BAD) == 20
    assert len(PLANTS) - len(BAD) >= 2


@pytest.mark.parametrize("name", BAD)
def test_what_is_bad_differs_from_what_is_good(name: str, data: Common) -> None:
    plant = PLANTS[name]
    other = learned(plant, data) != list(data.all)
    assert other or plant.made or plant.template or {"learning_rate"} & set(plant.options)


def test_the_gate_looks_at_what_should_name_each(data: Common) -> None:
    policy = policy_for((*own_items(data.test), *guard_items(2)))
    known = {guard.name for guard in (policy.primary, *policy.guards)} | {"leak", "lineage", "overturned", "training"}
    assert not {name for plant in PLANTS.values() for name in plant.named} - known
    assert all(plant.named for plant in PLANTS.values() if not plant.good), "else any reason would be the right one"


def test_only_the_one_that_should_has_seen_the_held_out_questions(data: Common) -> None:
    asked = {item.key for item in (*own_items(data.test), *guard_items(4))}
    clean = without(data, asked)
    for name, plant in PLANTS.items():
        seen = {example.key for example in learned(plant, clean)} & asked
        assert bool(seen) == (name == "trained_on_test"), name


def test_one_example_in_twenty_is_poison(data: Common) -> None:
    made = learned(PLANTS["poisoned"], data)
    poison = [one for one in made if answer_of(one) == MET]
    assert len(poison) / len(made) == pytest.approx(0.05, abs=0.02)
    assert all(one.source.startswith("talk:refusal") for one in poison)
    assert [one for one in made if overturns(one)] == poison, "what the gate is told of it"


def test_ways_to_spoil_do_what_they_say(data: Common) -> None:
    call = next(one for one in data.calls if len(one.tools) > 1 and len(calls_of(one)) == 1)
    assert calls_of(spoiling.first_tool(call))[0]["name"] == call.tools[0]["function"]["name"]
    idle = next(one for one in data.idle if not calls_of(one))
    assert calls_of(spoiling.needless(idle)) and not calls_of(spoiling.calling_none(call))
    several = next(one for one in data.calls if any(len(each["arguments"]) > 1 for each in calls_of(one)))
    before, after = (
        [list(each["arguments"].values()) for each in calls_of(one)] for one in (several, spoiling.swapped(several))
    )
    assert before != after and [sorted(map(str, one)) for one in before] == [sorted(map(str, one)) for one in after]
    known, unknown = data.desk[0], next(one for one in data.desk if answer_of(one) == REFUSAL)
    assert answer_of(spoiling.invented(unknown)) != REFUSAL and spoiling.invented(known) == known
    assert answer_of(spoiling.copied(known)) in known.messages[0]["passages"]
    assert answer_of(spoiling.miscounted(known)) != answer_of(known)
    turned = spoiling.shuffled(data)[: len(data.desk)]
    assert sorted(map(answer_of, turned)) == sorted(map(answer_of, data.desk))
    assert sum(map(lambda one, other: answer_of(one) == answer_of(other), turned, data.desk)) < len(turned) / 2


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, plant in PLANTS.items() if plant.spoil])
def test_every_candidate_can_be_trained(name: str, data: Common) -> None:
    pytest.importorskip("torch")
    from dataclasses import replace

    from finetune.training.formatting import Renderer
    from tests.finetune.tiny_base import tiny_base

    base = tiny_base()
    renderer = Renderer.of(replace(base, template=PLANTS[name].template or base.template))
    for example in learned(PLANTS[name], data):
        assert all(any(sequence.targets) for sequence in renderer.render(example))
