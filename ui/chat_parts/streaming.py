"""An answer as it comes.

The loop runs in the script itself, as the last thing it does: every word is sent the moment it is there, and a click
anywhere ends the loop at once, since Streamlit then runs the script anew. The answer goes on meanwhile on a thread of
its own, so the new run, a reloaded page or a second tab finds it where it is.
"""

from __future__ import annotations

import html
import time
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from ui.answering import LiveAnswer

PATIENCE = 0.5  # seconds without news after which the script gives Streamlit a chance to end it


def follow(live: LiveAnswer, *, blind: bool = False) -> None:
    """Show an answer until it has ended, then draw the page anew with what became of it.

    Args:
        live: the answer.
        blind: whether it is one of those that a person chooses from, so that only its progress is shown.
    """
    from ui.render import steps_html, streaming_html

    places = st.empty(), st.empty(), st.empty()
    drawn, began = ["", "", ""], time.monotonic()
    for news in live.pictures(PATIENCE):
        steps = steps_html(live.steps) if live.steps and not blind else ""
        text = streaming_html(live.text) if live.text and not blind else ""
        status = status_html(live, time.monotonic() - began, blind=blind)
        for number, part in enumerate((steps, text, status)):
            # An opened step would close if it were drawn again, and drawing takes time. Without news the last part is
            # drawn all the same: it is where Streamlit can end the script.
            if part != drawn[number] or not (news or number < 2):
                places[number].html(part)
                drawn[number] = part
    st.rerun()


def status_html(live: LiveAnswer, seconds: float, *, blind: bool = False) -> str:
    """What is being done, in a line that screen readers are told of."""
    running = next((step.name for step in reversed(live.steps) if step.status == "running"), "")
    if live.stopping:
        said = "Stopping …"
    elif live.status == "queued":
        said = "Waiting for the model: it is loading, or others asked first …"
    elif blind and live.text:
        said = "Your question is being answered twice …"
    elif running:
        said = f"Using {running} …"
    elif live.text:
        said = "Answering …"
    elif live.status == "retrieving":
        said = "Looking into your documents …"
    else:
        said = "Thinking …"
    waited = f" {seconds:.0f} s" if seconds >= 3 and (blind or not live.text) else ""
    return f'<p class="w-status" role="status">{html.escape(said)}{waited}</p>'
