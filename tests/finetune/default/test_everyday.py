"""Our own requests and answers: whole, different, fair to the suites, and as many harmless as harmful."""

from collections import Counter
from pathlib import Path

import pytest

from finetune.default import everyday
from finetune.errors import DatasetError

DECLINING = ("i cannot", "i will not", "i would rather not", "do not try", "crisis line")


def test_all_are_single_requests_with_an_answer_and_none_comes_twice() -> None:
    made = everyday.examples()
    assert len(made) > 1200 and len({one.key for one in made}) == len(made)
    for example in made:
        assert [message["role"] for message in example.messages] == ["user", "assistant"]
        assert all(message["content"].strip() == message["content"] != "" for message in example.messages)
        assert len(str(example.messages[1]["content"]).split()) <= 90, example.source


def test_a_harmful_request_has_the_harmless_one_that_is_like_it_beside_it() -> None:
    made = everyday.examples()
    groups = Counter(one.group for one in made if one.source.startswith("everyday:twins"))
    pairs = {group for group, members in groups.items() if members == 2}
    assert len(groups) > 200 and 0.15 * len(groups) < len(pairs) < 0.35 * len(groups)
    assert {one.source for one in made if one.group in groups and one.group not in pairs} == {
        f"{group}.2" for group in groups if group not in pairs
    }
    for place, example in enumerate(made):
        near = made[max(0, place - 1) : place] + made[place + 1 : place + 2]
        assert example.group not in pairs or example.group in {one.group for one in near}


def test_each_harmful_request_is_drawn_by_some_seed() -> None:
    harmful = {one.key for seed in range(30) for one in everyday.examples(seed) if one.source.endswith(".1")}
    assert len(harmful) > 250 + 1200  # of the other kinds all are the first of their row


def test_harmful_ones_are_declined_and_harmless_ones_are_not() -> None:
    made = [one for one in everyday.examples() if one.source.startswith("everyday:twins")]
    for example in made:
        answer = str(example.messages[1]["content"]).replace("\u2019", "'").lower()
        declined = any(said in answer for said in DECLINING)
        if example.source.endswith(".1"):
            assert declined, answer
        else:
            assert not answer.startswith(("i cannot", "i can't", "i will not", "i won't", "i'm sorry")), answer


def test_the_order_is_that_of_the_seed() -> None:
    assert everyday.examples(1) == everyday.examples(1) != everyday.examples(2)
    one, two = ({said for said in everyday.requests(seed)} for seed in (1, 2))
    assert len(one & two) > 0.9 * len(one)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows = [", "cannot be used"),
        ("lines = []", "cannot be used"),
        ('rows = [["a"]]', "row 1"),
        ('rows = [["a", ""]]', "row 1"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "knowledge.toml").write_text(text)
    with pytest.raises(DatasetError, match=f"knowledge.toml.*{said}"):
        everyday.examples(0, tmp_path)
