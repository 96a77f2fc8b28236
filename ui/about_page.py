"""About: whether everything is in order, the version, where the data lie, and the licences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from agent.about import MODELS, facts_about, licences
from agent.checks import Check
from ui.app_desk import get_desk
from ui.labels import label_of
from ui.tables import table_html

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.config import Settings

_CHECKED = "about-checked"


def page() -> None:
    """Draw the page."""
    settings = get_desk().settings
    st.title("About")
    st.write(
        "Ratchet answers from your own documents, on your own machine, with citations, and gets better where you ask "
        "it to. Nothing is sent anywhere unless you choose a model or a tool that does."
    )
    st.header("Is everything in order?")
    _doctor(settings)
    st.header("This installation")
    st.html(table_html("This installation", ("What", "Which"), list(facts_about(settings).items())))
    st.header("Licences")
    st.write("Ratchet is free software under the Apache License 2.0. So are the models that come with it:")
    st.html(table_html("Licences of the models", ("Model", "Licence", "What it does"), MODELS))
    with st.expander("Packages it is built on"):
        st.html(table_html("Licences of the packages", ("Package", "Version", "Licence"), licences()))


def _doctor(settings: Settings) -> None:
    """The checks of `ratchet doctor`, when asked for: they load the model."""
    if st.button("Check everything", icon=":material/health_and_safety:", key="about-check"):
        st.session_state[_CHECKED] = _run(settings)
    done: list[Check] | None = st.session_state.get(_CHECKED)
    if done is None:
        st.caption(
            "Looks at the packages, the disk, the database, the conversations, the index, the embedder and the model, "
            "and says what to do where something is wrong. It changes nothing and takes a few seconds."
        )
        return
    wrong = sum(not check.ok for check in done)
    if wrong:
        st.warning("One thing needs your attention." if wrong == 1 else f"{wrong} things need your attention.")
    else:
        st.success("Everything is in order.", icon=":material/check_circle:")
    _table(done)


def _run(settings: Settings) -> list[Check]:
    """All checks, each shown as soon as it is done."""
    from agent.checks import CHECKS, run_checks

    done: list[Check] = []
    with st.status("Checking", expanded=True) as status:
        for check in run_checks(settings):
            done.append(check)
            status.update(label=f"Checking: {len(done)} of {len(CHECKS)}")
            st.write(f"{'✓' if check.ok else '✗'} {label_of(check.name)}")
        status.update(label="Checked", state="complete", expanded=False)
    return done


def _table(done: Iterable[Check]) -> None:
    rows = [(check.name, "✓ in order" if check.ok else "✗ wrong", check.detail, check.fix) for check in done]
    st.html(table_html("Checks", ("Check", "Outcome", "What was found", "What to do"), rows))
