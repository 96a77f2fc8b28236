"""What an approval is for: a request that binds a call to the one who asked, where, and with which arguments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tools.spec import ToolSpec

Decision = Literal["approve", "edit", "reject"]


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A tool call that waits for a person.

    Attributes:
        call_id: made by Ratchet, never by a model; it names the request, too.
        thread_id: the conversation that waits.
        tool: what would be called.
        arguments: with which arguments, in full.
        risk: what the tool declares: "write", "execute", "network" or "read".
        digest: what a decision must repeat: it stands for the user, thread, call, tool, arguments and preview shown.
        preview: what the call would do, such as a diff; empty where the arguments say it all.
        why: why it is asked, in one sentence.
        sources: whose text is before the model, beside the user's own.
        proposed_at: UTC ISO 8601.
    """

    call_id: str
    thread_id: str
    tool: str
    arguments: dict[str, Any]
    risk: str
    digest: str
    preview: str = ""
    why: str = ""
    sources: tuple[str, ...] = ()
    proposed_at: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose.

    Attributes:
        decision: "approve", "edit" (approve other arguments) or "reject".
        arguments: the edited ones, all of them.
        preview: what the call would do with those.
        reason: told to the model with a rejection.
        always: also allow the tool, as it describes itself now, for the rest of the thread.
    """

    decision: Decision
    arguments: Mapping[str, Any] | None = None
    preview: str = ""
    reason: str = ""
    always: bool = False


def canonical(arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON that is the same for the same values, whatever the order of their names.

    Raises:
        ValueError: they are no JSON (NaN, for one).
    """
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest_of(  # noqa: PLR0913 - each is a part of what is approved
    person: str, thread_id: str, call_id: str, identity: str, arguments: str, preview: str = ""
) -> str:
    """SHA-256 over everything an approval is bound to, each part told from the next by JSON.

    Args:
        person: whose session it is.
        thread_id: the conversation.
        call_id: the call.
        identity: of the tool, from `identity_of`.
        arguments: canonical.
        preview: what the call would do, as a person is shown it; an approval dies when it would do something else.
    """
    parts = [person, thread_id, call_id, identity, arguments, preview]
    whole = json.dumps(parts, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def identity_of(spec: ToolSpec) -> str:
    """The tool by name, origin and what it told of itself, so that an approval dies when the tool changes."""
    from langchain_core.utils.function_calling import convert_to_openai_tool

    told = json.dumps(convert_to_openai_tool(spec.tool), sort_keys=True, ensure_ascii=True)
    return f"{spec.name} {spec.origin} {hashlib.sha256(told.encode()).hexdigest()[:16]}"
