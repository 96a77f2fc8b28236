"""The votes, the scores and the answers of a match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.app_desk import attempt, show_outcome
from ui.charts import contest_plot
from ui.charts import draw as draw_plot
from ui.escape import escaped
from ui.markdown import to_html
from ui.matches import score
from ui.page_controls import page_of
from ui.tables import labelled_html, table_html

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.arena import Arena
    from ui.matches import Duel, Match, Reply, Vote

    Figure = Callable[[Reply], float | None]

PER_PAGE = 5
_TROUBLE = "arena-trouble"


def draw(arena: Arena, match: Match) -> None:
    """The next vote of a blind match, or its results."""
    show_outcome(_TROUBLE)
    waiting = [number for number, duel in enumerate(match.duels) if duel.votable and not duel.vote]
    shown = f"arena-shown-{match.match_id}"
    if match.blind and not st.session_state.get(shown) and (waiting or not match.decided):
        if waiting:
            _ballot(arena, match, waiting[0], len(waiting))
        else:
            st.write(
                "The answers appear here as they come." if arena.running(match.match_id) else "Nothing to vote on."
            )
        if match.answered:
            st.button("Show who is who now", on_click=lambda: st.session_state.update({shown: True}))
        return
    if not match.answered:
        st.write("The answers appear here as they come.")
        return
    _scores(match)
    _answers(arena, match)


def _ballot(arena: Arena, match: Match, number: int, left: int) -> None:
    duel = match.duels[number]
    st.header(f"Which answer is better? {left} to go")
    st.html(f'<div class="r"><strong dir="auto">{escaped(duel.question)}</strong></div>')
    for letter, column, place in zip("AB", st.columns(2), duel.shown, strict=True):
        with column, st.container(border=True):
            st.markdown(f"**Answer {letter}**")
            st.html(to_html(duel.replies[place].text or "(nothing)"))
    one, other = duel.shown
    choices: list[tuple[str, Vote]] = [("A is better", _place(one)), ("B is better", _place(other))]
    with st.container(horizontal=True):
        for label, vote in [*choices, ("Neither", "neither")]:
            key = f"vote-{match.match_id}-{number}-{label}"
            st.button(label, key=key, on_click=_vote, args=(arena, match.match_id, number, vote))


def _place(contestant: int) -> Vote:
    return "0" if contestant == 0 else "1"


def _vote(arena: Arena, match_id: str, number: int, vote: Vote) -> None:
    attempt(_TROUBLE, lambda: arena.vote(match_id, number, vote))


def _scores(match: Match) -> None:
    st.header("Results")
    prices = _prices(match)
    rows = []
    for place, contestant in enumerate(match.contestants):
        one = score(match, place, prices[place])
        grounded = "–" if one.grounded is None else f"{100 * one.grounded:.0f} %"
        seconds = "–" if one.seconds is None else f"{one.seconds:.1f}"
        tokens = "–" if one.tokens is None else f"{one.tokens:.0f}"
        cost = f"{one.cost:.4f}" if any(prices[place]) else "–"
        counts = (f"{one.votes:,}", grounded, seconds, tokens, cost, f"{one.answers:,}", f"{one.failed:,}")
        rows.append((contestant.name, *counts))
    head = ("", "Votes", "Supported", "Seconds", "Tokens", "Cost", "Answers", "Failed")
    st.html(table_html("Results of the match", head, rows))
    if match.recorded:
        st.caption("Seconds and tokens are those of the model alone: both answered the same prompt.")
    st.subheader("Supported by your documents")
    draw_plot(contest_plot(_points(match, _grounded), "percent of sentences", " %"))
    st.subheader("Seconds")
    draw_plot(contest_plot(_points(match, lambda reply: reply.seconds), "seconds", " s"))


def _prices(match: Match) -> list[tuple[float, float]]:
    """What a million tokens cost, as the user says; nothing knows the prices of models by itself."""
    prices = []
    with st.expander("Prices, to see what it cost"):
        for place, contestant in enumerate(match.contestants):
            st.html(labelled_html(f"Side {place + 1}", contestant.name))
            asked, said = st.columns(2)
            key = f"price-{match.match_id}-{place}"
            before = asked.number_input(
                f"Price of a million tokens of prompts, side {place + 1}", min_value=0.0, key=f"{key}-prompt"
            )
            after = said.number_input(
                f"Price of a million tokens of answers, side {place + 1}", min_value=0.0, key=f"{key}-answer"
            )
            prices.append((float(before), float(after)))
    return prices


def _points(match: Match, figure: Figure) -> list[dict[str, object]]:
    return [
        {"question": number, "series": contestant.name, "value": figure(duel.replies[place])}
        for number, duel in enumerate(match.duels, start=1)
        if duel.votable
        for place, contestant in enumerate(match.contestants)
    ]


def _grounded(reply: Reply) -> float | None:
    return 100 * reply.supported / reply.checked if reply.checked else None


def _answers(arena: Arena, match: Match) -> None:
    st.header("Answers side by side")
    duels = [(number, duel) for number, duel in enumerate(match.duels) if len(duel.replies) == 2]
    for number, duel in page_of(duels, PER_PAGE, f"duels-{match.match_id}"):
        with st.container(border=True):
            st.html(f'<div class="r"><strong dir="auto">{number + 1}. {escaped(duel.question)}</strong></div>')
            for place, column in enumerate(st.columns(2)):
                with column:
                    _reply(match, duel, place)
            if not match.blind and duel.votable:
                _open_vote(arena, match, number)


def _reply(match: Match, duel: Duel, place: int) -> None:
    reply = duel.replies[place]
    chosen = " ✓" if duel.vote == str(place) else ""
    st.html(f'<div class="r"><strong>{escaped(match.contestants[place].name)}{chosen}</strong></div>')
    if reply.failed:
        st.html(labelled_html("No answer", reply.failed))
        return
    st.html(to_html(reply.text or "(nothing)"))
    checked = f"{reply.supported} of {reply.checked} sentences supported · " if reply.checked else ""
    st.caption(f"{checked}{reply.seconds:.1f} s · {reply.completion_tokens:,} tokens")


def _open_vote(arena: Arena, match: Match, number: int) -> None:
    votes: list[tuple[str, Vote]] = [("Left is better", "0"), ("Right is better", "1"), ("Neither", "neither")]
    with st.container(horizontal=True):
        for label, vote in votes:
            key = f"vote-{match.match_id}-{number}-{vote}"
            chosen = match.duels[number].vote == vote
            how = (arena, match.match_id, number, vote)
            st.button(label, key=key, on_click=_vote, args=how, type="primary" if chosen else "secondary")
