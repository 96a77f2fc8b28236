"""Questions about whole documents are answered from all of the document, and what was left out is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import prompts
from agent.schema import Cited, Note, Retrieved
from agent.state import TurnState
from knowledge.index import KnowledgeIndex
from knowledge.schema import Passage, Retrieval, SearchFilter
from tests.agent.library import library
from tests.agent.test_graph import LARGE, SMALL, Turn, texts

PUMP = """# Heron pump

The Heron pump moves water from the lake to the house.

## Cleaning

Rinse the filter of the pump under cold water every two weeks.

```bash
pump --clean filter. Do not quote this line.
```

## Warranty

The warranty of the pump lasts 24 months from the date of purchase.
"""
PUMP_2 = PUMP.replace("every two weeks", "every four weeks").replace(
    "## Warranty", "## Noise\n\nIt hums.\n\n## Warranty"
)
BREAD = """# Bread

Knead the dough for ten minutes and let it rest.

## Cleaning

Wipe the table with a wet cloth after the dough has left it.
"""
LONG = "# Log\n\n" + "\n\n".join(
    f"## Day {day}\n\nOn day {day} the keeper of lighthouse {day} wrote that the sea was calm and blue."
    for day in range(80)
)
TABLE = """# Parts

The parts are listed here.

| part | price |
| --- | --- |
| filter | 12 |
| seal | 4 |
| motor | 90 |
| hose | 7 |

