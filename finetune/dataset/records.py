"""Examples from what was recorded: thumbs, corrections, choices between two answers, and decisions about tool calls.

| recorded | becomes |
|---|---|
| a thumb up | the turn as it was, wanted (`label` True) |
| a correction | the turn with the corrected answer; the old one is `rejected` |
| a thumb down alone | the turn as it was, unwanted (`label` False) |
| a choice between two answers | the chosen one; the other is `rejected` |
| a call that a person approved | the decision to make it, wanted |
| a call that a person edited | the edited call; the model's own is `rejected` |
| a call that a person rejected | the decision to make it, unwanted |

Only threads whose user consents are read, and only turns that ended in order and were not taken back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.dataset.sources import Reading
from finetune.dataset.tool_schemas import in_order
from finetune.errors import DatasetError
from finetune.schema import Example, Message, ToolSchema

if TYPE_CHECKING:
    from agent.calls.ledger import AuditEntry
    from agent.records import Records
    from agent.schema import AnswerChoice, Feedback, Turn
    from agent.schema import ToolCall as RecordedCall

MOST_PASSAGES = 6
MOST_TOOLS = 8
TURNS_BEFORE = 2
_GIVE = "Give some: `/good`, `/bad` and `/correct` in the chat, or `ratchet feedback add`."
DECIDED = ("approved", "edited", "rejected")  # by a person, about a call


@dataclass(frozen=True, slots=True)
class RecordSource:
    """What people thought of answers and calls.

    Args:
        database: path of `ratchet.db`.
        tools: schemas of the tools there are, in OpenAI's form; a turn with a call of another is left out.
    """

    database: Path
    tools: tuple[ToolSchema, ...] = ()
    reading: Reading = field(default_factory=Reading)

    @property
    def name(self) -> str:
        """As the data card calls it."""
        return "records"

    def check(self) -> None:
        """Count what was judged.

        Raises:
            DatasetError: nothing was, or none of it may be learned from.
            DatabaseError: the database cannot be read.
        """
        if not self.database.is_file():
            raise DatasetError(f"There are no records yet: {self.database} does not exist.", fix=_GIVE)
        with closing(_Recorded(self.database)) as recorded:
            judged = {thread: recorded.judged(thread) for thread in recorded.threads()}
            allowed = {thread: count for thread, count in judged.items() if count and recorded.consent(thread)}
        if not sum(judged.values()):
            raise DatasetError("No answer and no tool call has been judged yet.", fix=_GIVE)
        if not allowed:
            raise DatasetError(
                f"{sum(judged.values())} judgements are recorded, but no thread may be learned from.",
                kept="Nothing was read.",
                fix="`ratchet threads consent ID --on` allows it for a thread.",
            )
        self.reading.facts = f"{sum(allowed.values()):,} judgements in {len(allowed):,} threads"

    def read(self) -> Iterator[Example]:
        """The examples, thread by thread, the oldest first.

        Raises:
            DatabaseError: the database cannot be read.
        """
        with closing(_Recorded(self.database)) as recorded:
            for thread in recorded.threads():
                if not recorded.consent(thread):
                    if count := recorded.judged(thread):
                        self.reading.left_out["a judgement in a thread without consent"] += count
                    continue
                turns = recorded.records.turns(thread)
                for at, turn in enumerate(turns):
                    judged = recorded.of(turn)
                    if judged.any:
                        yield from self._examples(turn, turns[max(0, at - TURNS_BEFORE) : at], judged)

    def _examples(self, turn: Turn, before: Sequence[Turn], judged: _Judgements) -> Iterator[Example]:
        if turn.status not in ("done", "limit"):
            self.reading.left_out[f'a turn that ended as "{turn.status}"'] += 1
            return
        known = {tool["function"]["name"] for tool in self.tools}
        if unknown := {call.name for call in turn.tool_calls} - known:
            self.reading.left_out[f"a turn with a call of {min(unknown)}, a tool that is not there now"] += 1
            return
        laid_out = _LaidOut(turn, before, self.tools, judged)
        yield from laid_out.decisions()
        if judged.feedback is not None and (turn.status == "done" or judged.feedback.correction):
            yield laid_out.answered(judged.feedback)
        for choice in judged.choices:
            if choice.chosen is not None and choice.answers[0].strip() != choice.answers[1].strip():
                yield laid_out.chosen(choice)


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a person decided about a call, and its arguments before and after."""

    event: str
    asked: dict[str, Any]
    allowed: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Judgements:
    """All that people said about one turn."""

    feedback: Feedback | None
    choices: tuple[AnswerChoice, ...]
    decisions: dict[str, _Decision]

    @property
    def any(self) -> bool:
        return bool(self.feedback or self.choices or self.decisions)


