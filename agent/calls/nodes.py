"""The two nodes of a tool call: the gate settles whether it may run, `act` runs it, once.

The gate waits for a person where one must decide. It takes one call at a time, since a node that was interrupted
begins again from its first line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.config import get_stream_writer
from langgraph.types import interrupt

from agent import prompts
from agent.announce import answered, noted
from agent.calls.approvals import canonical, digest_of, identity_of
from agent.calls.incoming import left_out
from agent.calls.ledger import Call
from agent.calls.proposal import misfit, preview_of
from agent.calls.running import Outcome, quoted, run_call, sources_of
from agent.database import storable
from agent.errors import ApprovalError
from agent.schema import ToolCall, ToolCallFinished, ToolCallProposed
from agent.state import Dependencies, TurnState, add_tokens
from tools.policy import Permission
from tools.spec import ToolSpec

_MOST_REPEATS = 2  # the second time is answered from the first, the third ends the turn
_ALLOWED = "allowed by the settings"
_REPEATED_CHARS = 500  # of the first result
_READ = {"ok", "error", "unknown"}  # statuses of a call whose result may hold what the tool gave
_RUN = {"begun", "done", "failed"}  # states of a call in the ledger that has had its chance


def open_call(state: TurnState) -> dict[str, Any] | None:
    """The next tool call of the model's latest message that has no result yet, or None."""
    message, results = _latest(state)
    done = len(results)
    if message is None or done >= len(message.tool_calls):
        return None
    return {**message.tool_calls[done], "flaw": left_out(message, done)}


def _latest(state: TurnState) -> tuple[AIMessage | None, list[AnyMessage]]:
    """The model's latest message, and the results of its calls so far."""
    draft = state.get("draft", [])
    for place in range(len(draft) - 1, -1, -1):
        if isinstance(message := draft[place], AIMessage):
            return message, draft[place + 1 :]
    return None, []


