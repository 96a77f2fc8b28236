"""Citations come from the evidence: found where it is, refused where it is not, whatever the model wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.grounding import CitationStream, Evidence, cite, content_words, spans_of
from agent.schema import Cited, Token
from knowledge.schema import Passage

INSTALL = Passage(
    "p1",
    "/docs/install.md",
    "# Install\nRun `make chat` to install everything.\nIt needs Python 3.11 and make. No key is needed.",
    10,
    12,
    heading="Install",
)
DATA = Passage("p2", "/docs/data.md", "Data lives in ~/.local/share/ratchet. Set RATCHET_HOME to move it.", 3, 3)


def play(answer: str, *, size: int = 5, strict: bool = False) -> tuple[str, CitationStream, list[Cited]]:
    stream = CitationStream([INSTALL, DATA], strict=strict)
    events = [e for i in range(0, len(answer), size) for e in stream.feed(answer[i : i + size])]
    events += stream.finish()
    shown = "".join(event.text for event in events if isinstance(event, Token))
    assert shown == stream.text
    return shown, stream, [event for event in events if isinstance(event, Cited)]


def test_supported_sentences_get_the_number_of_their_passage() -> None:
    shown, stream, cited = play("It needs Python 3.11 and make. The moon is made of green cheese.")
    assert shown == "It needs Python 3.11 and make. [1] The moon is made of green cheese."
    assert [event.citation.locator for event in cited] == ["line 12"]
    assert (stream.sentences, stream.supported) == (2, 1)


def test_a_citation_is_verbatim_and_names_its_lines() -> None:
    _, stream, _ = play("Run make chat to install everything.")
    (citation,) = stream.citations
    lines = INSTALL.text.split("\n")
    assert citation.text in lines[citation.start_line - INSTALL.start_line]
    assert citation.start_line == 11


def test_markers_of_the_model_are_hints_not_facts() -> None:
    shown, stream, _ = play("Bananas are rich in potassium [1]. Set RATCHET_HOME to move the data [1].")
    assert shown == "Bananas are rich in potassium. Set RATCHET_HOME to move the data. [1]"
    assert [citation.passage_id for citation in stream.citations] == ["p2"]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_marker_right_after_the_full_stop_ends_the_sentence(size: int) -> None:
    shown, stream, _ = play("The moon is made of cheese.[1] It needs Python 3.11 and make.[1] Bye.", size=size)
    assert shown == "The moon is made of cheese. It needs Python 3.11 and make. [1] Bye."
    assert (stream.sentences, stream.supported) == (2, 1)


def test_a_wrong_number_is_never_supported() -> None:
    assert Evidence([INSTALL]).support("It needs Python 3.12 and make.") is None
    assert Evidence([INSTALL]).support("It needs Python 3.11 and make.") is not None


def test_links_and_code_are_left_alone() -> None:
    text = "See [the guide](install.md) and x[0].\n```\na[1] = b[2]. c\n```\n"
    shown, _, _ = play(text)
    assert shown.strip() == text.strip().replace("a[1]", "a").replace("b[2]", "b") or "[the guide](install.md)" in shown


def test_strict_mode_withholds_what_is_not_supported() -> None:
    shown, stream, _ = play("The moon is made of cheese. It needs Python 3.11 and make.", strict=True)
    assert "moon" not in shown
    assert shown.strip() == "It needs Python 3.11 and make. [1]"
    assert stream.withheld == 1


def test_repeated_support_keeps_one_number_and_widens_the_span() -> None:
    _, stream, cited = play("Run make chat to install everything. It needs Python 3.11 and make.")
    assert [event.citation.number for event in cited] == [1, 1]
    (citation,) = stream.citations
    assert (citation.start_line, citation.end_line) == (11, 12)
    assert citation.text.startswith("Run `make chat`")


@given(st.text(max_size=300), st.integers(1, 40))
def test_any_text_in_any_pieces_loses_no_words(answer: str, size: int) -> None:
    shown, stream, _ = play(answer, size=size)
    without_markers = content_words(shown.replace("[1]", "").replace("[2]", ""))
    assert without_markers <= content_words(answer) | {""}
    assert stream.supported <= stream.sentences


@given(st.text(max_size=400))
def test_spans_lie_inside_their_text_and_cite_verbatim(text: str) -> None:
    passage = Passage("x", "/x", text, 5, 5 + text.count("\n"))
    for span in spans_of(text):
        citation = cite(passage, span.start, span.end, 1)
        assert citation.text == text[span.start : span.end]
        assert passage.start_line <= citation.start_line <= citation.end_line <= passage.end_line


def test_an_invented_command_is_never_supported() -> None:
    evidence = Evidence([INSTALL])
    assert evidence.support("Run `make chat` to install everything.") is not None
    assert evidence.support("Run `make install chat` to install everything.") is None