class _Recorded:
    """The records and the ledger of a database, by turn."""

    def __init__(self, database: Path) -> None:
        from agent.calls.ledger import CallLedger
        from agent.records import Records

        self.records: Records = Records(database)
        with closing(CallLedger(database)) as ledger:
            lines = ledger.audit()
        feedback: dict[str, Feedback] = {}
        for one in self.records.feedback():
            if one.rating or one.correction:  # a remark without a verdict takes none back
                feedback[one.turn_id] = one
        choices: dict[str, list[AnswerChoice]] = defaultdict(list)
        for choice in self.records.choices():
            choices[choice.turn_id].append(choice)
        self._feedback, self._choices, self._decisions = feedback, choices, _decisions(lines)

    def threads(self) -> list[str]:
        summaries = sorted(self.records.threads(), key=lambda thread: (thread.created_at, thread.thread_id))
        return [thread.thread_id for thread in summaries]

    def consent(self, thread: str) -> bool:
        return self.records.consent(thread)

    def of(self, turn: Turn) -> _Judgements:
        id_ = turn.turn_id
        return _Judgements(self._feedback.get(id_), tuple(self._choices.get(id_, ())), self._decisions.get(id_, {}))

    def judged(self, thread: str) -> int:
        """How many of the turns of a thread were judged in some way."""
        return sum(self.of(turn).any for turn in self.records.turns(thread))

    def close(self) -> None:
        self.records.close()


def _decisions(lines: Sequence[AuditEntry]) -> dict[str, dict[str, _Decision]]:
    """Those about calls, by turn and call; calls that the settings allowed were decided by nobody."""
    asked: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, _Decision]] = defaultdict(dict)
    for line in lines:
        if line.arguments is None:
            continue
        if line.event == "asked":
            asked[line.call_id] = line.arguments
        elif line.event in DECIDED and line.call_id in asked:
            found[line.turn_id][line.call_id] = _Decision(line.event, asked[line.call_id], line.arguments)
    return found


