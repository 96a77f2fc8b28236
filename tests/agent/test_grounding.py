"""Citations come from the evidence: found where it is, refused where it is not, whatever the model wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.grounding import CitationStream, Evidence, cite
from agent.schema import Cited, Token, Verdict
from knowledge.claims import content_words
from knowledge.schema import Passage
from knowledge.spans import spans_of

INSTALL = Passage(
    "p1",
    "/docs/install.md",
    "# Install\nRun `make chat` to install everything.\nIt needs Python 3.11 and make. No key is needed.",
    10,
    12,
    heading="Install",
)
DATA = Passage("p2", "/docs/data.md", "Data lives in ~/.local/share/ratchet. Set RATCHET_HOME to move it.", 3, 3)


CURIE = Passage(
    "p3",
    "/docs/curie.md",
    "Marie Curie discovered polonium in 1898 with her husband Pierre. She won the Nobel Prize in Physics in 1903. "
    "Lord Rutherford later defended her work against Walter Kaufmann.",
    1,
    1,
)
RULES = Passage(
    "p4",
    "/docs/rules.md",
    "The bridge opened before the war. The server does not store passwords. Members may ask for a refund within 30 "
    "days. All trains stop at the harbour. If the conversion fails, the client receives an HTTP error 422.",
    1,
    1,
)
EVERYTHING = [INSTALL, DATA, CURIE, RULES]


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


TRUE = [
    "It needs Python 3.11 and make.",
    "You need Python 3.11 and make.",
    "Polonium was discovered by Marie Curie in 1898.",
    "Marie Curie discovered polonium with her husband Pierre.",
    "Rutherford defended her work against Walter Kaufmann.",
    "Passwords are not stored by the server.",
    "Members may ask for a refund within thirty days.",
    "When the conversion fails, the client gets an HTTP error 422.",
    "The bridge opened before the war.",
]
FALSE = [
    ("It needs Python 3.12 and make.", "number not found: 3.12"),
    ("Marie Curie discovered polonium in 1899.", "number not found: 1899"),
    ("Members may ask for a refund within sixty days.", "not found"),
    ("Albert Einstein discovered polonium in 1898.", "not found: Albert, Einstein"),
    ("Marie Curie did not discover polonium in 1898.", "“not”"),
    ("The server stores passwords.", "“not”"),
    ("A key is needed.", "“not”"),
    ("The bridge opened after the war.", "the opposite of “after”"),
    ("Walter Kaufmann later defended her work against Lord Rutherford.", "not in this connection"),
    ("The client receives an HTTP error 404 if the conversion fails.", "number not found: 404"),
    ("The moon is made of green cheese.", "none of its words"),
]


@pytest.mark.parametrize("sentence", TRUE)
def test_what_the_passages_say_in_other_words_is_supported(sentence: str) -> None:
    judgement = Evidence(EVERYTHING).judge(sentence)
    assert judgement is not None and judgement.nearest is not None
    assert (judgement.grade, judgement.reason) == ("supported", "")
    index, span = judgement.nearest
    assert content_words(sentence) & content_words(EVERYTHING[index].text[span.start : span.end])


@pytest.mark.parametrize(("sentence", "reason"), FALSE)
def test_a_change_of_one_word_flips_the_verdict(sentence: str, reason: str) -> None:
    judgement = Evidence(EVERYTHING).judge(sentence)
    assert judgement is not None
    assert judgement.grade != "supported"
    assert reason in judgement.reason


def test_what_cannot_be_checked_gets_no_verdict() -> None:
    assert Evidence([INSTALL]).judge("Yes.") is None
    assert Evidence([]).judge("The bridge opened before the war.") is None
    _, stream, _ = play("```\nThe moon is made of green cheese.\n```\nIndeed.")
    assert stream.verdicts == []


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("strict", [False, True])
def test_every_verdict_names_its_sentence_in_the_answer(size: int, strict: bool) -> None:
    answer = (
        "Here is what I found.\n\nIt needs Python 3.11 and make [1]. The moon is made of cheese!\nSet RATCHET_HOME."
    )
    shown, stream, _ = play(answer, size=size, strict=strict)
    graded = [(shown[verdict.start : verdict.end], verdict.grade, verdict.citation) for verdict in stream.verdicts]
    assert ("It needs Python 3.11 and make.", "supported", 1) in graded
    assert (("The moon is made of cheese!", "not", None) in graded) is not strict
    assert all(
        shown[verdict.end :].startswith(f" [{verdict.citation}]") for verdict in stream.verdicts if verdict.citation
    )


def test_a_verdict_follows_the_sentence_and_its_number() -> None:
    stream = CitationStream([INSTALL])
    events = [*stream.feed("It needs Python 3.11 and make. The moon is made of cheese. "), *stream.finish()]
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("Verdict") == 2
    first = kinds.index("Verdict")
    assert kinds[first - 2 : first] == ["Token", "Cited"]
    verdicts = [event for event in events if isinstance(event, Verdict)]
    assert [verdict.grade for verdict in verdicts] == ["supported", "not"]
    assert verdicts[1].reason


def test_a_stream_goes_on_with_the_verdicts_of_the_one_before() -> None:
    first = CitationStream([INSTALL])
    list(first.feed("It needs Python 3.11 and make. "))
    list(first.finish())
    second = CitationStream([INSTALL], text=first.text, marked=first.marked, verdicts=first.verdicts)
    list(second.feed("The moon is made of green cheese."))
    list(second.finish())
    said = [second.text[verdict.start : verdict.end] for verdict in second.verdicts]
    assert said == ["It needs Python 3.11 and make.", "The moon is made of green cheese."]


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_sentence_against_any_passage_gives_a_span_of_it(sentence: str, text: str) -> None:
    judgement = Evidence([Passage("x", "/x", text, 1, 9)]).judge(sentence)
    if judgement is not None:
        assert 0 <= judgement.support <= 1
        assert (judgement.reason == "") == (judgement.grade == "supported")
        if judgement.nearest is not None:
            index, span = judgement.nearest
            assert index == 0 and 0 <= span.start < span.end <= len(text)


def test_a_row_of_a_table_supports_nothing_about_another_row() -> None:
    evidence = Evidence([Passage("1", "/prices.csv", "Heron 3 | 199 | 12\nIbis 1 | 89 | 40", 2, 3, unit="row")])
    assert evidence.support("The price of the Ibis 1 is 199.") is None
    found = evidence.support("The Ibis 1: 89, and 40 of them.")
    assert found is not None
    assert evidence.passages[0].text[found[1].start : found[1].end] == "Ibis 1 | 89 | 40"


MEASURED = Passage(
    "p5",
    "/docs/freezer.md",
    "The freezer keeps -18 degrees at night. The fee is $5 per user. The warranty of the freezer lasts 24 months. The "
    "battery lasts at least 8 hours. The package needs Python >=3.8 to run. The tank holds 1,8 litres of water. The "
    "job runs at 14:30 every day. The heater is turned on by the switch.",
    1,
    1,
)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("The warranty of the freezer lasts 24 days.", "not as “24 days”"),
        ("The freezer keeps 18 degrees at night.", "not as “18”"),
        ("The fee is €5 per user.", "not as “€5”"),
        ("The fee is 5 % per user.", "not as “5 %”"),
        ("The battery lasts up to 8 hours.", "not as “up to 8 hours”"),
        ("The package needs Python <3.8 to run.", "not as “<3.8”"),
        ("The tank holds 8 litres of water.", "number not found: 8"),
        ("The job runs at 14 every day.", "number not found: 14"),
    ],
)
def test_a_number_with_another_sign_unit_or_limit_is_never_supported(sentence: str, reason: str) -> None:
    judgement = Evidence([MEASURED]).judge(sentence)
    assert judgement is not None
    assert judgement.grade != "supported"
    assert reason in judgement.reason


@pytest.mark.parametrize(
    "sentence",
    [
        "The warranty of the freezer lasts 24 months.",
        "The freezer has a 24-month warranty.",
        "The freezer keeps −18 degrees at night.",
        "The fee is 5 dollars per user.",
        "The battery lasts 8 hours or more.",
        "The package needs Python 3.8 or newer to run.",
        "The tank holds 1.8 litres of water.",
        "The job runs at 14:30 every day.",
    ],
)
def test_the_same_amount_written_otherwise_stays_supported(sentence: str) -> None:
    judgement = Evidence([MEASURED]).judge(sentence)
    assert judgement is not None and judgement.grade == "supported", judgement
