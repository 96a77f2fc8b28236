"""Follow-up questions → questions that can be searched for by themselves.

A question that names what it is about stays as it is. One that says "it", "that one" or "and in Python?" takes
over the words of the question before it; its own words come first. No model is needed, and nothing is made up:
every word of the result was said in the conversation or stands in a cited passage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MOST_CARRIED = 8  # words taken over; more would drown the question's own
_KEPT_CHARS = 1500
_KEPT_SOURCES = 10
FEW_WORDS = 3  # content words up to which "and …", "also" or "instead" are taken to continue the conversation
MOST_REWRITTEN_WORDS = 60  # of a model's version; a longer one is an answer, not a question

_TOKEN = re.compile(r"[^\W_][\w./:+#-]*[\w+#]|[^\W_]|/[\w./{}-]+")
_BOUNDARY = re.compile(r"[,;:.!?](?=\s)|\b(?:and|but|then|when|whenever|if|because|since|so|before|after|while|or)\b"
                       r"|\b(?:without|by)(?=\s+\w+ing\b)")  # fmt: skip
# Words that carry no topic: function words, and the verbs and nouns of asking itself.
_EMPTY = frozenset(
    """a about again all also am an and another any anything are as at be because been before being best but by
    can case could did do does done else ever every example exactly explain far for from further get gets give go
    happen happens had has have he help her here him his how i if in instead into is it its just kind know less let
    like list long make many may me mean means might mine more most much must my need needed needs no not of off on
    once one ones only or other others our out over please possible really same say says set she should show since so
    some something sort still such take tell than that the their them then there these they thing things this those
    thus to too under until up us use used using very want was way we well were what when where whether which while who
    whom whose why will with without won work works would write yes yet you your""".split()
)
_GENERIC = frozenset(
    "advantage advantages alternative alternatives caveat caveats code cost default defaults difference differences "
    "disadvantage disadvantages downside downsides drawback drawbacks effect example examples limit limits name names "
    "option options order reason reasons type types value values version versions".split()
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|isn't|would|will|be|be\s+it)\s+it\s+(?:be\s+)?(?:also\s+|really\s+|still\s+|always\s+)?"
    r"(?:possible|ok|okay|safe|necessary|required|recommended|better|best|bad|good|worth|enough|true|allowed|common|"
    r"correct|wrong|easy|hard|usual|normal)\b(?!\s*[?.!]?\s*$)"
    r"|\bit\s+(?:is|'s|was)\s+(?:possible|true|said|known|recommended)\b|\b(?:does|would)\s+it\s+(?:matter|make\s+sense)\b"
    r"|\bmakes?\s+it\s+(?:possible|easy|easier)\b|\bthat\s+is\s+to\s+say\b|\b(?:so|such|now|given|provided)\s+that\b"
    r"|\b(?:this|that|these)\s+(?:morning|evening|year|week|month|time)\b|\bone\s+(?:of|by|or|and|to)\b|\bno\s+one\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:it|its|itself|they|them|their|theirs|this|these|those|he|him|his|she|her|hers)\b"
    # "that" points back only where it cannot open a clause ("a tool that converts").
    r"|(?:^|\b(?:in|for|with|without|of|to|on|at|by|from|about|than|like|is|are|was|were|do|does|did|can|could|should|"
    r"would|will|why|how|and|but|use|using|need|needs|run|set|change|do|make|enable|disable|add|remove|fix|avoid)\s+)"
    r"(?P<that>that)\b(?!\s+(?:i|we|you|is\s+why)\b)"
    r"|\bthat(?=\s*[?.!,;]|\s*$|\s+(?:one|too|also|well|with|in|for|from|by|need|needs|work|works|mean|means|way)\b)",
    re.IGNORECASE,
)
# Nouns left out: "that one", "another?", "if I add two, …".
_ONE = re.compile(
    r"\b(?:that|this|which|the(?:\s+(?!same\b)\w+)?|first|second|third|last|other|another)\s+ones?\b(?!\s+(?:[A-Z]|of\b))"
    r"|\b(?:ones?|two|three|both|several|neither|another)\b"
    r"(?=\s*[,?.!]|\s*$|\s+(?:as\s+well|too|for\s+(?:the|a|all)|of\s+(?:them|those|these))\b)",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|yes|no|right|great|thanks|thank\s+you)\b[\s,.!]*)*"
    r"(?:and|but|or|also|then|plus|so|in|for|with|without|on|at|by|from|since|until|only|just|not|"
    r"even|still|otherwise|instead|similarly|likewise)\b",
    re.IGNORECASE,
)
_ELLIPSIS = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|and|but|so|then|thanks)\b[\s,.!]*)*(?:(?:what|how)\s+about|what\s+if|what\s+else|anything\s+else|"
    r"why(?:\s+not|\s+so)?\s*[?.!]*$|how\s+(?:so|come)|how\s*[?.!]*$|since\s+when|more\b|(?:tell|show)\s+me\s+more|go\s+on|"
    r"continue|for\s+example|such\s+as|like\s+what|where\s*[?.!]*$|when\s*[?.!]*$|who\s*[?.!]*$|which\s*[?.!]*$)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(
    r"\bthe\s+(first|second|third|fourth|fifth|last|former|latter)\b"
    r"(?:\s+(?:one|option|way|point|step|example|method|item))?"
    r"(?=\s*[?.!,]|\s*$|\s+(?:do|does|work|mean|in|for|again|better)\b)",
    re.IGNORECASE,
)
_LEANING = re.compile(
    r"\b(?:instead|as\s+well|too|also|again|either|here|there|above|previous|former|latter|same|faster|slower|better|worse|"
    r"simpler|easier|safer|cheaper|shorter|the\s+others?|the\s+rest|the\s+two|all\s+of\s+(?:them|those|these))\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"`[^`]+`|\b(?:[A-Z]{2,}|[A-Z]\w*[A-Z_0-9]\w*|\w+[._/]\w+|\w*_\w+)\b")
_PLACES = ("first", "second", "third", "fourth", "fifth")
_ITEM = re.compile(r"^\s*(?:[-*]|\d+[.)])\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Focus:
    """What the last turn of a thread was about, kept as plain data in the graph's state.

    Attributes:
        query: what was searched for.
        answer: what was answered, shortened.
        sources: the files it cited, in order; without citations, the file of the best passage.
        headings: the headings above the cited passages, in the same order as cited.
        kind: of the request for whole documents; empty for any other question.
        choices: the sources offered, where it was left open which document is meant.
    """

    query: str = ""
    answer: str = ""
    sources: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    kind: str = ""
    choices: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Focus:
        """The inverse of `to_json`; an empty mapping is a thread without a past."""
        return cls(
            str(data.get("query", "")),
            str(data.get("answer", "")),
            tuple(data.get("sources", ())),
            tuple(data.get("headings", ())),
            str(data.get("kind", "")),
            tuple(data.get("choices", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def focus_after(state: Mapping[str, Any]) -> Focus:
    """What a finished turn was about, from its state; what the turn before it was, when it was about nothing."""
    request = state.get("request") or {}
    cited = state.get("citations") or state.get("passages", [])[:1] if state.get("relevant") else []
    if not state.get("query") and not request:
        return Focus.from_json(state.get("focus", {}))
    sources = dict.fromkeys([*request.get("sources", ()), *(item["source"] for item in cited)])
    return Focus(
        query=state.get("query", ""),
        answer=state.get("answer", "")[:_KEPT_CHARS],
        sources=tuple(sources)[:_KEPT_SOURCES],
        headings=tuple(item["heading"] for item in cited)[:_KEPT_SOURCES],
        kind=request.get("kind", ""),
        choices=tuple(request.get("choices", ())),
    )


def is_follow_up(question: str) -> bool:
    """Whether a question cannot be understood without the one before it.

    True for pronouns without an antecedent in the question, for elliptic questions ("and in Python?", "why?",
    "what about X?"), for short comparisons and for questions that hold nothing but generic nouns.
    """
    plain = _EXPLETIVE.sub(" ", question.strip())
    words = topic_words(plain)
    if _ELLIPSIS.match(plain) or _ORDINAL.search(plain) or _ONE.search(plain):
        return not _has_antecedent_before(plain, _ONE.search(plain)) or bool(_ELLIPSIS.match(plain))
    pronoun = _PRONOUN.search(plain)
    if pronoun is not None and not _has_antecedent_before(plain, pronoun):
        return True
    if _CONTINUES.match(plain) and len(words) <= FEW_WORDS or _LEANING.search(plain) and len(words) < FEW_WORDS:
        return True
    return not [word for word in words if word.lower() not in _GENERIC]


def _has_antecedent_before(text: str, match: re.Match[str] | None) -> bool:
    """Whether an earlier clause of the same question names something that a pronoun can stand for."""
    if match is None:
        return False
    last = max((found.start() for found in _BOUNDARY.finditer(text, 0, match.start() + 1)), default=0)
    return bool(topic_words(text[:last]))  # the clauses before the last boundary hold those before any other


def topic_words(text: str) -> list[str]:
    """The words of a text that say what it is about, as written, each once, in order."""
    kept: dict[str, str] = {}
    for word in _TOKEN.findall(text.replace("`", " ")):
        if word.lower() not in _EMPTY and (len(word) > 1 or word.isupper()):
            kept.setdefault(word.lower(), word)
    return list(kept.values())


def resolve(question: str, focus: Focus) -> str:
    """The question with what it leaves out: unchanged when it stands alone or nothing was said before.

    Args:
        question: as asked.
        focus: of the turn before.
    """
    if not focus.query or not is_follow_up(question):
        return question
    carried = _carried(question, focus)
    return f"{question.rstrip()} ({' '.join(carried)})" if carried else question


def _carried(question: str, focus: Focus) -> list[str]:
    own = {_rough(word) for word in topic_words(question)}
    words = [*topic_words(_pointed_at(question, focus)), *topic_words(focus.query)]
    if not words and focus.headings:  # otherwise the headings of what was found lead further astray than they help
        words += topic_words(focus.headings[0].split(" › ")[0])
    fresh: dict[str, str] = {}
    for word in words:
        if _rough(word) not in own:
            fresh.setdefault(_rough(word), word)
    if len(fresh) <= MOST_CARRIED:
        return list(fresh.values())
    named = {word for key, word in fresh.items() if _NAME.fullmatch(word)}
    # Names and code say most; of the rest the first words, where a question has its topic.
    chosen = [*named, *(word for word in fresh.values() if word not in named)][:MOST_CARRIED]
    return [word for word in fresh.values() if word in chosen]


def _pointed_at(question: str, focus: Focus) -> str:
    """What "the second one" means: an item of the answer's list, else a cited heading."""
    match = _ORDINAL.search(question)
    if match is None:
        return ""
    word = match.group(1).lower()
    items = [item.group(1) for item in _ITEM.finditer(focus.answer)] or list(focus.headings)
    place = {"last": len(items) - 1, "latter": len(items) - 1, "former": 0}.get(word)
    place = _PLACES.index(word) if place is None else place
    return items[place][:120] if 0 <= place < len(items) else ""


def _rough(word: str) -> str:
    """Singular and plural count as one word."""
    word = word.lower()
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def accepted(rewritten: str, question: str, focus: Focus) -> str | None:
    """A model's version of the question, if it is one: a line of the conversation's own words; else None."""
    lines = [line.strip() for line in rewritten.strip().splitlines() if line.strip()]
    if len(lines) != 1:
        return None
    text = re.sub(r"^(?:standalone|rewritten)?\s*question\s*:\s*", "", lines[0], flags=re.IGNORECASE).strip("\"'“” ")
    words = {_rough(word) for word in topic_words(text)}
    said = {_rough(word) for word in topic_words(f"{question} {focus.query} {focus.answer} {' '.join(focus.headings)}")}
    known = len(words & said)
    if not words or len(text.split()) > MOST_REWRITTEN_WORDS or 2 * known < len(words):
        return None
    return text
