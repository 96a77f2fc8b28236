"""Questions about whole documents: which one is meant, and an answer from all of it.

A document that fits into the prompt is shown to the model as a whole. A longer one is read part by part by a
large model; for a small one it is quoted, section by section, without asking the model. What was not
considered is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, cast

from langgraph.config import get_stream_writer

from agent import prompts
from agent.aside import think
from agent.comparison import Side, compare
from agent.document_requests import Request, Target, recognize
from agent.extracts import extract, outline
from agent.followups import Focus
from agent.reciting import Piece, quoted_passages, recite
from agent.schema import Note, Retrieved
from agent.sections import (
    centrality_of,
    positions_under,
    sections_of,
    spread,
)
from agent.speech import Speech
from agent.state import Dependencies, Documents, TurnState, add_usage, asked, filter_of
from knowledge.index.filters import matching
from knowledge.naming import Found, find, title_of, words_of
from knowledge.schema import Passage

MOST_LISTED = 10  # documents named when the question leaves open which
MOST_READINGS = 12  # model calls for one long document, before the last one that puts them together
LONGEST_NOTES = 1200  # characters of what the model notes on one part
PATIENCE = 20  # unsupported sentences after which a strict answer is stopped
_SHORT_REPLY = 8  # words of "the second one", "tutorial/middleware.md" in reply to "which one?"
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NUMBER = re.compile(r"^(?:the\s+|number\s+|no\.?\s*|#)?(\w+)(?:\s+(?:one|file|document))?$", re.IGNORECASE)


class DocumentNodes:
    """What the graph does with a question about whole documents."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def prepare(self, state: TurnState) -> TurnState | None:
        """What is asked of which documents, or what has to be asked back; None for any other question.

        With sources in its `request` the "document" node answers; with `passages` the model does, from the whole text.
        """
        documents, focus = self._deps.documents, Focus.from_json(state.get("focus", {}))
        if documents is None:
            return None
        request, chosen = self._requested(asked(state), focus)
        if request is None:
            return None
        if not chosen:
            outcome = self._choose(request, state, focus)
            if not isinstance(outcome, list):
                return outcome
            chosen = outcome
        section = request.targets[0].section
        texts = [self._side(source, "", section).passages for source in chosen]
        if section and not all(texts):
            return None
        if empty := [source for source, passages in zip(chosen, texts, strict=True) if not passages]:
            return _reply(self._unreadable(empty[0]))
        evidence = [passage for passages in texts for passage in passages]
        if self._deps.budget.small or request.kind not in {"summary", "comparison"} or not self._fits(evidence):
            wanted = {"kind": request.kind, "sources": list(chosen), "section": section}
            return {"request": wanted, "query": asked(state)}
        get_stream_writer()(Retrieved(tuple(evidence), True, 0.0, asked(state)))
        return {
            "request": {"kind": request.kind},
            "passages": [passage.to_json() for passage in evidence],
            "relevant": True,
            "searched": True,
            "query": asked(state),
        }

    def _requested(self, question: str, focus: Focus) -> tuple[Request | None, list[str]]:
        """The request, and its source where the question is the reply to "which one?"."""
        if (request := recognize(question)) is not None:
            return request, []
        if focus.choices and len(question.split()) <= _SHORT_REPLY:
            if (source := _picked(question, focus.choices)) is not None:
                return Request(focus.kind, (Target(source),)), [source]  # type: ignore[arg-type]  # it was a Kind
        return None, []

    def _choose(self, request: Request, state: TurnState, focus: Focus) -> list[str] | TurnState | None:
        """The source of each target; or a reply that asks back; or None where no document is meant after all."""
        sources = self._allowed(state)
        if not all(target.name or target.sure for target in request.targets):
            before = [source for source in focus.sources if source in sources] if focus.kind else []
            return before if len(before) == len(request.targets) else None
        if len(request.targets) == 2 and any(target.section for target in request.targets):
            return None  # whole documents are compared; a search finds what is said in two sections
        if len(request.targets) == 2 and not any(target.name for target in request.targets):
            cited = [source for source in focus.sources if source in sources]
            pair = cited if len(cited) == 2 else sorted(sources)
            return pair if len(pair) == 2 else _reply(prompts.WHICH_TWO)
        chosen: list[str] = []
        for target in request.targets:
            found = self._find(target, sources, focus)
            if found is None:
                return None
            if not found.known:
                return _reply(self._unknown(target, found))
            if len(found.sources) > 1:
                single = len(request.targets) == 1
                return _which(found.sources, kind=request.kind if single else "", name=target.name)
            chosen += found.sources
        if len(set(chosen)) < len(chosen):
            return _reply(prompts.SAME_TWICE.format(name=PurePath(chosen[0]).name))
        return chosen

    def _find(self, target: Target, sources: Sequence[str], focus: Focus) -> Found | None:
        if target.name:
            found = find(target.name, sources, lambda title: () if target.sure else self._titled(title, sources))
            about = not found.known and " " in target.name  # "the wildcards in cors.md" is no name, but ends with one
            if about and find(target.name.split()[-1], sources, lambda title: ()).known:
                return None
            return found if found.known or target.sure else None
        if not sources:
            return None
        cited = [source for source in focus.sources if source in sources]
        return Found((cited[0],)) if len(cited) == 1 else Found(tuple(cited or sorted(sources)))

    def _allowed(self, state: TurnState) -> list[str]:
        """The sources that the turn's filter lets through."""
        files, where = self._documents.sources(), filter_of(state)
        return list(files) if where is None else list(matching(where, files.values()))

    def _titled(self, title: str, sources: Sequence[str]) -> list[str]:
        """Sources found by a search for their title that do bear it."""
        if self._deps.search is None:
            return []
        hits = dict.fromkeys(passage.source for passage in self._deps.search(title, 20).passages)
        documents, wanted = self._documents, words_of(title)
        return [
            source
            for source in hits
            if source in sources and words_of(title_of(documents.passages(documents.rows_of(source)))) == wanted
        ]

    @property
    def _documents(self) -> Documents:
        documents = self._deps.documents
        assert documents is not None  # noqa: S101 - `prepare` answers None before anything asks for it
        return documents

    def _unknown(self, target: Target, found: Found) -> str:
        near = ", ".join(PurePath(source).name for source in found.sources)
        return prompts.NO_SUCH_DOCUMENT.format(name=target.name) + (
            f" {prompts.NEAR.format(names=near)}" if near else ""
        )

    def _unreadable(self, source: str) -> str:
        reason = getattr(self._documents.sources()[source], "failure", "")
        return prompts.NOTHING_READ.format(name=PurePath(source).name, reason=reason or "It holds no text.")

    def _cost(self, passages: Sequence[Passage]) -> int:
        return sum(self._deps.model.get_num_tokens(passage.text) + 12 for passage in passages)

    def _fits(self, passages: Sequence[Passage]) -> bool:
        return self._cost(passages) <= self._deps.budget.passages

    def answer(self, state: TurnState) -> TurnState:
        """The node that answers from whole documents without putting them into one prompt."""
        kind, sources = state["request"]["kind"], state["request"]["sources"]
        if len(sources) == 2:
            one, other = map(self._side, sources, short_names(sources))
            return self._recited(state, compare(one, other), [])
        section = state["request"].get("section", "")
        name = PurePath(sources[0]).name
        side = self._side(sources[0], f"{name}, section “{section}”" if section else name, section)
        if kind == "outline":
            return self._recited(state, outline(side), [])
        if self._deps.budget.small:
            return self._recited(state, *extract(side))
        return self._read(state, side)

    def _side(self, source: str, name: str, section: str = "") -> Side:
        rows = self._documents.rows_of(source)
        if section:
            rows = rows[positions_under(self._documents.passages(rows), section)]
        return Side(name, self._documents.passages(rows), self._documents.vectors(rows))

    def _recited(self, state: TurnState, pieces: Sequence[Piece], remarks: Sequence[str]) -> TurnState:
        passages = quoted_passages(pieces)
        get_stream_writer()(Retrieved(passages, True, self._deps.clock.elapsed(), state.get("query", "")))
        notes = _noted(state, remarks)
        said = recite(pieces, self._deps.clock)
        timings = {**state.get("timings", {}), "retrieve": self._deps.clock.elapsed(), **said["timings"]}
        update: dict[str, Any] = {
            "passages": [passage.to_json() for passage in passages],
            "relevant": True,
            "searched": True,
            "notes": notes,
        }
        return cast(TurnState, update | said | {"timings": timings})

    def _read(self, state: TurnState, side: Side) -> TurnState:
        """A long document read part by part; the notes on the parts become the answer, checked against the text."""
        deps, question = self._deps, asked(state)
        passages, remarks = self._readable(side)
        get_stream_writer()(Retrieved(tuple(passages), True, deps.clock.elapsed(), state.get("query", "")))
        parts, usage = self._parts(passages), state.get("usage", {})
        read: list[str] = []
        for number, part in enumerate(parts, 1):
            if deps.clock.cancelled.is_set():
                break
            text = "\n\n".join(passage.text for passage in part)
            place = prompts.PART.format(number=number, parts=len(parts), name=side.name, question=question, text=text)
            noted = think(deps.model, place, deps.clock, LONGEST_NOTES)
            usage = add_usage(usage, noted)
            read.append(f"Part {number}: {str(noted.text).strip()}")
        notes = _noted(state, remarks)
        prompt = prompts.PARTS.format(name=side.name, notes="\n\n".join(read), question=question)
        return self._spoken(state, prompt, passages, usage, notes)

    def _spoken(
        self, state: TurnState, prompt: str, passages: Sequence[Passage], usage: dict[str, int], notes: list[str]
    ) -> TurnState:
        from langchain_core.messages import HumanMessage, SystemMessage

        deps = self._deps
        deps.last_prompt = [SystemMessage(prompts.SYSTEM_WHOLE), HumanMessage(prompt)]
        speech = Speech(passages, deps.clock, strict=deps.strict, patience=PATIENCE)
        message = speech.listen(deps.model, deps.last_prompt, deps.model.get_num_tokens)
        status = speech.status(message)
        remarks = speech.remarks(status, deps.budget.answer)
        update = cast(TurnState, speech.shown())
        cited = {citation["passage_id"] for citation in update["citations"]}
        kept = [passage for passage in passages if passage.id in cited] or passages[:5]
        update |= {
            "passages": [passage.to_json() for passage in kept],
            "relevant": True,
            "searched": True,
            "steps": 1,
            "usage": add_usage(usage, message),
            "timings": speech.timings() | state.get("timings", {}),
            "notes": _noted({"notes": notes}, remarks),
        }
        return update | cast(TurnState, speech.result(status))

    def _readable(self, side: Side) -> tuple[list[Passage], list[str]]:
        """All passages, or as many as a bounded number of readings takes, spread over the sections."""
        room = MOST_READINGS * self._deps.budget.passages
        cost, total = self._cost(side.passages), len(side.passages)
        if cost <= room:
            return list(side.passages), []
        sections = sections_of(side.passages)
        most = max(1, int(0.95 * total * room / cost))
        chosen = spread(sections, centrality_of(side.vectors, sections), most)
        note = prompts.NOTE_PART_CONSIDERED.format(considered=len(chosen), total=total, name=side.name)
        return [side.passages[at] for at in chosen], [note]

    def _parts(self, passages: Sequence[Passage]) -> list[list[Passage]]:
        parts: list[list[Passage]] = [[]]
        used = 0
        for passage in passages:
            cost = self._cost([passage])
            if parts[-1] and used + cost > self._deps.budget.passages:
                parts.append([])
                used = 0
            parts[-1].append(passage)
            used += cost
        return parts


