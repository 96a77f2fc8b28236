"""The ledger of tool calls with effects: proposed, decided, begun once, ended; and the audit log of all of it.

A call moves along `waiting → approved → begun → done | failed`, or ends as `rejected` or `withdrawn`. Every step is
one transaction that names the state it starts from, so that of two attempts one fails: an approval is used once,
and a call that was begun before a crash is never begun again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from agent.calls.approvals import ApprovalRequest, Choice, canonical, digest_of
from agent.database import Tables, storable
from agent.errors import ApprovalError

_COLUMNS = (
    "call_id, turn_id, thread_id, person, tool, risk, identity, proposed, arguments, digest, preview, why, sources, "
    "state, reason, proposed_at, result"
)
_NOTHING_RUN = "Nothing was run."


@dataclass(frozen=True, slots=True)
class Call:
    """A row of the ledger.

    `proposed` is the digest of the arguments as the model gave them, `arguments` (canonical JSON) and `digest` are
    those that may run. `result` is JSON, None until the call ended.
    """

    call_id: str
    turn_id: str
    thread_id: str
    person: str
    tool: str
    risk: str
    identity: str
    proposed: str
    arguments: str
    digest: str
    preview: str
    why: str
    sources: tuple[str, ...]
    state: str
    reason: str
    proposed_at: str
    result: dict[str, Any] | None

    @property
    def request(self) -> ApprovalRequest:
        """What a person is shown."""
        return ApprovalRequest(
            self.call_id,
            self.thread_id,
            self.tool,
            json.loads(self.arguments),
            self.risk,
            self.digest,
            self.preview,
            self.why,
            self.sources,
            self.proposed_at,
        )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log. `arguments` is None once the conversation was deleted; its digest stays."""

    at: str
    person: str
    thread_id: str
    turn_id: str
    call_id: str
    tool: str
    event: str
    arguments: dict[str, Any] | None
    digest: str
    detail: str | None


