"""What the agent adds to the model, and how it compares with a bare LangChain agent, in one run.

Every question is asked three ways, one after the other, in an order that rotates:

ratchet  a `ChatSession` turn, warm: retrieval, prompt, model, citations, checkpoint, record.
direct   the very same prompt, as the session sent it, put straight to a llama.cpp server.
bare     `langchain.agents.create_agent` with one retriever tool over the same index, as its users build it:
         the model is asked, calls the tool, and is asked again with the passages.

Fairness. The three use three servers loaded from the same file with the same threads, context and slots, so
none can read what another has cached; each begins with its own system prompt computed, as a warm session's
is. Ratchet and direct then see the same prompts in the same order, so their caches hold the same: the cached
and computed tokens of both are in the table. An unmeasured first pass captures the prompts and warms
everything; between two prompts of the same question lie all the others, so no answer is found half done.
Both are greedy with the same limit and write the same answer, which is checked. The clock stops for the
first token when a user could read it, and for the total when the last event has come. Questions that the
retriever finds nothing for are answered without the model and left out.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from agent.config import ModelSettings, Settings
from agent.schema import Done, Token
from agent.session import ChatSession
from benchmarks.measure import Table, arguments, machine, publish, share, summarize
from benchmarks.workspace import options, questions, workspace
from knowledge.llama import CpuClock, free_threads, start_server

KEY = "benchmark"
SLOTS = 2  # as many as the engine behind local: models has
CONTEXT = 4096
BARE_STEPS = 8  # of LangGraph: three model calls with the tools between them
BARE_PROMPT = (
    "Answer the user's question in one to three short sentences, using the search tool to find the facts."
)


@dataclass(slots=True)
class Run:
    """One question, asked one way. Seconds; tokens are those of the last model call, -1 where unknown."""

    first: float = float("nan")
    total: float = float("nan")
    answer: str = ""
    prompt_tokens: int = -1
    cached_tokens: int = -1
    completion_tokens: int = -1
    tool_calls: int = 0
    error: str = ""


@dataclass(slots=True)
class Trio:
    """The same question, asked all three ways."""

    question: str
    messages: list[Any]
    runs: dict[str, Run] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    options(parser)
    parser.add_argument("--turns", type=int, default=30, help="measured questions, each asked three ways")
    parser.add_argument("--max-tokens", type=int, default=64, help="longest answer of all three")
    parser.add_argument("--threads", type=int, default=0, help="of each server; 0: as many as are free")
    given = parser.parse_args()
    facts = machine()
    clock = CpuClock()
    time.sleep(1)
    threads = free_threads(clock, given.threads)
    model = ModelSettings(max_tokens=given.max_tokens, threads=threads, context_tokens=CONTEXT)
    with (
        workspace(given.docs, given.home, model=model) as place,
        ChatSession(place.settings) as session,
    ):
        trios = capture(session, given.turns)
        system = trios[0].messages[:1]
        direct = Direct(place.settings, threads, system)
        ways: dict[str, Callable[[Trio], Run]] = {
            "ratchet": lambda trio: ratchet(session, trio),
            "direct": direct.ask,
            "bare": Bare(place.settings, threads, session).ask,
        }
        ways["bare"](trios[-1])
        names = list(ways)
        for number, trio in enumerate(trios):
            turned = names[number % 3 :] + names[: number % 3]
            trio.runs = {name: ways[name](trio) for name in turned}
    publish(facts | {"threads": str(threads)}, {"turns": trios}, tables(trios), given.json)


def capture(session: ChatSession, wanted: int) -> list[Trio]:
    """Questions for which the model is shown passages, with the prompts it is sent; asked again when too few."""
    found: list[Trio] = []
    for question in questions(answered=True):
        session.new_thread()
        turn = session.ask(question.question)
        if turn.passages and turn.usage.prompt_tokens and not turn.tool_calls:
            found.append(Trio(question.question, list(session.last_prompt)))
    if not found:
        raise SystemExit("No question reached the model: is the index of these documents?")
    return [Trio(trio.question, trio.messages) for _, trio in zip(range(wanted), _again(found), strict=False)]


def _again(trios: list[Trio]) -> Iterator[Trio]:
    while True:
        yield from trios


def ratchet(session: ChatSession, trio: Trio) -> Run:
    """A turn of the session, in a thread of its own."""
    session.new_thread()
    run = Run()
    began = time.perf_counter()
    for event in session.stream(trio.question):
        if isinstance(event, Token) and run.first != run.first:
            run.first = time.perf_counter() - began
        elif isinstance(event, Done):
            usage = event.turn.usage
            run.prompt_tokens, run.cached_tokens = usage.prompt_tokens, usage.cached_tokens
            run.completion_tokens, run.answer = usage.completion_tokens, event.turn.answer
    run.total = time.perf_counter() - began
    return run


class Direct:
    """The model server alone: a request goes in, parsed chunks come out, without HTTP."""

    def __init__(self, settings: Settings, threads: int, system: list[Any]) -> None:
        self._settings = settings
        self._server = server(settings, threads)
        self._send(system, 1, lambda chunk: None)

    def _send(self, messages: list[Any], limit: int, receive: Callable[[Any], None]) -> None:
        from langchain_core.messages import convert_to_openai_messages

        body = {
            "messages": convert_to_openai_messages(messages),
            "max_tokens": limit,
            "temperature": self._settings.model.temperature,
            "seed": self._settings.model.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        self._server.handle_chat_completions(body, receive)

    def ask(self, trio: Trio) -> Run:
        """Send the captured prompt."""
        run = Run()

        def receive(chunk: dict[str, Any]) -> None:
            if usage := chunk.get("usage"):
                run.prompt_tokens, run.completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]
                run.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    run.first = time.perf_counter() - began if run.first != run.first else run.first
                    run.answer += text

        began = time.perf_counter()
        self._send(trio.messages, self._settings.model.max_tokens, receive)
        run.total = time.perf_counter() - began
        return run


class Bare:
    """`create_agent` with a retriever tool, over the HTTP address of a server of its own."""

    def __init__(self, settings: Settings, threads: int, session: ChatSession) -> None:
        from langchain.agents import create_agent
        from langchain_core.tools import create_retriever_tool
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        self._server = server(settings, threads)
        model = ChatOpenAI(
            model="local",
            base_url=f"{self._server.listening_address}/v1",
            api_key=SecretStr(KEY),
            temperature=settings.model.temperature,
            seed=settings.model.seed,
            max_completion_tokens=settings.model.max_tokens,
            stream_usage=True,
            use_responses_api=False,
            max_retries=0,
        )
        about = "Search the user's documents. Input: a question or key words."
        retriever = session._runtime.retriever  # noqa: SLF001 - the same open index, not a second copy
        assert retriever is not None
        tool = create_retriever_tool(retriever, "search_documents", about)
        self._agent = create_agent(model, [tool], system_prompt=BARE_PROMPT)

    def ask(self, trio: Trio) -> Run:
        """Ask as a user of `create_agent` would, streaming the model's words."""
        from langchain_core.messages import AIMessageChunk, ToolMessage

        run = Run()
        asked = {"messages": [{"role": "user", "content": trio.question}]}
        began = time.perf_counter()
        try:
            stream = self._agent.stream(asked, {"recursion_limit": BARE_STEPS}, stream_mode="messages")
            for message, _ in stream:
                if isinstance(message, ToolMessage):
                    run.tool_calls += 1
                    run.answer = ""
                elif isinstance(message, AIMessageChunk) and message.text:
                    run.first = time.perf_counter() - began if run.first != run.first else run.first
                    run.answer += message.text
        # What a bare agent does with a weak model is part of the result, whatever it raises.
        except Exception as error:
            run.error = f"{type(error).__name__}: {error}"[:200]
        run.total = time.perf_counter() - began
        return run


