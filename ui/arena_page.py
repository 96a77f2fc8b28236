"""The arena: two models or adapters, the same questions, answers side by side, and a blind vote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from tools.visible import visible
from ui.app_desk import errors_shown, get_desk, show_error
from ui.arena import Arena
from ui.arena_parts import results
from ui.labels import shortened
from ui.matches import Contestant, Match, new_match

if TYPE_CHECKING:
    from ui.desk import Desk

_MATCH = "arena_match"
_NEW = "a new match"


def page() -> None:
    """Draw the page."""
    desk = get_desk()
    arena = get_arena(desk)
    st.title("Arena")
    st.write(
        "Put the same questions to any two models or adapters, and see what they answer, how much of it your documents "
        "support, how long it took, and what it cost. Vote blind, and names stay hidden until you have."
    )
    matches = {match.match_id: match for match in arena.kept.matches()}
    if begun := st.session_state.pop("arena_begun", ""):
        st.session_state[_MATCH] = begun  # a widget's own state can be set only before it is drawn
    if st.session_state.get(_MATCH) not in matches:
        st.session_state[_MATCH] = next((one for one in matches if arena.running(one)), "")
    chosen = st.selectbox("Match", ["", *matches], format_func=lambda one: _name(matches.get(one)), key=_MATCH)
    with errors_shown():
        if chosen:
            _match(arena, matches[chosen])
        else:
            _form(desk, arena, first=not matches)


def get_arena(desk: Desk) -> Arena:
    """The one arena of a desk."""
    return _arena(id(desk), desk)  # the arena keeps the desk, so that no other gets this id meanwhile


@st.cache_resource(show_spinner=False, max_entries=1)
def _arena(number: int, _desk: Desk) -> Arena:
    return Arena(_desk)


def _name(match: Match | None) -> str:
    if match is None:
        return _NEW
    when = match.began[:16].replace("T", " ")
    one, other = match.contestants
    names = "blind" if match.blind and not match.decided else f"{one.name} and {other.name}"
    return shortened(visible(f"{when} · {names} · {len(match.duels)} questions"), 120)


def _form(desk: Desk, arena: Arena, *, first: bool) -> None:
    models, adapters = desk.models(), desk.adapters()
    sides = []
    for column, side in zip(st.columns(2), ("First", "Second"), strict=True):
        with column:
            sides.append(_contestant(side, models, adapters))
    suggested = desk.suggestions(4)
    text = st.text_area(
        "Questions, one a line",
        value="\n".join(" ".join(one.split()) for one in suggested),
        height=160,
        placeholder="What is the warranty of the pump?",
        key="arena-questions",
    )
    blind = st.checkbox("Vote blind", value=True, help="The answers are shown without names, in an order by chance.")
    one, other = sides
    if blind and one.model == other.model and one.model.startswith("local:"):
        st.caption(
            "Both answer the very same prompt, and your votes are kept as choices: a run on the page Improve learns "
            "from them."
        )
    if st.button("Begin", type="primary", icon=":material/play_arrow:"):
        with errors_shown():
            match = new_match((one, other), text.splitlines(), blind)
            arena.start(match)
            st.session_state["arena_begun"] = match.match_id
            st.rerun()
    if first:
        st.info(
            "Nothing has been compared yet. Choose two sides above; a handful of your own questions is a good start."
        )


def _contestant(side: str, models: list[str], adapters: list[str]) -> Contestant:
    model = st.selectbox(f"{side} model", models, format_func=visible, accept_new_options=True, key=f"arena-{side}")
    local = bool(model) and model.startswith("local:")
    names = {"": "as it is served", "none": "no adapter"}
    adapter = st.selectbox(
        f"{side} adapter",
        adapters if local else [""],
        index=min(1, len(adapters) - 1) if local and side == "Second" else 0,
        format_func=lambda one: names.get(one, one) if local else "none: not a local model",
        key=f"arena-adapter-{side}-{local}",
    )
    return Contestant(model or models[0], adapter or "")


def _match(arena: Arena, match: Match) -> None:
    if arena.running(match.match_id):
        _watch(arena, match.match_id)
        return
    trouble = arena.trouble(match.match_id)
    if trouble is not None:
        show_error(trouble)
    with st.container(horizontal=True):
        if match.answered < len(match.duels) and st.button("Go on", type="primary"):
            arena.start(match)
            st.rerun()
        with st.popover("Delete this match"):
            st.write("Its answers and votes are gone for good; choices that were recorded stay.")
            if st.button("Delete for good"):
                arena.kept.delete(match.match_id)
                st.rerun()
    results.draw(arena, match)


@st.fragment(run_every=1.0)
def _watch(arena: Arena, match_id: str) -> None:
    """A match in progress; what is answered can be voted on at once."""
    if not arena.running(match_id):
        st.rerun()
    with errors_shown():  # it draws itself anew, outside of the page
        match = arena.kept.match(match_id)
        done, count = match.answered, len(match.duels)
        st.progress(done / count, text=f"{done} of {count} questions are answered by both")
        st.button(
            "Stop",
            icon=":material/stop:",
            help="Stops at the next word; what was answered by both is kept.",
            on_click=arena.stop,
            args=(match_id,),
        )
        results.draw(arena, match)
