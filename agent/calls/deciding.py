"""A person's decision about a call that waits: checked against the tool, then recorded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agent.calls.approvals import ApprovalRequest, Choice
from agent.calls.ledger import CallLedger
from agent.calls.proposal import misfit, preview_of
from agent.errors import ApprovalError
from tools.spec import ToolSpec


def decide(
    ledger: CallLedger, tools: Mapping[str, ToolSpec], request: ApprovalRequest, person: str, choice: Choice
) -> None:
    """Record a person's choice about a request.

    Raises:
        ApprovalError: the request is another thread's, decided already, or not what was shown; or the edited
            arguments do not fit the tool.
    """
    known = ledger.get(request.call_id)
    if known is not None and known.thread_id != request.thread_id:
        raise ApprovalError("This request belongs to another conversation.", kept="Nothing was run.")
    spec = tools.get(request.tool)
    if choice.decision == "edit" and choice.arguments is not None and spec is not None:
        if problem := misfit(spec, choice.arguments):
            raise ApprovalError(problem, kept="The request still waits.", fix="Correct the arguments.")
        choice = replace(choice, preview=preview_of(spec, choice.arguments))
    ledger.decide(request.call_id, request.digest, choice, person=person)
