"""The endpoint `chat`: the same conversations for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from agent.errors import RatchetError
from ui.share_parts.host import PATIENCE, Host
from ui.share_parts.outward import Outward, outward, three_sentences


class ChatApi:
    """Answers programs as the page answers people: with the same login, limits and conversations."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def chat(self, question: str, conversation: str = "", request: gr.Request = None) -> Iterator[dict[str, Any]]:  # type: ignore[assignment]  # Gradio always gives one
        """Ask a question.

        Args:
            question: what to answer.
            conversation: goes on with this one; empty: a new one.
            request: given by Gradio.

        Returns:
            The answer so far, again and again; the last one is complete. Its `status` is "done", "cancelled" or
            "limit"; before that "queued", "retrieving" or "answering". `conversation` names it for the next question.
        """
        desk = self._host.desk(request)
        try:
            self._host.count_question(desk)
            live = desk.ask(str(conversation or ""), str(question or ""))
            for _ in live.pictures(PATIENCE):
                text = Outward(live.passages).text(live.text)
                yield _reply(live.thread_id, live.status, text)
        except RatchetError as error:
            raise gr.Error(" ".join(filter(None, three_sentences(error))), print_exception=False) from error
        if live.turn is None or live.failed is not None:
            raise gr.Error(" ".join(three_sentences(live.failed or _NOTHING)), print_exception=False)
        turn = outward(live.turn)
        citations = [
            {"number": each.number, "file": each.source, "where": each.locator, "text": each.text}
            for each in turn.citations
        ]
        yield _reply(turn.thread_id, turn.status, turn.answer, turn=turn.turn_id, citations=citations)


_NOTHING = RatchetError("The answer came to nothing.")


def _reply(conversation: str, status: str, answer: str, **more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"turn": "", "citations": []}
    return {"conversation": conversation, "status": status, "answer": answer, **empty, **more}
