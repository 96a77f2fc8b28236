"""Which questions are about a whole document, and which document they mean: rules, made to be right when they fire.

"Summarize cors.md" cannot be answered from the five passages nearest to its words. A request is recognized only
when the whole question has its form, and taken only when it names a document beyond doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["summary", "outline", "difference", "comparison"]

# In these patterns a blank stands for any white space; "{n}" numbers the groups of a target.
_ENDINGS = (
    "md|markdown|txt|text|rst|pdf|docx?|pptx?|xlsx?|csv|tsv|html?|jsonl?|epub|eml|mbox|ipynb|py|js|ts|java|go|rs|c|cpp"
    "|h|rb|sh|toml|ya?ml|xml|zip|log|tex|org|adoc"
)
_NOUN = (
    "(?:files?|documents?|docs?|pages?|pdfs?|papers?|reports?|articles?|notes|texts?|chapters?|spreadsheets?|slides|"
    "presentations?|books?|e-?mails?|manuals?|guides?|notebooks?|read-?mes?)"
)
_OPEN, _SHUT, _IN = "[\"“`']?", "[\"”`']?", "[^\"“”`'?,;:]"
_FILE = rf"(?:(?:the {_NOUN} |(?:file|document) )?{_OPEN}(?P<file{{n}}>{_IN}*?[^\s\"“”`'?,;:]\.(?:{_ENDINGS})){_SHUT})"
_NAMED = (
    rf"(?:(?:the|my|our) {_NOUN} (?:called|named|titled|about)?\s*{_OPEN}(?P<named{{n}}>[^\"“”`'?,;]+?){_SHUT}"
    rf"|(?:the|my|our) {_OPEN}(?P<noun{{n}}>[^\"“”`'?,;]+?){_SHUT} {_NOUN}"
    r"|[\"“`](?P<quoted{n}>[^\"“”`]+)[\"”`])"
)
_THIS = rf"(?P<this{{n}}>(?:this|that|the|my) (?:(?:whole|entire|same|complete|full|last|cited) )?{_NOUN})"
_IT = r"(?P<it{n}>it)"
_BARE = r"(?:the )?(?P<bare{n}>\w[\w\s&+/().-]{0,60}?)"
_WHOLE = r"(?:(?:all of |the (?:(?:whole|entire|full|complete) )?(?:contents?|text) of ))?"
_TWO = rf"(?P<two>(?:these|those|the|both|my)(?: two)?(?: {_NOUN})?|them|they)"
_DIVISION = "(?:section|chapter|part)"
_WITHIN = (
    rf"(?:(?:the )?(?:{_DIVISION}(?: (?:called|named|titled|about|on))? {_OPEN}(?P<section{{n}}>[^\"“”`?]+?){_SHUT}"
    rf"|{_OPEN}(?P<division{{n}}>[^\"“”`?]+?){_SHUT} {_DIVISION}) (?:of|in|from) )?"
)
_LEAD = (
    r"^\W*(?:(?:please|pls|hey|hi|hello|ok(?:ay)?|now|so|and|then|could|can|would|will|you|just|kindly|quickly|"
    r"briefly|let's|i (?:want|need)(?: you)?(?: to)?|i'd like(?: you)?(?: to)?)\b[\s,]*)*"
)
_LENGTH = r"(?:a few|\w+) (?:short )?(?:sentences?|lines|words|points|bullets|paragraphs)"
_TAIL = (
    r"[\s,]*\b(?:please|for me|briefly|quickly|shortly|in (?:short|brief|detail|one paragraph|a nutshell|"
    rf"(?:your own|plain|simple) words|bullet points|{_LENGTH}))\s*$"
)
_SUM = r"(?:summar(?:y|ies)|overview|synopsis|abstract|digest|recap|gist|tl;?dr|précis|condensed version)"
_POINTS = (
    r"(?:main|key|central|most important|essential|core) "
    r"(?:points|ideas?|takeaways|messages?|topics|findings|facts)"
)
_OUTLINE = r"(?:headings?|headlines|sections?|section titles|chapters?|table of contents|toc|outline|structure)"
_GIVE = r"(?:give|write|show|make|provide|get|tell|list|name|print|create|prepare|send|produce)(?: (?:me|us))? "
_SIZE = r"(?:(?:short|brief|quick|concise|long|detailed|complete|full|one-page|general|rough|good) )*"
_ADJECTIVES = rf"(?:(?:an?|the|all(?: of)? the|all) )?{_SIZE}"
_WHAT_IS = r"what(?:'s| is| are)"
_WHAT_HAS = r"what(?:'s| is| has| have| was)?(?: been)?"

# (kind, whether a bare name will do, pattern with {} for the document)
_FORMS: tuple[tuple[Kind, bool, str], ...] = (
    ("summary", True, r"(?:summari[sz]e|sum up|recap|condense|give the gist of|tl;?dr)(?: (?:me|us))?:? {}"),
    ("summary", True, rf"(?:{_GIVE})?{_ADJECTIVES}{_SUM} (?:of|for) {{}}"),
    ("summary", False, rf"(?:{_GIVE})?{_ADJECTIVES}{_SUM} (?:about|on|over) {{}}"),
    ("summary", False, rf"{{}}(?:\s*[:,-])? (?:{_SUM}|summarized)"),
    ("summary", False, rf"{_WHAT_IS} (?:the )?(?:{_SUM}|{_POINTS}|essence) (?:of|in|from) {{}}"),
    ("summary", False, rf"(?:{_GIVE}|extract |what are )?(?:the )?{_POINTS} (?:of|in|from) {{}}"),
    ("summary", False, r"what(?:'s| is| stands?| was) (?:written )?(?:in|inside) {}"),
    ("summary", False, rf"{_WHAT_IS} {{}} (?:all )?about"),
    ("summary", False, r"what do(?:es)? {} (?:say|cover|contain|describe|discuss|explain|talk about|deal with)"),
    ("summary", False, r"(?:describe|explain|read|review|outline|go through|walk (?:me|us) through) {}"),
    ("summary", False, r"tell (?:me|us) (?:what (?:is|stands) in|about|what's in) {}"),
    ("summary", False, r"what (?:do i|can i) (?:find|learn|read) (?:in|from) {}"),
    ("outline", False, rf"(?:{_GIVE}|enumerate |what are )?{_ADJECTIVES}{_OUTLINE} (?:of|in|from) {{}}"),
    ("outline", False, rf"(?:which|what) {_OUTLINE} (?:does|do) {{}} (?:have|contain|consist of)"),
    ("outline", False, rf"(?:which|what) {_OUTLINE} (?:are|stand)(?: there)? in {{}}"),
    ("outline", False, rf"{_WHAT_IS} (?:the )?{_OUTLINE} (?:of|in) {{}}"),
    ("summary", False, rf"(?:{_GIVE}|extract |{_WHAT_IS} )?(?P<its0>its) {_POINTS}"),
    ("outline", False, rf"(?:{_GIVE}|enumerate |{_WHAT_IS} )?(?P<its0>its) {_OUTLINE}"),
    ("outline", False, r"how is {} (?:structured|organi[sz]ed|divided|laid out)"),
)
_PAIRS: tuple[tuple[Kind, str], ...] = (
    ("difference", rf"{_WHAT_HAS} (?:changed?|new|different|differs) (?:between|from) {{0}} (?:and|to) {{1}}"),
    ("difference", rf"(?:{_GIVE})?(?:{_WHAT_IS} )?(?:the |all )*(?:differences?|changes) between {{0}} and {{1}}"),
    ("difference", r"how (?:do|does|did) {0} and {1} differ"),
    ("difference", r"how (?:do|does|did) {0} differ from {1}"),
    ("difference", r"diff(?: of)? {0} (?:(?:and|with|against|to|vs\.?) )?{1}"),
    ("comparison", r"(?:compare|contrast) {0} (?:and|with|to|against|vs\.?|versus) {1}"),
    ("comparison", rf"(?:{_GIVE})?(?:a )?comparison (?:of|between) {{0}} (?:and|with) {{1}}"),
)
_BOTH: tuple[tuple[Kind, str], ...] = (
    ("difference", rf"{_WHAT_HAS} (?:changed?|new|different|the differences?) between {_TWO}"),
    ("difference", rf"diff {_TWO}|how do {_TWO.replace('two>', 'pair>')} differ"),
    ("difference", rf"(?:{_GIVE}|what are )?(?:the )?(?:differences?|changes) between {_TWO}"),
    ("comparison", rf"(?:compare|contrast) {_TWO}(?: with each other)?"),
)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)


def _target(number: int, *, bare: bool = False) -> str:
    choices = [_THIS, _IT, _FILE, _NAMED, *([_BARE] if bare else [])]
    return rf"{_WHOLE}{_WITHIN}(?:{'|'.join(choices)})".replace("{n}", str(number))


_LEADING, _TRAILING = _compiled(_LEAD), _compiled(_TAIL)
_ONE_DOCUMENT: list[tuple[Kind, re.Pattern[str]]] = [
    (kind, _compiled(form.replace("{}", _target(0, bare=bare))))
    for bare in (False, True)
    for kind, takes_bare, form in _FORMS
    if takes_bare or not bare
]
_TWO_DOCUMENTS: list[tuple[Kind, re.Pattern[str]]] = [
    (kind, _compiled(form.replace("{0}", _target(0)).replace("{1}", _target(1)))) for kind, form in _PAIRS
]
_BOTH_DOCUMENTS: list[tuple[Kind, re.Pattern[str]]] = [(kind, _compiled(form)) for kind, form in _BOTH]
_SPEAKS_OF_TWO = re.compile(rf"\btwo\b|\bboth\b|\bthe[my]\b|{_NOUN}", re.IGNORECASE)
_PRONOUN = re.compile(r"\bthe[my]\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """How a question names a document: by a name, or ("this file", name empty) by pointing.

    `sure` says that the question speaks of a file, whatever the collection holds; a bare word ("summarize
    cors") is one only when a document bears that name, and a pronoun only when the turn before was about documents.
    `section` names the part of it that is meant, where not all of it is.
    """

    name: str
    sure: bool = True
    section: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A question about whole documents; two targets for a difference or a comparison."""

    kind: Kind
    targets: tuple[Target, ...]


def recognize(question: str) -> Request | None:
    """The request that the whole question has the form of, or None."""
    if len(question) > 300 or "\n" in question.strip():
        return None
    text = _LEADING.sub("", question.strip()).rstrip(" ?.!")
    text = _TRAILING.sub("", _TRAILING.sub("", text)).rstrip(" ?.!,")
    for kind, pattern in _BOTH_DOCUMENTS:
        if (match := pattern.fullmatch(text)) and _SPEAKS_OF_TWO.search(match.group()):
            pointed = Target("", sure=not _PRONOUN.search(match.group()))
            return Request(kind, (pointed, pointed))
    for kind, pattern in _TWO_DOCUMENTS:
        if match := pattern.fullmatch(text):
            return Request(kind, (_named(match, 0), _named(match, 1)))
    for kind, pattern in _ONE_DOCUMENT:
        if match := pattern.fullmatch(text):
            return Request(kind, (_named(match, 0),))
    return None


def _named(match: re.Match[str], number: int) -> Target:
    found = {key: value for key, value in match.groupdict().items() if value and key.endswith(str(number))}
    section = (found.pop(f"section{number}", "") or found.pop(f"division{number}", "")).strip()
    key, value = next(iter(found.items()))
    if key.startswith(("this", "it")):
        return Target("", sure=key.startswith("this"), section=section)
    return Target(value.strip(), sure=key.startswith("file"), section=section)