def _picked(reply: str, choices: Sequence[str]) -> str | None:
    """The choice that a reply to "which one?" names, by number, name or path."""
    text = reply.strip().rstrip(".!?").lower()
    if (match := _NUMBER.match(text)) is not None:
        word = match.group(1)
        place = _ORDINALS.index(word) if word in _ORDINALS else int(word[:4]) - 1 if word.isdecimal() else -1
        place = len(choices) - 1 if word == "last" else place
        if 0 <= place < len(choices):
            return choices[place]
    found = find(text.removeprefix("the ").removesuffix(" one"), choices, lambda title: ())
    return found.sources[0] if found.known and len(found.sources) == 1 else None


def _which(sources: Sequence[str], *, kind: str, name: str) -> TurnState:
    shown = short_names(sources)[:MOST_LISTED]
    listed = "\n".join(f"{number}. {each}" for number, each in enumerate(shown, 1))
    more = f"\nand {len(sources) - MOST_LISTED} more" if len(sources) > MOST_LISTED else ""
    question = prompts.WHICH_OF.format(name=name) if name else prompts.WHICH
    reply = _reply(f"{question}\n{listed}{more}")
    if kind:
        reply["request"] = {"kind": kind, "choices": list(sources[:MOST_LISTED])}
    return reply


def short_names(sources: Sequence[str]) -> list[str]:
    """The paths without the folders that all of them share."""
    parts = [PurePath(source).parts for source in sources]
    shared = 0
    while all(len(each) > shared + 1 for each in parts) and len({each[shared] for each in parts}) == 1:
        shared += 1
    return ["/".join(each[shared:]) for each in parts]


def _reply(text: str) -> TurnState:
    """An answer that no model wrote; the graph says it and ends the turn."""
    return {"answer": text, "status": "done"}


def _noted(state: TurnState, remarks: Sequence[str]) -> list[str]:
    """Stream and keep the notes that have not been said yet."""
    notes = list(state.get("notes", []))
    for remark in remarks:
        if remark not in notes:
            notes.append(remark)
            get_stream_writer()(Note(remark))
    return notes
