"""Pairs of words of which one denies what the other says."""

from __future__ import annotations

from functools import cache

from knowledge.claims import stem

_PAIRS = """
increase/decrease increase/reduce rise/fall rose/fell grow/shrink gain/lose gained/lost raise/lower raise/cut
before/after earlier/later early/late first/last begin/end start/end start/stop start/finish began/ended open/close
more/less most/least many/few higher/lower high/low larger/smaller large/small largest/smallest highest/lowest
longer/shorter long/short longest/shortest bigger/smaller big/small greater/lesser greater/smaller maximum/minimum
majority/minority better/worse best/worst strong/weak stronger/weaker fast/slow faster/slower hot/cold warm/cool
north/south northern/southern east/west eastern/western left/right above/below upper/lower inside/outside
internal/external indoor/outdoor old/new older/newer older/younger oldest/youngest ancient/modern rich/poor
accept/reject accept/refuse allow/forbid allow/prevent allow/prohibit permit/forbid support/oppose supported/opposed
agree/disagree win/lose won/lost victory/defeat succeed/fail success/failure pass/fail create/destroy build/destroy
include/exclude add/remove enable/disable install/uninstall legal/illegal lawful/unlawful possible/impossible
able/unable equal/unequal true/false right/wrong correct/incorrect safe/dangerous public/private male/female
man/woman men/women husband/wife father/mother son/daughter brother/sister king/queen boy/girl positive/negative
active/passive present/absent natural/artificial simple/complex easy/difficult easy/hard common/rare frequent/rare
required/optional mandatory/optional same/different similar/different alive/dead birth/death born/died
buy/sell bought/sold import/export attack/defend enter/leave arrive/leave arrived/left join/leave encourage/discourage
cause/prevent full/empty whole/part always/never always/sometimes all/some all/none only/also everywhere/nowhere
domestic/foreign urban/rural liberal/conservative sync/async synchronous/asynchronous mutable/immutable
known/unknown stable/unstable dependent/independent direct/indirect visible/invisible formal/informal
on/off introduce/remove insert/delete connect/disconnect lock/unlock show/hide upload/download allow/deny
accept/deny encrypt/decrypt once/twice first/second
liquid/solid heavy/light thick/thin deep/shallow wide/narrow light/dark day/night summer/winter
""".split()


@cache
def antonyms() -> dict[str, frozenset[str]]:
    """Stem → the stems that deny it; both directions."""
    table: dict[str, set[str]] = {}
    for pair in _PAIRS:
        one, other = map(stem, pair.split("/"))
        table.setdefault(one, set()).add(other)
        table.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in table.items()}
