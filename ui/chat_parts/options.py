"""The head of a conversation: its title, and what can be set for it or taken from it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from tools.visible import visible
from ui.chat_parts import comparing, tab
from ui.labels import label_of

if TYPE_CHECKING:
    from agent.schema import Turn
    from ui.desk import Desk


def head(desk: Desk, thread_id: str, turns: Sequence[Turn], title: str) -> None:
    """Title and menu."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html(f'<h1 class="w-title">{html.escape(visible(title))}</h1>', width="stretch")
        model, adapter = desk.model_of(thread_id)
        label = label_of(model, 30) + (f" \\+ {label_of(comparing.adapter_name(adapter), 20)}" if adapter else "")
        with st.popover(label, icon=":material/tune:", help="Model, adapter, files, comparison, export"):
            _model(desk, thread_id, model, adapter)
            st.text_input(
                "Look only into (a file or folder; empty for all)",
                key=tab.scope_key(thread_id),
                placeholder="report.pdf",
                persist_state="session",
            )
            if comparing.possible(desk, thread_id):
                comparing.settings(desk, thread_id)
            if turns:
                _export(thread_id, turns)
                st.caption(usage_text(turns))


def _model(desk: Desk, thread_id: str, model: str, adapter: str) -> None:
    models = list(dict.fromkeys([model, *desk.models(patience=0)]))
    adapters = list(dict.fromkeys([adapter, *desk.adapters()]))
    # Another widget as soon as another tab has chosen: none shows what is not so.
    keys = f"model-{thread_id}-{model}-{adapter}", f"adapter-{thread_id}-{model}-{adapter}"
    st.selectbox(
        "Model",
        models,
        index=0,
        key=keys[0],
        accept_new_options=True,
        help="Pick one, or write another, such as ollama:llama3.2. It answers from the next question on.",
        on_change=_use,
        args=(desk, thread_id, *keys),
    )
    if model.startswith("local:"):
        st.selectbox(
            "Adapter",
            adapters,
            index=0,
            key=keys[1],
            format_func=comparing.adapter_name,
            on_change=_use,
            args=(desk, thread_id, *keys),
        )


def _use(desk: Desk, thread_id: str, model_key: str, adapter_key: str) -> None:
    model, adapter = (str(st.session_state.get(key) or "").strip() for key in (model_key, adapter_key))
    if model:
        tab.attempt(lambda: desk.use_model(thread_id, model, adapter if model.startswith("local:") else ""))


def _export(thread_id: str, turns: Sequence[Turn]) -> None:
    from ui.render import json_export, markdown_export

    for label, suffix, mime, write in (
        ("Export as Markdown", "md", "text/markdown", markdown_export),
        ("Export as JSON", "json", "application/json", json_export),
    ):
        st.download_button(
            label,
            data=partial(write, turns),
            file_name=f"ratchet-{thread_id[:8]}.{suffix}",
            mime=mime,
            key=f"export-{suffix}-{thread_id}",
            icon=":material/download:",
            width="stretch",
            on_click="ignore",
        )


def usage_text(turns: Sequence[Turn]) -> str:
    """What the conversation has cost so far."""
    read = sum(turn.usage.prompt_tokens for turn in turns)
    written = sum(turn.usage.completion_tokens for turn in turns)
    seconds = sum(turn.timings.total for turn in turns)
    answers = f"{len(turns)} answer{'s' if len(turns) != 1 else ''}"
    return f"{answers} · {read:,} tokens read · {written:,} tokens written · {seconds:,.1f} s"
