from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from knowledge.chunking import BUDGET_TOKENS, embedded_text, estimate_tokens, split
from knowledge.schema import Passage
from tests.knowledge.conftest import GUIDE


def passages(text: str, *, markdown: bool = True, budget: int = BUDGET_TOKENS) -> list[Passage]:
    markup = "markdown" if markdown else "plain"
    return list(split([Document(page_content=text, metadata={"markup": markup})], "/a.md", budget))


def test_sections_carry_their_heading_path_and_lines() -> None:
    found = [(p.heading, p.start_line, p.end_line) for p in passages(GUIDE)]
    assert found == [
        ("Garden guide", 3, 3),
        ("Garden guide › Watering", 7, 13),
        ("Garden guide › Pruning", 17, 17),
    ]


def test_what_is_embedded_includes_the_headings() -> None:
    assert embedded_text(passages(GUIDE)[2]).startswith("Garden guide › Pruning\nCut the side shoots")


def test_a_code_fence_stays_whole_and_hides_its_comments() -> None:
    code = "```python\n# not a heading\n\nx = 1\n```"
    found = passages(f"# Top\n\n{'Words before it. ' * 30}\n\n{code}\n\nAfter.\n", budget=160)
    holder = [p for p in found if "```" in p.text]
    assert len(holder) == 1
    assert code in holder[0].text
    assert {p.heading for p in found} == {"Top"}


def test_headings_without_text_are_kept_unless_a_deeper_one_follows() -> None:
    found = [(p.heading, p.text) for p in passages("# A\n\n## B\n\ntext\n\n## C\n\n# D\n")]
    assert found == [("A › B", "text"), ("A › C", "## C"), ("D", "# D")]


def test_hash_lines_of_plain_text_are_text() -> None:
    (only,) = passages("# comment\nvalue\n", markdown=False)
    assert (only.heading, only.text) == ("", "# comment\nvalue")


def test_one_long_line_is_cut_at_sentences_and_keeps_its_place() -> None:
    line = " ".join(f"Sentence number {number} stands here." for number in range(400))
    found = passages(f"start\n\n{line}\n", markdown=False)
    pieces = [p for p in found if p.start_line == 3]
    assert len(pieces) > 10
    assert all(p.end_line == 3 and p.text in line for p in pieces)
    assert all(p.text.endswith(".") for p in pieces)
    assert " ".join(p.text for p in pieces) == line


def test_ids_depend_on_source_place_and_text_only() -> None:
    document = Document(page_content=GUIDE, metadata={"markup": "markdown"})
    ids = [p.id for p in split([document], "/a.md")]
    assert ids == [p.id for p in split([document], "/a.md")]
    assert not set(ids) & {p.id for p in split([document], "/b.md")}


def test_a_line_of_repetitions_gives_one_passage_per_text() -> None:
    found = passages("a " * 50_000, markdown=False)
    assert len({p.id for p in found}) == len(found) < 5


lines = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(["", "# One", "### Three", "```", "~~~", "- item"]),
        st.sampled_from(["x" * 3000, "Done. " * 200, "漢字" * 400]),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(lines, st.booleans())
def test_text_is_verbatim_within_budget_and_nothing_is_lost(drawn: list[str], markdown: bool) -> None:
    text = "\n".join(drawn).replace("\r", " ")
    rows = text.split("\n")
    found = passages(text, markdown=markdown)
    seen: dict[int, str] = {}
    for p in found:
        span = "\n".join(rows[p.start_line - 1 : p.end_line])
        assert p.text == span or (p.start_line == p.end_line and p.text in span)
        assert estimate_tokens(embedded_text(p)) <= BUDGET_TOKENS
        for number in range(p.start_line, p.end_line + 1):
            seen[number] = seen.get(number, "") + p.text
    for number, row in enumerate(rows, start=1):
        if row.strip() and not row.strip().startswith("#"):
            assert number in seen
