"""The made-up domain: repeatable, answerable from its passages, and held out machine by machine."""

from pathlib import Path

from agent.prompts import REFUSAL
from benchmarks.rental_desk import UNANSWERED, machines, questions, write_documents
from finetune.improvement.feedback import LEAST_LEARNED, LEAST_TESTED
from finetune.improvement.holdout import hold_out


def test_questions_are_the_same_every_time_and_none_comes_twice() -> None:
    asked = questions(60, held_out=False)
    assert asked == questions(60, held_out=False)
    assert len({one.question for one in asked}) == 60
    assert asked != questions(60, held_out=False, seed=1)


def test_no_machine_is_both_in_the_feedback_and_held_out() -> None:
    learned, tested = ({one.machine for one in questions(48, held_out=held)} for held in (False, True))
    assert not learned & tested
    shown = {passage for one in questions(48, held_out=True) for passage in one.passages}
    assert not any(name in passage for name in learned for passage in shown)


def test_what_is_wanted_stands_in_the_passages_or_the_desk_is_told_that_it_does_not() -> None:
    asked = questions(60, held_out=False)
    refused = [one for one in asked if one.wanted == REFUSAL]
    assert len(refused) == 60 // UNANSWERED
    for one in asked:
        assert any(one.machine in passage for passage in one.passages)
        if one.wanted != REFUSAL:
            value = one.wanted.rpartition(": ")[2].rstrip(".")
            assert any(f" {value}." in passage for passage in one.passages if one.machine in passage), one


def test_the_desk_takes_its_line_wherever_it_stands_and_no_other() -> None:
    said, unsaid = questions(UNANSWERED, held_out=False)[0], questions(UNANSWERED, held_out=False)[-1]
    assert said.is_right(said.wanted) and said.is_right(f"Here it is. {said.wanted} [1]")
    assert not said.is_right(said.wanted.replace(",", " has the")) and not said.is_right(REFUSAL)
    assert unsaid.is_right(REFUSAL) and not unsaid.is_right("It is red.")


def test_documents_hold_every_machine(tmp_path: Path) -> None:
    folder = write_documents(tmp_path / "depot")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md")))
    assert all(one.text in text for one in machines())


def test_sixty_judgements_are_enough_to_learn_and_to_measure_from() -> None:
    divided = hold_out([one.example() for one in questions(60, held_out=False)])
    assert len(divided.test) >= LEAST_TESTED
    assert len(divided.train) >= LEAST_LEARNED
