"""The requests in a message that holds several, so that a small model can be asked about one at a time.

Told "Check the bias of CNN. Then get the index of Beijing, and find a wine for pizza.", a model of 135M calls the first
tool and the last and forgets what is between; told one of the three, it does well. Requests are told apart by how
English begins them: by a verb, by a word of asking, by "then", "also", "finally". What states something belongs to the
request beside it. Where it is not certain that a part can be understood alone, nothing is divided.
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
    r"\W*(?:and|then|also|plus|next|finally|last(?:ly)?|additionally|furthermore|moreover|besides|in addition|"
    r"after(?:wards?)?)\b(?! (?:time|minute|hour|day|night|week|month|year|one)s?\b)",
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
_HELP = rf"{_CAN_YOU} (?:please )?(?:help|assist)(?: (?:me|us))?(?= (?:with|on|in|regarding)\b|[.?!]|$)"
_OPENING = re.compile(
    rf"\W*(?:please )?(?:{_HELP}|(?:(?:i|we) (?:need|want|require)|{_WOULD} (?:like|appreciate))(?: your| some)* "
    r"(?:help|assistance)|(?:help|assist) (?:me|us) (?:with|on|in)|(?:i|we) have (?:a few|some|several|two|three)"
    r"(?: [\w-]+)? (?:tasks|things|requests|questions|errands))\b[^.?!\d\"'\u201c]*[.?!:]?",
    re.IGNORECASE,
)
# So does "I need to gather information for a project.", where "First, ..." follows.
_ANNOUNCING = re.compile(
    rf"\W*(?:please )?(?:{_HELP}|{_WOULD} (?:like|appreciate)|(?:i|we) (?:need|want|require|have)|help|assist)\b"
    r"[^.?!\d\"'\u201c]*[.?!:]?",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=\w )(?!I\b)[A-Z]")  # what it is about, rather than how much is to come
_FIRST = re.compile(r"\W*(?:first(?:ly)?|to (?:begin|start)|(?:let['\u2019]s )?(?:begin|start))\b", re.IGNORECASE)
# "Please do the following:" leads up to a list of requests; "Add these to my list:" is one.
_LEADING_UP = re.compile(
    r"\W*(?:(?:please|kindly|can you|could you|i (?:need|want) you to|help me to)\s+)*"
    r"(?:(?:do|handle|complete|perform|take care of|i (?:need|want)) )?(?:all )?"
    r"(?:the following|these|this|my|here (?:is|are)|a few|some|several|two|three|four|five)"
    r"(?: (?:a few|some|several|two|three|four|five|the))?(?: [\w-]+)?"
    r"(?: (?:tasks?|things?|items?|requests?|errands?|steps?|actions?|questions?|jobs?|to-?dos?|lists?|chores?))?"
    r"(?:,? (?:for me|please|today|now))?\s*:\s*",
    re.IGNORECASE,
)
# "That's great, thanks!", "Can you help me with that?"
_PRAISE = "great|good|nice|fine|perfect|right|all|it|cool|interesting|helpful|amazing|awesome|wonderful"
_TALK = re.compile(
    rf"\W*(?:(?:and )?(?:(?:oh|well|ok(?:ay)?|wow|{_PRAISE}|that(?:{_APOSTROPHE}s| is| was) (?:so |very )?(?:{_PRAISE})"
    r"(?: to (?:know|hear))?|thanks?(?: a lot| you| so much| very much)?|for your help|thx|cheers|much appreciated|hi|"
    r"hello|hey(?: there)?|have a (?:nice|good|great|lovely) (?:day|evening|night|one|weekend)|no need to explain|"
    rf"i owe you one)\b\W*)+|{_CAN_YOU} (?:please )?(?:help|assist|do)(?: (?:me|us))?(?: out)?"
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
    train transfer translate trim tune turn unblock unfollow unlock unmute unpack unzip update upgrade upload
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
    r"(?:\W*\b\w+\b){0,5}?\W*\b(?:it|its|them|their|they|there|the same|he|she|his|her|him|those|"
    r"the (?:result|total|sum|product|output|outcome|previous)|(?:divide|multiply) by)\b",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"(?:[,;]?\s{1,9}(?P<by>(?:(?:and|then|plus)\s{1,9})+)(?:(?:also|finally|lastly|please)\s{1,9})*|,\s{1,9})"
    r"(?=(?P<word>\w+)\s+(?P<following>\w+))",
    re.IGNORECASE,
)
# What more is wanted of a request: "Sort by price.", "Pay with a card.", "Return on Friday.", "Place: Cafe Central."
_REFINING = re.compile(
    r"(?:sort|filter|order|rank|group|return|pay|deliver|save|limit|round|split)\s+"
    r"(?:(?:it|the (?:results?|list|output)) )?(?:by|with|on|to|in|at|as|for)\b|set \w+ to \d"
    r"|check (?:in|out)\b[^.]*\bis\b"
    r"|(?:place|group|order|format|message|text|email|plan|test|report|record)\s*(?::|is\b)",
    re.IGNORECASE,
)
# Where one of these stands, what follows an "and" may hang on it: "Show me how to install it and run a script."
_HANGING = re.compile(
    rf"\b(?:not|never|if|unless|when|while|until|how|that|who|whom|whose|where|which|why|because|so|"
    rf"\w+n{_APOSTROPHE}t)\b",
    re.IGNORECASE,
)
_PURPOSE = re.compile(r"\bto (?P<verb>\w+)", re.IGNORECASE)
# What is told to others, or kept, is text and no request: "Remind me: buy milk. Then call Ann."
_RECITING = re.compile(
    r"\b(?:remind|translate|text|write|say|send|e-?mail|tell|note|post|message|summari[sz]e|add|append|reply|respond|type"
    r"|dictate|caption|jot|reads?|translation|saying|following text)\b[^.?!\n]{0,80}:(?:\s|$)"
    r"(?!\s*[\"'\u201c\u2018\u00ab])"
    r"|\b(?:saying|that says|which says|telling (?:him|her|them|everyone))\s(?!\s*[\"'\u201c\u2018\u00ab])",
    re.IGNORECASE,
)
# After a comma alone a verb may be a noun: "the hotel, book included", but hardly "the lights, play some jazz".
_OF_VERBS = frozenset("the a an my me our us some all this that on off up".split())
_AGAIN = re.compile(r"\b(?:another|again|once more|one more|a second)\b", re.IGNORECASE)
# "And in Rome?" cannot be understood alone.
_LEANING = frozenset("about at by for from in of on to until with".split())
_ITEM = re.compile(r"\s*(?:[-*\u2022]|\(?\d{1,2}[.)])\s+")
_QUOTED = re.compile(
    r"\"[^\"]{0,400}\"|\u201c[^\u201d]{0,400}\u201d|\u00ab[^\u00bb]{0,400}\u00bb|(?<!\w)['\u2018][^\n]{0,400}?['\u2019](?!\w)"
)
_SHORTENED = re.compile(
    r"\b(?:(?:inc|ltd|co|dr|mr|mrs|ms|st|no|vs|etc|e\.g|i\.e|approx|[ap]\.m|u\.s|jan|feb|mar|apr|jun|jul|aug|sept?|oct|"
    r"nov|dec)\.(?=\s+\S)|(?-i:[A-Z])\.(?=\s))|^\s*\d{1,2}\.(?=\s)",
    re.IGNORECASE | re.MULTILINE,
)
_ENDS = re.compile(r"(?<=[.?!;])\s+|\n+")
_TOLD = re.compile(r":(?:\s|$)")
_FEW = 3  # words; fewer are no request of their own
_LONG = 2_000  # characters; a longer message holds a text rather than requests
MOST_REQUESTS = 8


@dataclass(slots=True)
class _Clause:
    text: str
    asks: bool
    wishes: bool
    added: bool


def requests_in(text: str) -> list[str]:
    """The requests that a message holds, in order, each with what is said about it; one where it cannot be divided.

    No word is lost but of greetings and thanks, and of what only announces requests. More than `MOST_REQUESTS` are one.
    """
    found: list[str] = []
    before: list[_Clause] = []  # what is stated, of a request to come
    latest: _Clause | None = None
    for clause in _clauses(text) if len(text) <= _LONG and _items_ask(text) else ():
        if found and _RECITING.search(found[-1]):
            found[-1] += f" {clause.text}"
            continue
        if clause.added and before:
            found.append(_joined(before))
            before = []
        if not clause.asks and (before or clause.added or not found):
            before.append(clause)
        elif latest and not before and found and not _is_new(clause, latest, found[-1]):
            found[-1] += f" {clause.text}"
        else:
            found.append(_joined([*before, clause]))
            before = []
        latest = clause
    if before:
        found.append(_joined(before))
    found = _opened(found)
    return found if 1 < len(found) <= MOST_REQUESTS else [text]


def marks_more(request: str) -> bool:
    """Whether a request says that it is one more: "Then list the files"."""
    return bool(_LATER.match(request) or _ADDED.match(request))


def asks_again(request: str) -> bool:
    """Whether a request wants what may have been asked for before: "Then roll another die"."""
    return _AGAIN.search(request) is not None


def _opened(requests: list[str]) -> list[str]:
    """Without what only announces the requests; what may be more than that goes with the first of them."""
    if len(requests) < 2:  # noqa: PLR2004 - there is nothing to announce
        return requests
    opening, first, *rest = requests
    announces = _ANNOUNCING.fullmatch(opening) and _FIRST.match(first)
    if _LEADING_UP.fullmatch(opening) or (announces and not _NAME.search(opening)):
        return [first, *rest]
    if announces or (_OPENING.fullmatch(opening) and not _LATER.match(first)):
        return [f"{opening} {first}", *rest]
    return requests


def _is_new(clause: _Clause, latest: _Clause, request: str) -> bool:
    """Whether a clause asks for something else than the one before it and the request so far.

    "I want some music. Can you play jazz?", "Show me the list. Sort it by price." and "Remind me: buy milk. Call Ann."
    ask for one thing.
    """
    bare = _bare(clause.text)
    if _REFERRING.match(bare) or re.match(r"or\b", bare, re.IGNORECASE):
        return False
    if clause.added:
        return not clause.text.endswith("?") or _first_word(clause.text) not in _LEANING
    brief = bare.endswith("?") and len(bare.split()) < _FEW
    if brief or not clause.asks or _REFINING.match(bare):
        return False
    return not (clause.wishes or latest.wishes or _TOLD.search(_bare(request)))


def _joined(clauses: list[_Clause]) -> str:
    return " ".join(clause.text for clause in clauses)


def _items_ask(text: str) -> bool:
    """Whether points of a list ask for something and what leads up to them does not; so, too, if there is no list."""
    lines = text.splitlines()
    points = [line[item.end() :] for line in lines if (item := _ITEM.match(line))]
    if not points:
        return True
    lead = "\n".join(lines[: next(at for at, line in enumerate(lines) if _ITEM.match(line))])
    quiet = not lead.strip() or _LEADING_UP.fullmatch(lead) or _ANNOUNCING.fullmatch(lead) or _TALK.fullmatch(lead)
    return bool(quiet) and any(map(_asks, points))


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
    shared = _SETTING.match(hidden)  # "For my trip to Rome, book a hotel and check the weather."
    for match in () if shared else _JOINED.finditer(hidden):
        first, rest = sentence[start : match.start()], hidden[match.end() :]
        told = min(len(_bare(first).split()), len(rest.split())) >= _FEW
        if told and _is_order(first, match["word"]) and _begins(match, rest):
            yield _clause(first, added)
            start, added = match.end(), True
    yield _clause(sentence[start:], added)


def _is_order(text: str, word: str) -> bool:
    """Whether a part of a sentence asks for something by itself, so that what follows an "and" does not hang on it."""
    if not _asks(text) or _RECITING.search(text):
        return False
    bare = _bare(text)
    if wish := _WISH.match(bare):
        bare = re.sub(r"^\s*(?:in\s+|to\s+)?\w+", "", bare[wish.end() :])
    elif _first_word(bare) in _ASKING:
        return word.lower() in _WONDERING  # "Where is Rome and who founded it?"
    purposes = (match["verb"].lower() for match in _PURPOSE.finditer(bare))
    return not _HANGING.search(bare) and _VERBS.isdisjoint(purposes)


def _begins(joined: re.Match[str], rest: str) -> bool:
    """Whether what follows an "and" or a comma is a request."""
    word, following, by = joined["word"].lower(), joined["following"].lower(), (joined["by"] or "").lower()
    if _REFERRING.match(rest) or _REFINING.match(rest):
        return False
    if not by:
        return word in _VERBS and following in _OF_VERBS
    if word in _VERBS:
        return following not in ("and", "or", "of", "is")
    if "then" in by and joined["word"].islower() and word not in _STATING:
        return True
    asks = _WISH.match(rest) or re.match(_CAN_YOU, rest, re.IGNORECASE)
    return bool(asks) or (word in _WONDERING and rest.rstrip().endswith("?"))


def _clause(text: str, added: bool) -> _Clause:
    if item := _ITEM.match(text):
        text, added = text[item.end() :], True
    asks = _asks(text)
    added = added or bool(_ADDED.match(text) if asks else _LATER.match(text)) or bool(_ALSO.match(text))
    return _Clause(text.strip().rstrip(","), asks, bool(_WISH.match(_bare(text))), added)


def _asks(text: str) -> bool:
    bare, first = _bare(text), _first_word(text)
    if re.search(r"\w", bare) is None:
        return False
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