class ToolNodes:
    """Gate and act; see the module."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def gate(self, state: TurnState) -> TurnState:
        """Settle the next call: run it, answer it without running it, or end the turn. May wait for a person."""
        deps = self._deps
        request = open_call(state)
        assert request is not None  # noqa: S101 - the graph comes here only for one
        if deps.clock.cancelled.is_set():
            return answered(deps.clock, state, prompts.STOPPED_BEFORE.format(tool=request["name"]), "cancelled")
        calls = state.get("tool_calls", [])
        call = ToolCall(f"{state['turn_id']}-{len(calls)}", str(request["name"]), dict(request["args"] or {}))
        known = deps.ledger.get(call.id) if deps.ledger is not None else None
        if known is None:
            get_stream_writer()(ToolCallProposed(call))
            if (spent := self._spent(state)) is not None:
                return answered(deps.clock, state, spent, "limit")
        spec = deps.tools.get(call.name)
        if spec is None:
            told = prompts.NO_SUCH_TOOL.format(name=call.name, names=", ".join(deps.tools) or "none")
            return _settled(call, told, "error")
        if request["flaw"]:
            return _settled(call, f"{call.name}: the arguments {request['flaw']}.", "error")
        arguments = canonical(call.arguments)
        if known is None and (again := _repeated(call, arguments, calls)) is not None:
            text, ends = again
            return answered(deps.clock, state, text, "limit") if ends else _settled(call, text, "repeated")
        return self._permitted(state, call, spec, arguments, known)

    def _permitted(
        self, state: TurnState, call: ToolCall, spec: ToolSpec, arguments: str, known: Call | None
    ) -> TurnState:
        deps = self._deps
        row = known or self._row(state, call, spec, arguments)
        if row.proposed != digest_of(deps.person, state["thread_id"], call.id, row.identity, arguments):
            self._refused(row, "the call is not the one that was proposed")
            return _settled(call, prompts.CALL_CHANGED, "denied")
        if known is None:
            verdict = self._verdict(state, spec)
            if verdict == "deny" or (verdict == "ask" and deps.ledger is None):
                if deps.ledger is not None:
                    deps.ledger.log(row, "denied", "by the settings")
                return _settled(call, prompts.TOOL_DENIED.format(tool=spec.name), "denied")
            if verdict == "allow" and not spec.has_effects:
                return {"decision": {"call": asdict(call), "run": True}}
            if problem := misfit(spec, call.arguments):
                return _settled(call, problem, "error")
            known = self._entered(row, spec, call, asking=verdict == "ask")
        return self._decided(known, call)

    def _row(self, state: TurnState, call: ToolCall, spec: ToolSpec, arguments: str) -> Call:
        person, thread, identity = self._deps.person, state["thread_id"], identity_of(spec)
        digest = digest_of(person, thread, call.id, identity, arguments)
        return Call(
            *(call.id, state["turn_id"], thread, person, spec.name, spec.risk, identity, digest, arguments, digest),
            *("", "", _sources(state), "approved", "", datetime.now(UTC).isoformat(), None),
        )

    def _entered(self, row: Call, spec: ToolSpec, call: ToolCall, *, asking: bool) -> Call:
        ledger = self._deps.ledger
        assert ledger is not None  # noqa: S101 - without one, nothing with effects is allowed
        if not asking:
            return ledger.propose(replace(row, why=_ALLOWED))
        why = prompts.WHY_TAINTED if row.sources and spec.has_effects else prompts.WHY_ASKED[spec.risk]
        preview = storable(preview_of(spec, call.arguments))
        digest = digest_of(row.person, row.thread_id, row.call_id, row.identity, row.arguments, preview)
        return ledger.propose(replace(row, why=why, preview=preview, digest=digest, state="waiting"))

    def _decided(self, row: Call, call: ToolCall) -> TurnState:
        ledger = self._deps.ledger
        assert ledger is not None  # noqa: S101 - the row came from there
        while row.state == "waiting":
            interrupt(asdict(row.request))
            # What the resuming program hands over decides nothing: the ledger does.
            row = ledger.get(row.call_id) or row
        if row.state == "approved":
            asked = {**asdict(call), "arguments": json.loads(row.arguments)}
            return {"decision": {"call": asked, "run": True}}
        if row.state in _RUN:
            ended = _ended(row, call)
            return _settled(call, ended.text, ended.status, ended.artifact)
        reason = f" {prompts.CALL_REASON.format(reason=row.reason)}" if row.reason else ""
        return _settled(call, prompts.CALL_REJECTED.format(tool=call.name) + reason, "rejected")

    def _spent(self, state: TurnState) -> str | None:
        """What ends the turn because its budget is used up, or None."""
        calls, limits = state.get("tool_calls", []), self._deps.limits
        if len(calls) >= limits.calls:
            return prompts.CALLS_SPENT.format(calls=limits.calls)
        if sum(call["seconds"] for call in calls) >= limits.seconds:
            return prompts.SECONDS_SPENT.format(seconds=round(limits.seconds))
        if sum(len(call["result"]) for call in calls) >= limits.turn_chars:
            return prompts.CHARS_SPENT.format(chars=limits.turn_chars)
        return None

    def act(self, state: TurnState) -> TurnState:
        """Run the call that the gate let through, or answer it as the gate settled."""
        decision, deps = state["decision"], self._deps
        call = ToolCall(**decision["call"])
        spec, request = deps.tools.get(call.name), open_call(state)
        assert request is not None  # noqa: S101 - the gate has just read it
        if not decision["run"]:
            outcome = Outcome(decision["text"], decision["status"], decision["artifact"])
        elif spec is None:  # it was there when the program ended, and is not any more
            outcome = Outcome(prompts.NO_SUCH_TOOL.format(name=call.name, names=", ".join(deps.tools)), "denied")
        else:
            outcome = self._run(state, spec, call)
        shown = {key: value for key, value in outcome.artifact.items() if key in {"files", "table"}}
        if found := outcome.artifact.get("passages"):
            shown["passages"] = [item["id"] for item in found]
        finished = ToolCall(
            call.id, call.name, call.arguments, outcome.text, outcome.status, outcome.seconds, artifact=shown
        )
        get_stream_writer()(ToolCallFinished(finished))
        return self._taken(state, finished, outcome, str(request["id"]))

    def _run(self, state: TurnState, spec: ToolSpec, call: ToolCall) -> Outcome:
        deps = self._deps
        verdict = self._verdict(state, spec)
        entered = spec.has_effects or verdict != "allow"
        if entered and (instead := self._instead(state, spec, call, verdict)) is not None:
            return instead
        spent = sum(done["seconds"] for done in state.get("tool_calls", []))
        left = max(0.1, deps.limits.seconds - spent)
        cancelled, sources = deps.clock.cancelled.is_set, _sources(state)
        outcome = run_call(spec, call.arguments, left, deps.limits.result_chars, cancelled, sources)
        if entered and deps.ledger is not None:
            if not outcome.ended:
                if row := deps.ledger.get(call.id):
                    deps.ledger.log(row, "unknown", "it did not end in its time")
                return replace(outcome, text=f"{outcome.text} {prompts.MAY_HAVE_RUN}", status="unknown")
            result = {"text": outcome.text, "status": outcome.status, "artifact": outcome.artifact}
            deps.ledger.finish(call.id, result, failed=outcome.status != "ok")
        return outcome

    def _instead(self, state: TurnState, spec: ToolSpec, call: ToolCall, verdict: Permission) -> Outcome | None:
        """Take the call's one chance in the ledger; what to answer instead of running it where it has none.

        The digest is made anew from what is about to run, and from what it would do now: whoever changed that after
        the approval, in a checkpoint, in a file or on the way, changed the digest too.
        """
        deps = self._deps
        if deps.ledger is None or verdict == "deny":
            return Outcome(prompts.TOOL_DENIED.format(tool=call.name), "denied")
        known = deps.ledger.get(call.id)
        if known is not None and known.state in _RUN:
            return _ended(known, call)
        if known is not None and known.why == _ALLOWED and verdict == "ask":
            self._refused(known, "the settings no longer allow it unasked")
            return Outcome(prompts.TOOL_DENIED.format(tool=call.name), "denied")
        shown = storable(preview_of(spec, call.arguments)) if known is not None and known.preview else ""
        person, thread = deps.person, state["thread_id"]
        try:
            digest = digest_of(person, thread, call.id, identity_of(spec), canonical(call.arguments), shown)
            deps.ledger.begin(call.id, digest)
        except (ApprovalError, TypeError, ValueError) as error:
            latest = deps.ledger.get(call.id)
            if latest is not None and latest.state in _RUN:  # another session has begun it just now
                return _ended(latest, call)
            self._refused(known, str(error))
            changed = known is not None and known.preview != shown
            told = prompts.PREVIEW_CHANGED.format(tool=call.name) if changed else f"{call.name}: {error}"
            return Outcome(told, "denied")
        return None

    def _refused(self, row: Call | None, why: str) -> None:
        if row is not None and self._deps.ledger is not None:
            self._deps.ledger.log(row, "refused", why)

    def _verdict(self, state: TurnState, spec: ToolSpec) -> Permission:
        deps = self._deps
        granted = (
            deps.policy.of(spec) == "ask"
            and deps.ledger is not None
            and deps.ledger.granted(state["thread_id"], deps.person, identity_of(spec))
        )
        return deps.policy.verdict(spec, tainted=bool(_sources(state)), granted=granted)

    def _taken(self, state: TurnState, call: ToolCall, outcome: Outcome, message_id: str) -> TurnState:
        """What the state becomes with a call's result."""
        deps, spec = self._deps, self._deps.tools.get(call.name)
        again = call.status == "repeated" and _was_read(call, state)
        untrusted = spec is not None and spec.untrusted and (call.status in _READ or again)
        content = quoted(spec, outcome.text) if untrusted and spec and not deps.budget.small else outcome.text
        status = "success" if call.status == "ok" else "error"
        message = ToolMessage(content, tool_call_id=message_id, name=call.name, status=status)
        # Passages that were found beside the point have not been read, and must not be because others are.
        passages = list(state.get("passages", [])) if state.get("relevant") else []
        known = {item["id"] for item in passages}
        passages += [item for item in outcome.artifact.get("passages") or [] if item["id"] not in known]
        taint = list(state.get("taint", []))
        if untrusted and spec is not None:
            taint = list(dict.fromkeys([*taint, *sources_of(spec, call.arguments, outcome.artifact)]))
        update: TurnState = {
            "draft": [*state["draft"], message],
            "tool_calls": [*state.get("tool_calls", []), asdict(call)],
            "passages": passages,
            "relevant": state.get("relevant", False) or bool(outcome.artifact.get("passages")),
            "taint": taint,
            "usage": add_tokens(state.get("usage", {}), outcome.usage),
            "decision": {},
        }
        if call.status == "unknown":
            update["notes"] = noted(state.get("notes", []), outcome.text)
        if deps.clock.cancelled.is_set():
            return update | answered(deps.clock, state, prompts.STOPPED_AFTER.format(tool=call.name), "cancelled")
        if deps.budget.small and open_call(state | update) is None:
            return update | self._spoken(state | update)
        return update

    def _spoken(self, state: TurnState) -> TurnState:
        """For a small model: results that are the answer, since it could only copy them wrong.

        A failure is the answer as well, where no passage could give another: left alone, the model would invent one.
        """
        _, messages = _latest(state)
        recent = state["tool_calls"][-len(messages) :]
        failed = any(call["status"] == "error" for call in recent)
        if (failed and state.get("relevant")) or any(map(self._to_be_read, recent)):
            return {}
        return answered(self._deps.clock, state, "\n".join(map(_text, messages)))

    def _to_be_read(self, call: Mapping[str, Any]) -> bool:
        """Whether a call brought passages that are to be answered from rather than shown."""
        spec = self._deps.tools.get(call["name"])
        return bool(call["artifact"].get("passages")) and spec is not None and not spec.answers