class CallLedger(Tables):
    """The ledger of a database file. Thread-safe; a step is durable when its method returns.

    Raises:
        DatabaseError: the file cannot be used (from any method).
    """

    def get(self, call_id: str) -> Call | None:
        """A call by its id."""
        rows = self._read(f"SELECT {_COLUMNS} FROM calls WHERE call_id = ?", call_id)  # noqa: S608
        return _call(rows[0]) if rows else None

    def waiting(self, thread_id: str | None = None) -> list[ApprovalRequest]:
        """The calls that wait for a decision, oldest first; of one thread, or of all."""
        where, values = (" AND thread_id = ?", (thread_id,)) if thread_id is not None else ("", ())
        sql = f"SELECT {_COLUMNS} FROM calls WHERE state = 'waiting'{where} ORDER BY proposed_at, call_id"  # noqa: S608
        return [_call(row).request for row in self._read(sql, *values)]

    def propose(self, call: Call) -> Call:
        """Enter a call as "waiting" or "approved" (by the settings); one that is known stays as it is."""
        row = (
            *(call.call_id, call.turn_id, call.thread_id, call.person, call.tool, call.risk, call.identity),
            *(call.proposed, call.arguments, call.digest, storable(call.preview), call.why),
            *(storable(json.dumps(call.sources, ensure_ascii=False)), call.state, call.reason, call.proposed_at, None),
        )
        with self._write() as connection:
            places = ", ".join("?" * len(row))
            sql = f"INSERT INTO calls ({_COLUMNS}) VALUES ({places}) ON CONFLICT (call_id) DO NOTHING"  # noqa: S608
            if connection.execute(sql, row).rowcount:
                _log(connection, call, "asked" if call.state == "waiting" else "allowed", call.why)
        known = self.get(call.call_id)
        assert known is not None  # noqa: S101 - it was written above, or before
        return known

    def decide(self, call_id: str, digest: str, choice: Choice, *, person: str) -> Call:
        """Record what a person chose about a waiting call, once.

        Args:
            call_id: of the request.
            digest: of the request as it was shown.
            choice: what was chosen.
            person: who decides; only the one whose session asked may.

        Raises:
            ApprovalError: no such request, decided already, not this person's, or not what was shown.
        """
        with self._write() as connection:
            call = self._decidable(call_id, digest, person)
            rejected = choice.decision == "reject"
            changes = {"state": "rejected" if rejected else "approved", "reason": storable(choice.reason)}
            if choice.decision == "edit":
                changes |= _edited(call, choice.arguments, storable(choice.preview))
            names = ", ".join(f"{name} = ?" for name in changes)
            connection.execute(f"UPDATE calls SET {names} WHERE call_id = ?", (*changes.values(), call_id))  # noqa: S608
            decided = self.get(call_id)
            assert decided is not None  # noqa: S101 - it was read above, in this transaction
            event = {"approve": "approved", "edit": "edited", "reject": "rejected"}[choice.decision]
            _log(connection, decided, event, choice.reason or None)
            if choice.always and not rejected:
                row = (call.thread_id, person, call.identity, _now())
                connection.execute("INSERT INTO grants VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
                _log(connection, decided, "granted", "for the rest of this thread")
        return decided

    def _decidable(self, call_id: str, digest: str, person: str) -> Call:
        call = self.get(call_id)
        if call is None or call.person != person:
            raise ApprovalError(f'There is no request "{call_id}".', kept=_NOTHING_RUN, fix="`ratchet approvals list`.")
        if call.state != "waiting":
            said = {"rejected": "rejected", "withdrawn": "withdrawn"}.get(call.state, "approved")
            raise ApprovalError(
                f"This request has already been {said}.",
                kept="That decision stands; this one changes nothing.",
                fix="`ratchet approvals list` shows what waits.",
            )
        if call.digest != digest:
            raise ApprovalError(
                "What was to be approved is not what waits: its arguments differ.",
                kept=_NOTHING_RUN,
                fix="Look at the request again, then decide.",
            )
        return call

    def begin(self, call_id: str, digest: str) -> None:
        """Take an approved call's one chance to run.

        Raises:
            ApprovalError: it is not approved with this digest, or was begun before.
        """
        with self._write() as connection:
            sql = "UPDATE calls SET state = 'begun' WHERE call_id = ? AND digest = ? AND state = 'approved'"
            if connection.execute(sql, (call_id, digest)).rowcount != 1:
                raise ApprovalError(
                    "This call is not approved as it stands, or its approval was used.",
                    kept=_NOTHING_RUN,
                    fix="Ask again; every call needs an approval of its own.",
                )
            self._log_by_id(connection, call_id, "begun", None)

    def finish(self, call_id: str, result: Mapping[str, Any], *, failed: bool) -> None:
        """Keep what a call that was begun came to: plain JSON."""
        state = "failed" if failed else "done"
        with self._write() as connection:
            sql = "UPDATE calls SET state = ?, result = ? WHERE call_id = ? AND state = 'begun'"
            connection.execute(sql, (state, storable(json.dumps(result, ensure_ascii=False)), call_id))
            self._log_by_id(connection, call_id, state, None)

    def log(self, call: Call, event: str, detail: str | None = None) -> None:
        """Add a line to the audit log about a call that is in no row: a denied one, for instance."""
        with self._write() as connection:
            _log(connection, call, event, detail)

    def withdraw(self, thread_id: str, why: str) -> None:
        """End what waits in a thread, or was approved and never begun, because its turn is over."""
        sql = "SELECT call_id FROM calls WHERE thread_id = ? AND state IN ('waiting', 'approved')"
        if not self._read(sql, thread_id):  # as after nearly every turn: no need to take the write lock
            return
        with self._write() as connection:
            for (call_id,) in self._read(sql, thread_id):
                connection.execute("UPDATE calls SET state = 'withdrawn' WHERE call_id = ?", (call_id,))
                self._log_by_id(connection, call_id, "withdrawn", why)

    def granted(self, thread_id: str, person: str, identity: str) -> bool:
        """Whether the person has allowed the tool, as it describes itself, for the rest of the thread."""
        sql = "SELECT 1 FROM grants WHERE thread_id = ? AND person = ? AND tool = ?"
        return bool(self._read(sql, thread_id, person, identity))

    def audit(self, thread_id: str | None = None) -> list[AuditEntry]:
        """The audit log, oldest first; of one thread, or of all."""
        where, values = (" WHERE thread_id = ?", (thread_id,)) if thread_id is not None else ("", ())
        sql = "SELECT at, person, thread_id, turn_id, call_id, tool, event, arguments, digest, detail FROM audit"
        rows = self._read(f"{sql}{where} ORDER BY sequence", *values)
        return [_entry(row) for row in rows]

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread's calls and grants; its audit lines stay, without arguments and details."""
        with self._write() as connection:
            for table in ("calls", "grants"):
                connection.execute(f"DELETE FROM {table} WHERE thread_id = ?", (thread_id,))  # noqa: S608
            connection.execute("UPDATE audit SET arguments = NULL, detail = NULL WHERE thread_id = ?", (thread_id,))
        self._scrub()

    def _log_by_id(self, connection: sqlite3.Connection, call_id: str, event: str, detail: str | None) -> None:
        call = self.get(call_id)
        if call is not None:
            _log(connection, call, event, detail)


def _call(row: tuple[Any, ...]) -> Call:
    values = dict(zip((field.name for field in fields(Call)), row, strict=True))
    ended = values["result"]
    plain = {"sources": tuple(json.loads(values["sources"])), "result": None if ended is None else json.loads(ended)}
    return Call(**values | plain)


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    values = dict(zip((field.name for field in fields(AuditEntry)), row, strict=True))
    made = values["arguments"]
    return AuditEntry(**values | {"arguments": None if made is None else json.loads(made)})


def _edited(call: Call, arguments: Mapping[str, Any] | None, preview: str) -> dict[str, str]:
    if arguments is None:
        raise ApprovalError("The edited arguments are missing.", kept=_NOTHING_RUN, fix="Give all of them.")
    try:
        text = canonical(arguments)
    except (TypeError, ValueError) as error:
        raise ApprovalError(f"The edited arguments are no JSON: {error}.", kept=_NOTHING_RUN) from error
    digest = digest_of(call.person, call.thread_id, call.call_id, call.identity, text, preview)
    return {"arguments": text, "preview": preview, "digest": digest}


def _log(connection: sqlite3.Connection, call: Call, event: str, detail: str | None) -> None:
    connection.execute(
        "INSERT INTO audit (at, person, thread_id, turn_id, call_id, tool, event, arguments, digest, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(_now(), call.person, call.thread_id, call.turn_id, call.call_id, storable(call.tool), event),
            *(call.arguments, call.digest, storable(detail) if detail is not None else None),
        ),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
