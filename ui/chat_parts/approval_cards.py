"""A tool call that waits for a person: what it would do, in full, and the person's decision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from agent.errors import ApprovalError
from tools.visible import visible
from ui.chat_parts import tab
from ui.chat_parts.browser import scroll_here
from ui.labels import label_of

if TYPE_CHECKING:
    from agent.calls.approvals import ApprovalRequest
    from ui.desk import Desk


def draw(desk: Desk, thread_id: str) -> int:
    """A card for each call of the conversation that waits; how many there are."""
    from ui.render import approval_html

    waiting = desk.waiting(thread_id)
    for request in waiting:
        with st.container(border=True, key=f"approval-{request.call_id}"):
            st.html(approval_html(request))
            _decision(desk, request)
            scroll_here(request.call_id)
    return len(waiting)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def edited(request: ApprovalRequest, typed: dict[str, str]) -> dict[str, Any]:
    """The arguments of a request with what a person typed in their place: text as it is, anything else as JSON.

    Raises:
        ApprovalError: what was typed for a number, a list or the like is no JSON.
    """
    changed = dict(request.arguments)
    for name, value in request.arguments.items():
        text = typed.get(name, "")
        if text == _text(value):
            continue
        try:
            changed[name] = text if isinstance(value, str) else json.loads(text)
        except ValueError as error:
            raise ApprovalError(
                f'"{visible(name)}" is no JSON: {error}.',
                kept="The request still waits, and nothing was run.",
                fix="Numbers stand alone, texts inside lists in double quotes.",
            ) from error
    return changed


def _decision(desk: Desk, request: ApprovalRequest) -> None:
    key = request.call_id
    editing = st.session_state.get("editing-request") == key
    if editing:
        for name, value in request.arguments.items():
            st.text_area(label_of(name), value=_text(value), key=f"argument-{key}-{name}")
    else:
        st.checkbox(
            f"Allow {label_of(request.tool)} for the rest of this conversation, while only your own text is in play",
            key=f"always-{key}",
        )
        st.text_input("If you reject it: why (the model is told; may stay empty)", key=f"reason-{key}")
    with st.container(horizontal=True):
        if editing:
            st.button("Run it so", key=f"run-{key}", type="primary", on_click=_decide, args=(desk, request, "edit"))
            st.button("Back", key=f"back-{key}", on_click=_edit, args=("",))
            return
        st.button("Approve", key=f"approve-{key}", type="primary", on_click=_decide, args=(desk, request, "approve"))
        st.button("Edit", key=f"edit-{key}", on_click=_edit, args=(key,))
        st.button("Reject", key=f"reject-{key}", on_click=_decide, args=(desk, request, "reject"))


def _edit(key: str) -> None:
    st.session_state["editing-request"] = key


def _decide(desk: Desk, request: ApprovalRequest, decision: Any) -> None:
    state, key = st.session_state, request.call_id

    def act() -> None:
        typed = {name: str(state.get(f"argument-{key}-{name}", "")) for name in request.arguments}
        desk.decide(
            request.thread_id,
            request,
            decision,
            arguments=edited(request, typed) if decision == "edit" else None,
            reason=str(state.get(f"reason-{key}", "")).strip() if decision == "reject" else "",
            always=bool(state.get(f"always-{key}")) and decision == "approve",
        )

    if tab.attempt(act):
        _edit("")
