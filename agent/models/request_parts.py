"""The requests in a message that holds several, so that a small model can be asked about one at a time.

Told "Check the bias of CNN. Then get the index of Beijing, and find a wine for pizza.", a model of 135M calls the first
tool and the last and forgets what is between; told one of the three, it does well. Requests are told apart by how
English begins them: by a verb, by a word of asking, by "then", "also", "finally". What states something belongs to the
request beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_APOSTROPHE = "['\u2019]"
_WOULD = rf"(?:i|we)(?:{_APOSTROPHE}d| would)"
_CAN_YOU = "(?:can|could|would|will) you"
# What leads up to a request: that it is one more, politeness, the circumstances.
_ADDED = re.compile(
    r"(?:\W*\b(?:oh|and|then|also|plus|now|next(?: up)?|first(?:ly| of all)?|second(?:ly| thing)?|third(?:ly)?|finally|"
    r"last(?:ly)?|additionally|furthermore|moreover|besides(?: that)?|moving on|in addition(?: to (?:that|this))?|"
    r"after(?:wards?| that| this)|on top of that|(?:another|one more) thing|(?:once|after) [^,.?!]{3,80}(?=,))\b"
    r"[\s,:;]*)+",
    re.IGNORECASE,
)
_POLITE = re.compile(
    rf"(?:\s*\b(?:please|kindly|hi|hello|hey(?: there)?|{_CAN_YOU}|you (?:can|could)|help me(?: to)?|"
    rf"(?:(?:i|we) (?:need|want)|{_WOULD}(?: also)? like) you to)\b[\s,!]*)+",
    re.IGNORECASE,
)
_SETTING = re.compile(r"(?:as|for|in|on|at|from|with|since|because) [^,.?!]{3,80},\s*", re.IGNORECASE)
_ALSO = re.compile(
    rf"\W*(?:please|{_CAN_YOU}(?: please)?|{_WOULD}|(?:i|we)(?:{_APOSTROPHE}(?:m|re)| am| are)?) also\b", re.IGNORECASE
)
_LATER = re.compile(
    r"\W*(?:and|then|also|plus|next|finally|last|additionally|furthermore|moreover|besides|in addition|after)",
    re.IGNORECASE,
)
_OF_POLITENESS = re.compile(r"\b(?:please|kindly|you|help me)\b", re.IGNORECASE)
_WISH = re.compile(
    rf"(?:{_WOULD}|i|we)(?: also| then| further| finally)? (?:need|want|like|wish|require)\b"
    rf"|(?:i|we)(?:{_APOSTROPHE}(?:m|re)| am| are)(?: also)? (?:interested|looking|curious|trying to find)\b"
    r"|let (?:me|us) (?:know|see|have)\b|(?:how|what) about\b",
    re.IGNORECASE,
)
# "I need your help with some tasks." says nothing yet.
_OPENING = re.compile(
    rf"\W*(?:please )?(?:{_CAN_YOU} |{_WOULD} (?:like|appreciate)|(?:i|we) (?:need|want|require)|help|assist)"
    r"[^.?!\d\"'\u201c]*\b(?:help|assist(?:ance)?|information|tasks?|requests?|projects?|things)\b"
    r"[^.?!\d\"'\u201c]*[.?!:]?",
    re.IGNORECASE,
)
# "That's great, thanks!", "Can you help me with that?"
_TALK = re.compile(
    rf"\W*(?:(?:(?:oh|well|great|ok(?:ay)?|perfect|cool|wow|interesting|that(?:{_APOSTROPHE}s| is| was) \w+"
    r"(?: to (?:know|hear))?|thanks?(?: a lot| you)?|thx|cheers|much appreciated|hi|hello|hey(?: there)?|"
    rf"no need to explain|i owe you one)\b\W*)+|{_CAN_YOU} (?:please )?(?:help|assist|do)(?: (?:me|us))?(?: out)?"
    r"(?: (?:with )?(?:that|this|it))?\b\W*(?:for (?:me|us)|please)?\W*)",
    re.IGNORECASE,
)
_WONDERING = frozenset("what which who whom whose where when why how".split())
_ASKING = _WONDERING | frozenset("is are was were do does did can could should would will has have".split())
_VERBS = frozenset(
    """activate add adjust alert analyse analyze answer append apply archive arm arrange ask assess assign bet block
    blur book brew build buy calculate call cancel change charge check choose classify clean clear close collect
    compare compile compress compute conduct confirm convert cook cool copy count create crop cut deactivate deal
    decide decode decrease decrypt define delete deliver deploy describe detect determine diagnose dial dim disable
    disarm discover display divide do download draw drive drop eject email empty enable encode encrypt enroll
    estimate evaluate examine execute explain explore export extract feed fetch figure fill filter find fix flag
    flip follow forecast format forward gather generate get give grab grade group guess hash heat hire identify
    implement import increase inform initiate insert inspect install integrate investigate invite invoice join kill
    launch list load locate lock look lower make map mark measure merge message mine monitor mount move multiply
    mute navigate notify obtain open optimize order pack paint pause pay perform pick pin ping place plan play plot
    post predict preheat prepare prepend print process provide publish purchase purify push put query queue raise
    rank rate react read reboot recognize recommend record reduce refund register remind remove rename render rent
    replace reply report repost request reserve reset resize resolve restart restore resume retrieve return review
    rewind ring roll rotate round route run save scale scan schedule score search see select sell send set share
    sharpen ship show shuffle shut sign simulate sketch skip solve sort split stake start stop store submit
    subscribe subtract suggest sum summarize swap switch sync tag take tell test text toggle trace track trade
    train transfer translate trim tune turn unblock unfollow unlock unmute unpack unzip update upgrade upload use
    validate verify view visit wake warn watch water weigh weld wipe write zip""".split()
)
# Words that begin what says more of a request rather than another.
_STATING = frozenset(
    """a an all any as at because both but by each either ensure every for from he her here his i i'm i've if in include
    including into it it's its just let's make my no not of on one only or our she so some specifically specify that the
    their there these they this those to under unless until use using we we're when while with within without you you're
    your""".split()
)
_REFERRING = re.compile(
    r"(?:\W*\b\w+\b){0,5}?\W*\b(?:it|its|them|their|they|there|the same|he|she|his|her|him)\b", re.IGNORECASE
)
_JOINED = re.compile(
    r"(?:[,;]?\s{1,9}(?P<by>(?:(?:and|then|plus)\s{1,9})+)(?:(?:also|finally|lastly|please)\s{1,9})*|,\s{1,9})"
    r"(?=(?P<word>\w+)\s+(?P<following>\w+))",
    re.IGNORECASE,
)
# After a comma alone a verb may be a noun: "the hotel, book included", but hardly "the lights, play some jazz".
_OF_VERBS = frozenset("the a an my me our us some all this that on off up".split())
# "And in Rome?" cannot be understood alone.
_LEANING = frozenset("about at by for from in of on to until with".split())
_ITEM = re.compile(r"\s*(?:[-*\u2022]|\(?\d{1,2}[.)])\s+")
_QUOTED = re.compile(r"\"[^\"\n]{0,400}\"|\u201c[^\u201d\n]{0,400}\u201d|(?<!\w)'[^\n]{0,400}?'(?!\w)")
_SHORTENED = re.compile(
    r"\b(?:(?:inc|ltd|co|dr|mr|mrs|ms|st|no|vs|etc|e\.g|i\.e|approx|[ap]\.m|u\.s|jan|feb|mar|apr|jun|jul|aug|sept?|oct|"
    r"nov|dec)\.(?=\s+\S)|(?-i:[A-Z])\.(?=\s))|^\s*\d{1,2}\.(?=\s)",
    re.IGNORECASE | re.MULTILINE,
)
_ENDS = re.compile(r"(?<=[.?!;])\s+|\n+")
_RECITING = re.compile(r":(?:\s|$)")
_FEW = 3  # words; fewer are no request of their own
_LONG = 2_000  # characters; a longer message holds a text rather than requests


@dataclass(slots=True)
class _Clause:
    text: str
    asks: bool
    wishes: bool
    added: bool


def requests_in(text: str) -> list[str]:
    """The requests that a message holds, in order, each with what is said about it; one where it cannot be divided."""
    found: list[str] = []
    before: list[_Clause] = []  # what is stated, of a request to come
    latest: _Clause | None = None
    for clause in _clauses(text) if len(text) <= _LONG else ():
        if clause.added and before:
            _attach(found, before)
            before = []
        if not clause.asks and (before or clause.added or not found):
            before.append(clause)
        elif latest and not before and found and not _is_new(clause, latest, found[-1]):
            found[-1] += f" {clause.text}"
        else:
            found.append(" ".join([*(one.text for one in before), clause.text]))
            before = []
        latest = clause
    _attach(found, before)
    if len(found) > 1 and _OPENING.fullmatch(found[0]) and not _LATER.match(found[1]):
        del found[0]
    return found if len(found) > 1 else [text]


def _is_new(clause: _Clause, latest: _Clause, request: str) -> bool:
    """Whether a clause asks for something else than the one before it and the request so far.

    "I want some music. Can you play jazz?", "Show me the list. Sort it by price." and "Remind me: buy milk. Call Ann."
    ask for one thing.
    """
    if _REFERRING.match(_bare(clause.text)):
        return False
    if clause.added:
        return not clause.text.endswith("?") or _first_word(clause.text) not in _LEANING
    return clause.asks and not (clause.wishes or latest.wishes or _RECITING.search(_bare(request)))


def _attach(found: list[str], stated: list[_Clause]) -> None:
    """What is stated and nothing asked after it: a request in few words where it was added, else more of the last."""
    if not stated:
        return
    said = " ".join(clause.text for clause in stated)
    if found and not stated[0].added and _first_word(stated[0].text) in _STATING:
        found[-1] += f" {said}"
    else:
        found.append(said)


def _clauses(text: str) -> Iterator[_Clause]:
    hidden = _SHORTENED.sub(lambda match: match.group().replace(".", "_"), text)
    hidden = _QUOTED.sub(lambda match: "_" * len(match.group()), hidden)
    start = 0
    for match in [*_ENDS.finditer(hidden), None]:
        end = match.start() if match else len(hidden)
        if hidden[start:end].strip() and not _TALK.fullmatch(text[start:end]):
            yield from _divided(text[start:end], hidden[start:end])
        start = match.end() if match else end


def _divided(sentence: str, hidden: str) -> Iterator[_Clause]:
    """A sentence at each "and" that is followed by another request."""
    start, added = 0, False
    for match in _JOINED.finditer(hidden):
        first, rest = sentence[start : match.start()], hidden[match.end() :]
        told = min(len(_bare(first).split()), len(rest.split())) >= _FEW
        if told and _asks(first) and _begins(match, rest):
            yield _clause(first, added)
            start, added = match.end(), True
    yield _clause(sentence[start:], added)


def _begins(joined: re.Match[str], rest: str) -> bool:
    """Whether what follows an "and" or a comma is a request."""
    word, following, by = joined["word"].lower(), joined["following"].lower(), (joined["by"] or "").lower()
    if _REFERRING.match(rest):
        return False
    if not by:
        return word in _VERBS and following in _OF_VERBS
    if word in _VERBS:
        return following not in ("and", "or", "of", "is")
    then = "then" in by and word not in _STATING
    return then or bool(_WISH.match(rest)) or (word in _WONDERING and rest.rstrip().endswith("?"))


def _clause(text: str, added: bool) -> _Clause:
    if item := _ITEM.match(text):
        text, added = text[item.end() :], True
    asks = _asks(text)
    added = added or bool(_ADDED.match(text) if asks else _LATER.match(text)) or bool(_ALSO.match(text))
    return _Clause(text.strip().rstrip(","), asks, bool(_WISH.match(_bare(text))), added)


def _asks(text: str) -> bool:
    bare, first = _bare(text), _first_word(text)
    if bare.rstrip().endswith("?") or _WISH.match(bare) or first in _ASKING | _VERBS:
        return True
    return first not in _STATING and bool(_OF_POLITENESS.search(text[: len(text) - len(bare)]))


def _first_word(text: str) -> str:
    match = re.match(r"\W*([\w'\u2019]+)", _bare(text))
    return match[1].lower().replace("\u2019", "'") if match else ""


def _bare(text: str) -> str:
    """A clause without what only leads up to it."""
    while (shorter := _cut(text)) != text:
        text = shorter
    return text


def _cut(text: str) -> str:
    for lead in (_ADDED, _POLITE, _SETTING):
        if (match := lead.match(text)) and match.end():
            return text[match.end() :].lstrip(" ,")
    return text.lstrip()