def server(settings: Settings, threads: int) -> Any:
    """A llama.cpp server like the one in the session."""
    from agent.models.bundled import prepare

    path = prepare(settings.models_folder)
    return start_server(path, context=CONTEXT, threads=threads, slots=SLOTS, api_key=KEY)


def tables(trios: list[Trio]) -> list[Table]:
    """The ratios per question, and what they are made of."""
    head = ("way", "first token", "in all", "prompt tokens", "of them cached", "answer tokens")
    rows = [(name, *_row([trio.runs[name] for trio in trios])) for name in ("ratchet", "direct", "bare")]
    pairs = [
        ("ratchet / direct, first token", *_ratio(trios, "direct", "first")),
        ("ratchet / direct, in all", *_ratio(trios, "direct", "total")),
        ("ratchet / bare, first token", *_ratio(trios, "bare", "first")),
        ("ratchet / bare, in all", *_ratio(trios, "bare", "total")),
    ]
    ours = [trio.runs["ratchet"] for trio in trios]
    same = sum(
        ours.prompt_tokens == trio.runs["direct"].prompt_tokens
        for ours, trio in zip(ours, trios, strict=True)
    )
    equal = sum(
        ours.completion_tokens == trio.runs["direct"].completion_tokens
        for ours, trio in zip(ours, trios, strict=True)
    )
    bare = [trio.runs["bare"] for trio in trios]
    notes = [
        ("ratchet and direct read prompts of the same length", share(same, len(trios))),
        ("ratchet and direct wrote answers of the same length", share(equal, len(trios))),
        ("bare agent called its tool", share(sum(run.tool_calls > 0 for run in bare), len(bare))),
        ("bare agent said something", share(sum(bool(run.answer.strip()) for run in bare), len(bare))),
        ("bare agent failed", share(sum(bool(run.error) for run in bare), len(bare))),
    ]
    return [
        Table(f"Medians of {len(trios)} turns each", head, rows),
        Table("Ratio per question", ("ratio", "median", "p90", "n"), pairs),
        Table("Checks", ("what", "result"), notes),
    ]


def _row(runs: list[Run]) -> list[str]:
    seconds = [summarize(value for value in values if value == value) for values in (
        [run.first for run in runs], [run.total for run in runs]
    )]  # fmt: skip
    counts = [
        [run.prompt_tokens for run in runs], [run.cached_tokens for run in runs], [run.completion_tokens for run in runs]
    ]  # fmt: skip
    known = [f"{statistics.median(values):.0f}" if min(values) >= 0 else "not counted" for values in counts]
    return [*(value.show(3, "s") for value in seconds), *known]


def _ratio(trios: list[Trio], other: str, part: str) -> tuple[str, str, int]:
    pairs = [(getattr(trio.runs["ratchet"], part), getattr(trio.runs[other], part)) for trio in trios]
    ratios = summarize(ours / theirs for ours, theirs in pairs if ours == ours and theirs == theirs)
    return f"{ratios.median:.3f}", f"{ratios.p90:.3f}", ratios.n


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
