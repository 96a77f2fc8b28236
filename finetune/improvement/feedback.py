"""What people said about answers and calls: how much there is, how much is new, and the examples it makes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from finetune.dataset.card import SourceFacts
from finetune.dataset.duplicates import deduplicate
from finetune.dataset.privacy import PiiReport, Scrubber
from finetune.dataset.records import DECIDED
from finetune.errors import TooLittleFeedback
from finetune.evaluation.answer_metrics import declines, only_holds_back
from finetune.suites.own import items_of

if TYPE_CHECKING:
    from agent.config import Settings
    from finetune.dataset.documents import Complete
    from finetune.dataset.sources import Source
    from finetune.improvement.options import ImproveOptions
    from finetune.schema import Example, ToolSchema
    from knowledge.index import KnowledgeIndex

LEAST_TESTED = 20  # what the gate judges from
LEAST_LEARNED = 20
_SHOWN = 3  # of what is left out, for people to read
_WIDTH = 60  # characters of what is shown
_OVERTURNS = "an answer to what the model had declined, which --overturn learns, too"


@dataclass(frozen=True, slots=True)
class Signals:
    """Judgements that may be learned from.

    Attributes:
        ids: of feedback that counts, of choices, and of calls that a person decided about.
        threads: conversations they are from.
        withheld: judgements in conversations that nothing may be learned from.
        calls: whether some are about turns with calls.
    """

    ids: tuple[str, ...] = ()
    threads: int = 0
    withheld: int = 0
    calls: bool = False

    def since(self, known: Iterable[str]) -> int:
        """How many are not among those known."""
        return len(set(self.ids) - set(known))


def signals(database: Path) -> Signals:
    """What is recorded; conversations whose user does not consent are counted, not read.

    Raises:
        DatabaseError: the database cannot be read.
    """
    from agent.calls.ledger import CallLedger
    from agent.records import Records

    if not database.is_file():
        return Signals()
    with closing(Records(database)) as records:
        judged: dict[str, list[str]] = {}
        latest = {one.turn_id: one.feedback_id for one in records.feedback() if one.rating or one.correction}
        marks = [*latest.items(), *((choice.turn_id, choice.choice_id) for choice in records.choices())]
        with closing(CallLedger(database)) as ledger:
            marks += [(line.turn_id, line.call_id) for line in ledger.audit() if line.event in DECIDED]
        for turn_id, mark in marks:
            judged.setdefault(turn_id, []).append(mark)
        ids: list[str] = []
        threads = withheld = 0
        calls = False
        for thread in records.threads():
            turns = [turn for turn in records.turns(thread.thread_id) if turn.turn_id in judged]
            found = [mark for turn in turns for mark in judged[turn.turn_id]]
            if not records.consent(thread.thread_id):
                withheld += len(found)
                continue
            ids += found
            threads += bool(found)
            calls = calls or any(turn.tool_calls for turn in turns)
    return Signals(tuple(ids), threads, withheld, calls)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What there is to learn from, scrubbed, no two the same.

    Attributes:
        examples: those that say what is wanted.
        sources: for the data card.
        dropped: how many were left out, by reason.
        pii: what was scrubbed.
        overturning: those left out because they answer what the model had declined.
    """

    examples: tuple[Example, ...]
    sources: tuple[SourceFacts, ...]
    dropped: dict[str, int]
    pii: PiiReport
    overturning: tuple[Example, ...] = ()

    @property
    def facts(self) -> list[str]:
        """What there is, for people."""
        lines = [f"{one.name}: {one.facts or 'nothing'}" for one in self.sources]
        lines += [f"left out, {reason}: {count:,}" for reason, count in self.dropped.items()]
        return lines + [f"  such as {_told(example)}" for example in self.overturning[:_SHOWN]]


def gather(settings: Settings, options: ImproveOptions, known: Signals) -> Gathered:
    """Read all sources.

    Raises:
        TooLittleFeedback: there is not enough to learn and to measure from.
        DatasetError: a file or collection that was named cannot be used.
    """
    scrubber, found, facts = Scrubber(), list["Example"](), list[SourceFacts]()
    with ExitStack() as opened:
        chosen = sources(settings, options, known, opened)
        for source in chosen:
            source.check()
        for source in chosen:
            before = len(found)
            found += [scrubber(example) for example in source.read()]
            left = dict(sorted(source.reading.left_out.items()))
            facts.append(SourceFacts(source.name, source.reading.facts, len(found) - before, left))
    distinct = deduplicate(found, seed=options.seed)
    said = [example for example in distinct.kept if example.label is not False]
    wanted, overturning = list["Example"](), list["Example"]()
    for example in said:
        (overturning if overturns(example) and not options.overturn else wanted).append(example)
    dropped = {
        "the same as another": distinct.exact,
        "nearly the same as another": distinct.near,
        "wanted in one, unwanted in another": distinct.contradictory,
        "a thumb down without a correction, which says only what is not wanted": len(distinct.kept) - len(said),
        _OVERTURNS: len(overturning),
    }
    for fact in facts:
        for reason, count in fact.left_out.items():
            dropped[reason] = dropped.get(reason, 0) + count
    named = {reason: count for reason, count in dropped.items() if count}
    return Gathered(tuple(wanted), tuple(facts), named, scrubber.report, tuple(overturning))