The filter is delivered within three days.
"""
NOTED = "A line that no heading announces.\n\n" + LONG
LINKS = "# Changes\n\n" + "\n".join(
    f"* Add feature {n} for the pump. PR [#{n}](https://hub.example/pull/{n}) by [@ann](https://hub.example/ann)."
    for n in range(6)
)
FILES = {
    "table.md": TABLE,
    "noted.md": NOTED,
    "links.md": LINKS,
    "pump.md": PUMP,
    "old/pump.md": PUMP,
    "pump2.md": PUMP_2,
    "bread.md": BREAD,
    "long.md": LONG,
}

Ask = Callable[..., tuple[TurnState, list[Any]]]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KnowledgeIndex, dict[str, Path]]]:
    index, paths = library(tmp_path_factory.mktemp("documents"), FILES)
    yield index, paths
    index.close()


@pytest.fixture
def turn(collection: tuple[KnowledgeIndex, dict[str, Path]]) -> Callable[..., Turn]:
    index, _ = collection

    def search(query: str, k: int | None = None, where: SearchFilter | None = None) -> Retrieval:
        return Retrieval(query, tuple(index.passages(index.rows_of(next(iter(index.sources()))))), True, 0.9, 0.0)

    return lambda script, **changes: Turn(script, **{"documents": index, "search": search} | changes)


def stand(state: TurnState) -> None:
    """Every citation says what its file says at the lines it names."""
    assert state["citations"]
    for citation in state["citations"]:
        lines = Path(citation["source"]).read_text().split("\n")
        assert citation["text"] in "\n".join(lines[citation["start_line"] - 1 : citation["end_line"]])
        assert citation["passage_id"] in {passage["id"] for passage in state["passages"]}


def test_a_small_model_s_summary_quotes_every_section(turn: Callable[..., Turn]) -> None:
    small = turn([], budget=SMALL)
    state, events = small.ask("Summarize pump2.md")
    assert state["answer"] == texts(events)
    assert state["status"] == "done"
    stand(state)
    for said in ("every four weeks", "24 months", "from the lake", "It hums"):
        assert said in state["answer"], said
    assert "Do not quote" not in state["answer"]
    outside = [part for at, part in enumerate(state["answer"].replace("”", "“").split("“")) if at % 2 == 0]
    assert "".join(outside).count("pump ") <= 1  # nothing but the title is said in other words than quoted ones
    assert small.model.prompts == []
    assert isinstance(events[0], Retrieved)
    assert len([event for event in events if isinstance(event, Cited)]) == len(state["citations"])


def test_what_a_long_summary_leaves_out_is_said(turn: Callable[..., Turn]) -> None:
    state, events = turn([], budget=SMALL).ask("What is in long.md?")
    stand(state)
    days = [int(citation["text"].split()[2]) for citation in state["citations"]]
    assert len(days) == 12
    assert days == sorted(days)
    assert max(b - a for a, b in zip([0, *days], [*days, 79], strict=True)) < 20  # spread over the document
    note = prompts.NOTE_QUOTED.format(quoted=12, total=80, shown=12, sections=80)
    assert note in state["notes"]
    assert Note(note) in events


def test_a_document_that_fits_is_shown_to_a_large_model_as_a_whole(turn: Callable[..., Turn]) -> None:
    large = turn(["The warranty of the pump lasts 24 months."])
    state, _ = large.ask("Please summarize pump2.md in one sentence.")
    shown = str(large.model.prompts[0][-1].content)
    for said in ("every four weeks", "24 months", "from the lake", "It hums"):
        assert said in shown, said
    assert state["answer"].startswith("The warranty of the pump lasts 24 months. [1]")
    stand(state)


def test_a_long_document_is_read_part_by_part(turn: Callable[..., Turn]) -> None:
    answer = "On day 7 the keeper of lighthouse 7 wrote that the sea was calm."
    large = turn(["The sea was calm."] * 12 + [answer] * 9, budget=LARGE)
    state, _ = large.ask("Summarize long.md")
    readings = [str(prompt[-1].content) for prompt in large.model.prompts]
    assert "part 1 of" in readings[0]
    assert all(f"On day {day} " in "".join(readings[:-1]) for day in range(80))
    assert "Part 2: The sea was calm." in readings[-1] or answer in readings[-1]
    assert state["usage"]["prompt_tokens"] == 10 * len(readings)
    stand(state)


def test_more_than_can_be_read_is_sampled_and_said(turn: Callable[..., Turn]) -> None:
    from dataclasses import replace

    large = turn(["Calm."] * 40, budget=replace(LARGE, passages=60))
    state, _ = large.ask("Summarize long.md")
    assert len(large.model.prompts) <= 14
    considered = [note for note in state["notes"] if "passages of long.md" in note]
    assert len(considered) == 1
    assert "of the 80 passages" in considered[0]


def test_a_reading_can_be_cancelled(turn: Callable[..., Turn]) -> None:
    large = turn(["one two three four five six"] * 20)
    large.model._after_first = lambda: large.deps.clock.cancelled.set()
    state, _ = large.ask("Summarize long.md")
    assert state["status"] == "cancelled"
    assert large.model.said <= 4


def test_headings_are_listed_without_a_model(turn: Callable[..., Turn]) -> None:
    for budget in (SMALL, LARGE):
        state, events = turn([], budget=budget).ask("List all the headings of bread.md")
        assert state["answer"] == texts(events)
        assert [line.split(" (")[0] for line in state["answer"].splitlines()[2:]] == ["- Bread", "  - Cleaning"]


def test_versions_are_compared_line_by_line(turn: Callable[..., Turn], collection: Any) -> None:
    state, _ = turn([], budget=SMALL).ask("What changed between old/pump.md and pump2.md?")
    stand(state)
    changed = (
        "“Rinse the filter of the pump under cold water every two weeks.” [1] became “Rinse the filter of the pump"
    )
    assert changed in state["answer"]
    assert "**Added** in “Noise”: “It hums.”" in state["answer"]
    assert "Removed" not in state["answer"]
    assert "24 months" not in state["answer"]
    sources = {citation["source"] for citation in state["citations"]}
    assert sources == {str(collection[1]["old/pump.md"]), str(collection[1]["pump2.md"])}


def test_different_documents_are_compared_by_sections(turn: Callable[..., Turn]) -> None:
    state, _ = turn([], budget=SMALL).ask("Compare pump2.md with bread.md")
    stand(state)
    both, only_pump, only_bread = state["answer"].partition("**Only in pump2.md**")[0::2] + ("",)
    assert "Cleaning: pump2.md: “Rinse" in both
    assert "Warranty: “" in only_pump
    assert only_bread == ""


def test_a_large_model_compares_what_fits_and_sees_which_is_which(turn: Callable[..., Turn]) -> None:
    large = turn(["Rinse the filter of the pump under cold water every four weeks."])
    state, _ = large.ask("Compare pump2.md with bread.md")
    shown = str(large.model.prompts[0][-1].content)
    assert "] pump2.md, Cleaning: " in shown
    assert "] bread.md, Cleaning: " in shown
    stand(state)


def test_the_same_text_twice_says_so(turn: Callable[..., Turn], collection: Any) -> None:
    one, other = collection[1]["pump.md"], collection[1]["old/pump.md"]
    state, _ = turn([]).ask(f"What changed between {one} and {other}?")
    assert "say the same, line for line" in state["answer"]
    state, _ = turn([]).ask("diff bread.md bread.md")
    assert state["answer"] == prompts.SAME_TWICE.format(name="bread.md")


def test_an_ambiguous_name_is_asked_for_and_the_reply_understood(turn: Callable[..., Turn]) -> None:
    small = turn([], budget=SMALL)
    state, _ = small.ask("Summarize pump.md")
    assert state["answer"].splitlines()[0] == prompts.WHICH_OF.format(name="pump.md")
    assert state["answer"].splitlines()[1:] == ["1. old/pump.md", "2. pump.md"]
    for reply in ("the first one", "old/pump.md", "1"):
        small.focus = small.focus_of(state)
        answered, _ = small.ask(reply)
        assert answered["citations"][0]["source"].endswith("old/pump.md"), reply


def test_this_file_is_the_one_cited_last(turn: Callable[..., Turn], collection: Any) -> None:
    small = turn([], budget=SMALL)
    first, _ = small.ask("Summarize bread.md")
    small.focus = small.focus_of(first)
    state, _ = small.ask("List the headings of this file")
    assert "- Bread" in state["answer"]
    small.focus = {}
    state, _ = small.ask("Summarize this file")
    assert state["answer"].startswith(prompts.WHICH)


def test_an_unknown_file_is_said_to_be_unknown(turn: Callable[..., Turn]) -> None:
    state, _ = turn([]).ask("Summarize pumpe2.md")
    assert state["answer"].startswith(prompts.NO_SUCH_DOCUMENT.format(name="pumpe2.md"))
    assert "pump2.md" in state["answer"]


def test_a_word_that_is_no_document_is_an_ordinary_question(turn: Callable[..., Turn]) -> None:
    state, _ = turn(["Water moves."]).ask("Summarize hydraulics")
    assert state["query"] == "Summarize hydraulics"
    assert not state["request"]


def test_a_filter_decides_among_documents(turn: Callable[..., Turn], collection: Any) -> None:
    small = turn([], budget=SMALL)
    folder = str(collection[1]["old/pump.md"].parent)
    state, _ = small.ask("Summarize pump.md", asdict(SearchFilter(paths=(folder,))))
    assert state["citations"][0]["source"].endswith("old/pump.md")
    state, _ = small.ask("Summarize this file", asdict(SearchFilter(paths=(folder,))))
    assert state["citations"][0]["source"].endswith("old/pump.md")


def test_sections_are_quoted_whatever_stands_before_the_first_heading(turn: Callable[..., Turn]) -> None:
    state, _ = turn([], budget=SMALL).ask("Summarize noted.md")
    note = next(note for note in state["notes"] if "passages" in note)
    assert "from 1 of" not in note and "from 2 of" not in note
    days = [int(each["text"].split()[2]) for each in state["citations"] if each["text"].startswith("On day")]
    assert max(b - a for a, b in zip([0, *days], [*days, 79], strict=True)) < 20


def test_the_note_counts_the_sections_that_are_quoted(turn: Callable[..., Turn], tmp_path: Path) -> None:
    words = "# Words\n\n" + "\n\n".join(f"## Part {n}\n\nnoise without end number {n}" for n in range(9))
    index, _ = library(tmp_path, {"words.md": words + "\n\n## Last\n\nThis one ends here."})
    state, _ = turn([], budget=SMALL, documents=index).ask("Summarize words.md")
    index.close()
    assert len(state["citations"]) == 1
    assert any("from 1 of 10 sections" in note for note in state["notes"]), state["notes"]


def test_addresses_of_links_make_no_sentence_worth_quoting(turn: Callable[..., Turn]) -> None:
    state, _ = turn([], budget=SMALL).ask("Summarize links.md")
    assert all(citation["text"].startswith("* Add feature") for citation in state["citations"])


def test_a_section_is_summarized_alone(turn: Callable[..., Turn]) -> None:
    for question in ("Summarize the section Warranty of pump2.md", "Summarize the warranty section of pump2.md"):
        state, _ = turn([], budget=SMALL).ask(question)
        assert [citation["text"] for citation in state["citations"]] == [
            "The warranty of the pump lasts 24 months from the date of purchase."
        ]
        stand(state)
    large = turn(["The warranty of the pump lasts 24 months."])
    state, _ = large.ask("Summarize the section Warranty of pump2.md")
    assert "Rinse" not in str(large.model.prompts[0][-1].content)
    stand(state)


@pytest.mark.parametrize(
    "question", ["Summarize the section Recipes of pump2.md", "Explain the warranty in pump2.md", "Summarize it"]
)
def test_what_names_no_section_or_document_is_searched_for(turn: Callable[..., Turn], question: str) -> None:
    state, _ = turn(["Water moves."]).ask(question)
    assert state["query"] == question
    assert not state["request"]


def test_a_pronoun_is_the_document_of_the_turn_before(turn: Callable[..., Turn]) -> None:
    small = turn([], budget=SMALL)
    state, _ = small.ask("Summarize pump2.md")
    for question, said in (("What are its main points?", "24 months"), ("List its headings", "Noise")):
        small.focus = small.focus_of(state)
        state, _ = small.ask(question)
        assert said in state["answer"]
    small.focus = small.focus_of(small.ask("Compare pump2.md with bread.md")[0])
    state, _ = small.ask("What changed between them?")
    assert state["request"]["sources"][0].endswith("pump2.md")
    assert state["request"]["sources"][1].endswith("bread.md")


def test_a_filter_that_lets_nothing_through_leaves_nothing_to_summarize(turn: Callable[..., Turn]) -> None:
    state, _ = turn(["Water moves."], budget=SMALL).ask("Summarize this file", asdict(SearchFilter(paths=("/no",))))
    assert state["searched"]
    assert state["query"] == "Summarize this file"


def test_the_last_one_and_numbers_out_of_reach(turn: Callable[..., Turn]) -> None:
    small = turn(["No.", "No."], budget=SMALL)
    offered = small.focus_of(small.ask("Summarize pump.md")[0])
    small.focus = offered
    state, _ = small.ask("the last one")
    assert state["citations"][0]["source"].endswith("/pump.md")
    assert "/old/" not in state["citations"][0]["source"]
    small.focus = offered
    state, _ = small.ask("9" * 5000)
    assert not state["request"]


def test_pages_that_are_not_listed_are_counted() -> None:
    from agent.comparison import Side
    from agent.extracts import MOST_HEADINGS, outline

    pages = [Passage(str(n), "/a.pdf", "Some text.", 1, 1, page=n) for n in range(1, MOST_HEADINGS + 6)]
    pieces = outline(Side("a.pdf", pages, np.zeros((len(pages), 2), np.float32)))
    assert "- page 60" in pieces[1]
    assert str(pieces[1]).endswith("- and 5 more")


def test_changes_in_two_sections_are_two_changes(turn: Callable[..., Turn], tmp_path: Path) -> None:
    text = (
        "# Pump\n\nIt is blue.\n\n## Warranty\n\nIt lasts 24 months.\n\n## Care\n\nRinse it.\n\n## End\n\nThat is all."
    )
    changed = text.replace("24", "36").replace("Rinse it.", "Rinse it. Dry it.")
    index, _ = library(tmp_path, {"v1.md": text, "v2.md": changed})
    state, _ = turn([], documents=index).ask("What changed between v1.md and v2.md?")
    index.close()
    assert "2 changed" in state["answer"]
    assert "in “Care”: “Rinse it.” [3] became “Rinse it. Dry it.” [4]" in state["answer"]
    assert "more line" not in state["answer"]


def test_texts_of_few_different_lines_are_compared_at_once() -> None:
    from agent.comparison import Side, compare

    def side(name: str, lines: list[str]) -> Side:
        return Side(name, [Passage(name, f"/{name}", "\n".join(lines), 1, len(lines))], np.ones((1, 2), np.float32))

    one = ["0", "1"] * 1500
    assert "line for line" in str(compare(side("a", one), side("b", one))[0])
    assert compare(side("a", one), side("b", ["1", "0", "0"] * 1000))  # cubic, this would stall the test run
