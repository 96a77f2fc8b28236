"""What a person decides about an adapter: serve it, serve it all the same, go back to what was served before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui import improvement
from ui.app_desk import attempt, show_outcome

if TYPE_CHECKING:
    from agent.config import Settings

SAID = "improve_decided"  # where what came of the last decision is kept


def draw(settings: Settings, name: str) -> None:
    """The buttons for an adapter.

    Raises:
        AdapterInvalid: what is known of the adapters cannot be read.
    """
    show_outcome(SAID)
    one = next((one for one in improvement.adapters(settings) if one.name == name), None)
    if one is None:
        return
    if one.standing == "served":
        st.caption(f"{name} is served.")
        st.button(
            "Go back to what was served before",
            key=f"rollback-{name}",
            icon=":material/undo:",
            on_click=_roll_back,
            args=(settings,),
        )
        return
    if one.standing == "passed":
        st.button(
            f"Serve {name} from now on",
            type="primary",
            key=f"promote-{name}",
            on_click=_promote,
            args=(settings, name),
            help="Chats that are open take it with their next question, and you can go back at any time.",
        )
        return
    with st.expander("Serve it all the same"):
        st.write("The gate did not pass it. Say why you want it; the reason stays in the record.")
        with st.form(f"force-{name}", border=False):
            reason = st.text_input("Why", key=f"reason-{name}")
            forced = st.form_submit_button(f"Serve {name} against the verdict")
        if forced:
            if reason.strip():
                _promote(settings, name, reason.strip())
                st.rerun()
            else:
                st.warning("Say why: the reason stays in the record.")


def _promote(settings: Settings, name: str, reason: str = "") -> None:
    said = f"{name} is served from now on. You can go back at any time."
    why = reason or "approved on the page"
    attempt(SAID, lambda: improvement.promote(settings, name, force=bool(reason), reason=why), said)


def _roll_back(settings: Settings) -> None:
    attempt(
        SAID,
        lambda: improvement.roll_back(settings, "on the page"),
        lambda name: f"Served is {name or 'the model without an adapter'} again.",
    )