def _told(example: Example) -> str:
    """What was asked last, and what people want to be answered, each in part."""
    asked = next((str(one.get("content")) for one in reversed(example.messages) if one["role"] == "user"), "")
    said = str(example.messages[-1].get("content"))
    return " → ".join(f'"{shorten(text, _WIDTH, placeholder=" …")}"' for text in (asked, said))


def overturns(example: Example) -> bool:
    """Whether an example teaches to meet what was declined: by a correction, or by a choice between two answers."""
    if example.rejected is None:
        return False
    old, wanted = (str(message.get("content") or "") for message in (example.rejected, example.messages[-1]))
    return declines(old) and not only_holds_back(wanted)


def sources(
    settings: Settings, options: ImproveOptions, known: Signals, opened: ExitStack, limit: int = 0
) -> list[Source]:
    """What was chosen, in the order of preference; `opened` closes what they need.

    With a `limit`, of a file that is too large to be read whole the first so many records are taken.

    Raises:
        KnowledgeError: the collection cannot be opened.
        ModelError: the model that is to write questions cannot be used.
    """
    from finetune.dataset import DocumentSource, FileSource, RecordSource
    from finetune.dataset.files import MOST_BYTES

    chosen: list[Any] = []
    if options.records and known.ids:
        chosen.append(RecordSource(settings.database, tools_of(settings) if known.calls else ()))
    for path in map(Path, options.files):
        too_large = path.is_file() and path.stat().st_size > MOST_BYTES
        chosen.append(FileSource(path, limit if limit and too_large else None))
    if options.documents:
        from agent.documents import open_embeddings
        from knowledge.index import KnowledgeIndex

        embeddings = open_embeddings(settings)
        opened.callback(embeddings.close)
        index = KnowledgeIndex.open(settings.indexes_folder / options.documents, embeddings.fingerprint)
        opened.callback(index.close)
        complete, tools = writing(settings, options.writer, opened), tools_with(settings, index)
        chosen.append(DocumentSource(index, complete=complete, writer=options.writer, tools=tools, seed=options.seed))
    return chosen


def writing(settings: Settings, spec: str, opened: ExitStack) -> Complete | None:
    """What the model that was chosen says to a prompt; None where none was. `opened` frees its memory.

    Raises:
        ModelError: it cannot be used.
    """
    if not spec:
        return None
    from agent.config import with_model
    from agent.models import build_chat_model
    from finetune.dataset import completing

    # An adapter that the settings name is for the model that they name.
    model = build_chat_model(spec, settings if spec == settings.model.name else with_model(settings, spec, ""))
    if close := getattr(model, "close", None):
        opened.callback(close)
    return completing(model)


def tools_with(settings: Settings, index: KnowledgeIndex) -> tuple[ToolSchema, ...]:
    """Schemas of the tools that the agent offers over a collection, in OpenAI's form, and that need no loaded model."""
    from langchain_core.utils.function_calling import convert_to_openai_tool

    from agent.calls.toolbox import open_toolbox, policy_of
    from knowledge.schema import Retrieval

    policy = policy_of(settings)
    # The tools are described, not called.
    toolbox = open_toolbox(settings, search=lambda query: Retrieval(query, (), False, 0.0, 0.0), documents=index)
    with closing(toolbox):
        allowed = [spec.tool for spec in toolbox.tools.values() if policy.of(spec) != "deny"]
        return tuple(convert_to_openai_tool(tool) for tool in allowed)


def tools_of(settings: Settings) -> tuple[ToolSchema, ...]:
    """Schemas of the tools there are, in OpenAI's form."""
    from langchain_core.utils.function_calling import convert_to_openai_tool

    from agent.session import ChatSession

    with ChatSession(settings) as session:
        return tuple(convert_to_openai_tool(spec.tool) for spec in session.toolbox.tools.values())


def check_enough(gathered: Gathered, known: Signals) -> None:
    """Stop before time is spent where it could prove nothing.

    Raises:
        TooLittleFeedback: fewer examples than it takes.
    """
    usable = sum(any(items_of(example, "yours")) for example in gathered.examples)
    needed = LEAST_TESTED + LEAST_LEARNED
    if usable >= needed:
        return
    what = f"There {'is' if usable == 1 else 'are'} {usable:,} to learn from"
    what += f", and it takes {needed}: {LEAST_LEARNED} to learn from and {LEAST_TESTED} to measure with."
    why = "; ".join(f"{reason}: {count:,}" for reason, count in gathered.dropped.items())
    if known.withheld:
        why = "; ".join(filter(None, [why, f"in conversations without consent: {known.withheld:,}"]))
    raise TooLittleFeedback(
        what + (f" Left out: {why}." if why else ""),
        kept="Nothing was done, and all feedback is kept.",
        fix="Go on with `/good`, `/bad` and `/correct` in the chat, or add examples with --file or --documents.",
    )


def without_groups(examples: Iterable[Example]) -> list[Example]:
    """The same examples, each a group of its own."""
    return [replace(example, group=f"question:{example.key[:16]}") for example in examples]