def _text(message: AnyMessage) -> str:
    return str(message.content)


def _ended(row: Call, call: ToolCall) -> Outcome:
    """What a call that was begun before came to, as far as the ledger knows: it is never begun again."""
    if row.result is None:
        return Outcome(prompts.CALL_UNKNOWN.format(tool=call.name), "unknown")
    return Outcome(row.result["text"], row.result["status"], row.result["artifact"])


def _settled(call: ToolCall, text: str, status: str, artifact: Mapping[str, Any] | None = None) -> TurnState:
    """A call that is answered without being run."""
    told = {"text": text, "status": status, "artifact": dict(artifact or {})}
    return {"decision": {"call": asdict(call), "run": False, **told}}


def _sources(state: TurnState) -> tuple[str, ...]:
    """Whose text, beside the user's, the model may have read in this conversation."""
    return tuple(dict.fromkeys([*state.get("carried", []), *state.get("taint", [])]))


def _was_read(call: ToolCall, state: TurnState) -> bool:
    """Whether the first of some repeated calls gave what the tool said."""
    done = state.get("tool_calls", [])
    return any(
        one["status"] in _READ and one["name"] == call.name and one["arguments"] == call.arguments for one in done
    )


def _repeated(call: ToolCall, arguments: str, calls: list[dict[str, Any]]) -> tuple[str, bool] | None:
    """What to say to a call made before in this turn, and whether that ends the turn; None for a new one."""
    made = json.loads(arguments)
    same = [done for done in calls if done["name"] == call.name and done["arguments"] == made]
    if not same:
        return None
    if len(same) >= _MOST_REPEATS:
        return prompts.LOOPING.format(tool=call.name, times=len(same) + 1), True
    return prompts.REPEATED.format(tool=call.name, result=same[0]["result"][:_REPEATED_CHARS]), False