class _LaidOut:
    """A turn as messages, to be ended with one answer or call or another."""

    def __init__(self, turn: Turn, before: Sequence[Turn], tools: tuple[ToolSchema, ...], judged: _Judgements) -> None:
        from agent.context import leans_on_history

        self._turn = turn
        self._schemas = {tool["function"]["name"]: tool for tool in tools}
        self._decided = judged.decisions
        self._box = _box(turn, self._schemas)
        self._before: list[Message] = []
        for earlier in before if leans_on_history(turn.question) else ():
            said = {"role": "assistant", "content": spoken(earlier), "weight": 0}
            self._before += [{"role": "user", "content": earlier.question}, said]

    def answered(self, feedback: Feedback) -> Example:
        old, better = spoken(self._turn), feedback.correction.strip()
        if better and better != old:
            return self._example(self._through(learn_calls=False), _says(better), rejected=_says(old))
        wanted = bool(better) or feedback.rating > 0
        return self._example(self._through(learn_calls=wanted), _says(old), label=wanted)

    def chosen(self, choice: AnswerChoice) -> Example:
        good, bad = (choice.answers[at] for at in (choice.chosen or 0, 1 - (choice.chosen or 0)))
        numbers = [citation.number for citation in self._turn.citations]
        messages = self._through(learn_calls=False)
        return self._example(messages, _says(_bare(good, numbers)), rejected=_says(_bare(bad, numbers)))

    def decisions(self) -> Iterator[Example]:
        """One for each call that a person decided about, after the calls before it."""
        for at, call in enumerate(self._turn.tool_calls):
            decision = self._decided.get(call.id)
            if decision is None:
                continue
            messages = [*self._before, {"role": "user", "content": self._turn.question}]
            for earlier in self._turn.tool_calls[:at]:
                messages += self._call(earlier, weight=0)
            made, asked = self._calls(call.name, decision.allowed), self._calls(call.name, decision.asked)
            if decision.event == "edited" and made != asked:
                yield self._example(messages, made, rejected=asked)
            else:
                yield self._example(messages, made, label=decision.event != "rejected")

    def _through(self, *, learn_calls: bool) -> list[Message]:
        """The question with its passages, and the calls with their results."""
        asked: dict[str, Any] = {"role": "user", "content": self._turn.question}
        if passages := shown(self._turn):
            asked["passages"] = passages
        messages: list[Message] = [*self._before, asked]
        for call in self._turn.tool_calls:
            learned = learn_calls and call.status == "ok" and call.id not in self._decided
            messages += self._call(call, weight=int(learned))
        return messages

    def _call(self, call: RecordedCall, weight: int) -> list[Message]:
        made = self._calls(call.name, call.arguments)
        return [made if weight else made | {"weight": 0}, {"role": "tool", "name": call.name, "content": call.result}]

    def _calls(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        ordered = in_order(arguments, _function(self._schemas[name]))
        return {"role": "assistant", "content": "", "tool_calls": [{"name": name, "arguments": ordered}]}

    def _example(
        self,
        messages: Sequence[Message],
        last: Message,
        *,
        rejected: Message | None = None,
        label: bool | None = None,
    ) -> Example:
        source, group = f"turn:{self._turn.turn_id}", f"thread:{self._turn.thread_id}"
        return Example((*messages, last), self._box, source, group, rejected, label)


def _says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _function(tool: ToolSchema) -> dict[str, Any]:
    function: dict[str, Any] = tool["function"]
    parameters = {"properties": {}, **(function.get("parameters") or {})}
    return {**function, "parameters": parameters}


def _box(turn: Turn, schemas: dict[str, ToolSchema]) -> tuple[ToolSchema, ...]:
    """The tools to choose from: those called and, up to `MOST_TOOLS`, others; none for a turn without calls."""
    called = {call.name for call in turn.tool_calls}
    if not called:
        return ()

    def order(name: str) -> tuple[bool, str]:
        return name not in called, hashlib.sha256(f"{turn.turn_id} {name}".encode()).hexdigest()

    chosen = set(sorted(schemas, key=order)[: max(MOST_TOOLS, len(called))])
    return tuple(tool for name, tool in schemas.items() if name in chosen)


def spoken(turn: Turn) -> str:
    """The answer of a turn as the model said it: the numbers of citations were put in by Ratchet."""
    return _bare(turn.answer, [citation.number for citation in turn.citations])


def _bare(answer: str, numbers: Sequence[int]) -> str:
    marks = "|".join(map(str, sorted(set(numbers), reverse=True)))
    return (re.sub(rf"\s?\[(?:{marks})\](?!\()", "", answer) if marks else answer).strip()


def shown(turn: Turn) -> list[str]:
    """The passages that stood beside the question, the cited ones before others where they are too many.

    Those that a tool brought are in its result.
    """
    from agent import prompts

    if prompts.NOTE_NOT_FOUND in turn.notes:
        return []
    brought = json.dumps([call.artifact.get("passages", []) for call in turn.tool_calls])
    cited = {citation.passage_id for citation in turn.citations}
    found = [passage for passage in turn.passages if f'"{passage.id}"' not in brought]
    kept = sorted(found, key=lambda passage: passage.id not in cited)[:MOST_PASSAGES]
    return [passage.text for passage in found if passage in kept]
