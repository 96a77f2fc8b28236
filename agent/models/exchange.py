"""What is said between a chat model and llama.cpp for one reply: which requests, and what they yield.

No input or output happens here, so that the synchronous and the asynchronous model share it all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.errors import ModelError
from agent.models.conversation import (
    ASKED_FOR,
    Turns,
    all_said,
    asked_before,
    each_request_alone,
    question_of,
    reworded,
    spoken_freely,
    to_request,
    to_turns,
)
from agent.models.missing_arguments import question_for, regret_for
from agent.models.request_parts import asks_again, marks_more
from agent.models.tool_calls import MOST_CALLS, Call, Lacking, ToolChoice, json_grammar

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, BaseMessage

    from agent.models.asked_form import AskedForm

_DECISION_TOKENS = 256  # for a first try at tool calls; they are seldom longer
_PATIENCE = 4  # times as many for the second
_SEVERAL = 2  # calls; where requests that are asked for alone yield fewer, they may be one


class Exchange:
    """One reply: choose tools, each time again with more room where a call did not fit, else answer.

    Of a message that asks for several things each is chosen for alone; for all of it where that finds no two calls.

    Use: send every body that `next_request` gives, `feed` it the chunks, then take `last_chunk`.

    Args:
        messages: the conversation.
        parameters: sampling parameters of every request, as llama.cpp names them.
        choice: the tools to choose from.
        is_control: whether a text is one control token of the model.
        schema: a JSON Schema that the answer must satisfy, or None.
        end: the control token by which the model ends a reply; empty where it is not known.
        keep_form: hold the answer to the form that the user asks for, where it rests on nothing but the model.
    """

    def __init__(
        self,
        messages: Sequence[BaseMessage],
        parameters: dict[str, Any],
        choice: ToolChoice,
        is_control: Callable[[str], bool],
        schema: dict[str, Any] | None = None,
        end: str = "",
        keep_form: bool = False,
    ) -> None:
        self._messages, self._parameters, self._choice = messages, parameters, choice
        self._is_control, self._schema, self._end = is_control, schema, end
        self._deciding = bool(choice.tools)
        self._form = _form_of(spoken_freely(messages)) if keep_form and schema is None else None
        alone = each_request_alone(messages) if choice.divisible else []
        self._undecided = [*alone, messages]
        self._decided: list[Decided] = []
        self._tries = 0
        self._written = ""
        self._finish = ""
        self._usage = [0, 0, 0]
        self._timings: dict[str, Any] = {}
        self._calls: list[Call] = [choice.forced] if choice.forced else []
        self._remark = ""
        self._wanted: list[str] = []
        self._done = bool(self._calls)

    def next_request(self) -> dict[str, Any] | None:
        """The body to send next, or None when the reply is complete.

        Raises:
            ModelError: the tool call did not fit into its tokens, or a schema could not be enforced.
        """
        if self._deciding and self._tries:
            self._decide()
        if self._done:
            return None
        self._written = ""
        if self._deciding:
            self._tries += 1
            return self._decision()
        self._done = True
        return self._answer()

    def feed(self, chunk: dict[str, Any]) -> str:
        """Take a chunk of the response; returns text of the answer, empty when there is none in it."""
        if usage := chunk.get("usage"):
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            for index, count in enumerate((usage["prompt_tokens"], usage["completion_tokens"], cached)):
                self._usage[index] += count
            self._timings = chunk.get("timings") or {}
        if not chunk["choices"]:
            return ""
        choice = chunk["choices"][0]
        self._finish = choice.get("finish_reason") or self._finish
        text = choice["delta"].get("content") or ""
        self._written += text
        if self._deciding:
            return ""
        return self._form.form.shown(text) if self._form else text

    def last_chunk(self, model_name: str) -> AIMessageChunk:
        """The chunk that ends the reply: tool calls, what is said of those not made, usage, and why it ended."""
        from langchain_core.messages import AIMessageChunk
        from langchain_core.messages.tool import tool_call_chunk

        prompt, completion, cached = self._usage
        if self._form and not self._calls and self._finish == "stop":
            self._remark += self._form.form.closing(self._written)
        calls = [
            tool_call_chunk(
                name=name, args=json.dumps(arguments, ensure_ascii=False), id=f"call_{uuid.uuid4().hex}", index=index
            )
            for index, (name, arguments) in enumerate(self._calls)
        ]
        return AIMessageChunk(
            content=self._remark,
            tool_call_chunks=calls,
            usage_metadata={
                "input_tokens": prompt,
                "output_tokens": completion,
                "total_tokens": prompt + completion,
                "input_token_details": {"cache_read": cached},
            },
            response_metadata={
                "finish_reason": "tool_calls" if calls else self._finish,
                "model_name": model_name,
                "model_provider": "local",
                "timings": self._timings,
                **({ASKED_FOR: self._wanted} if self._wanted else {}),
            },
            chunk_position="last",
        )

    def _decide(self) -> None:
        if self._finish == "length" and self._choice.could_become(self._written):
            if self._tries == 1:
                return  # once more, with more room
            raise ModelError(
                f"The model wrote a tool call that did not end within {_DECISION_TOKENS * _PATIENCE} tokens.",
                kept="No tool was called.",
                fix="Ask more simply, or limit the length of the tool's arguments in its schema.",
            )
        self._tries = 0
        messages = self._undecided.pop(0)
        calls, lacking = self._chosen(messages)
        if self._undecided:
            self._decided.append(Decided(question_of(messages), calls, lacking))
            calls, lacking = together(self._decided)
            if len(self._undecided) > 1 or not _SEVERAL <= len(calls) <= MOST_CALLS:
                return
        self._calls = calls
        if lacking:
            self._ask_for(lacking)
        self._done = bool(self._calls or lacking)
        self._deciding = False

    def _chosen(self, messages: Sequence[BaseMessage]) -> tuple[list[Call], list[Lacking]]:
        """What was written about a conversation: calls to make, and calls that lack something."""
        if not self._choice.literal:
            return self._choice.parse(self._written), []
        calls = self._choice.parse(self._written, all_said(messages), question_of(messages))
        return self._choice.checked(calls, all_said(self._messages))

    def _ask_for(self, lacking: Sequence[Lacking]) -> None:
        """Ask for what calls lack; but say that they are not made where others are, or where it was asked before."""
        words = list(dict.fromkeys(word for one in lacking for word in one.words))
        question = question_for(words)
        if self._calls or question == asked_before(self._messages):
            regrets = dict.fromkeys(regret_for(one.tool, one.words) for one in lacking)
            self._remark = "\n".join(regrets)
        else:
            self._remark, self._wanted = question, words

    def _decision(self) -> dict[str, Any]:
        return self._parameters | {
            "messages": decision_turns(self._choice, self._undecided[0], self._is_control),
            "grammar": self._choice.grammar(self._end),
            "max_tokens": _DECISION_TOKENS * (1 if self._tries == 1 else _PATIENCE),
            "stop": [],
        }

    def _answer(self) -> dict[str, Any]:
        messages = reworded(self._messages, self._form.request) if self._form else self._messages
        body = self._parameters | {"messages": to_turns(messages, self._is_control)}
        if self._schema is not None:
            body["grammar"] = json_grammar(self._schema)
        elif self._form and (grammar := self._form.form.grammar(self._end)):
            body["grammar"] = grammar
        return body


def _form_of(request: str) -> AskedForm | None:
    """The form that a request asks for; the patterns that read it are made when there first is one to read."""
    if not request:
        return None
    from agent.models.asked_form import asked_form

    return asked_form(request)


class Decided(NamedTuple):
    """What was chosen for one of several requests: calls to make, and calls that lack something."""

    request: str
    calls: Sequence[Call]
    lacking: Sequence[Lacking]


def together(decided: Sequence[Decided]) -> tuple[list[Call], list[Lacking]]:
    """The calls that were chosen for requests one by one, put together; and those that lack something.

    Two requests in a row may be about one thing: "I would like to know more about cats. Find books on cats in Rome."
    Then that call goes which says nothing that the other does not; and so does one that lacks what another has.
    """
    kept: list[Call] = []
    for at, one in enumerate(decided):
        for call in one.calls:
            new = call not in kept or asks_again(one.request)
            if new and not any(_says_less(call, other) for other in _beside(decided, at)):
                kept.append(call)
    lacking = [
        call
        for one in decided
        for call in one.lacking
        if not any(_has_more(call, *other) for other in kept) or (not call.given and marks_more(one.request))
    ]
    return kept, lacking


def _beside(decided: Sequence[Decided], at: int) -> Iterator[Call]:
    """The calls of the requests before and after one, but for those that say to be one more."""
    if at and not marks_more(decided[at].request):
        yield from decided[at - 1].calls
    if at + 1 < len(decided) and not marks_more(decided[at + 1].request):
        yield from decided[at + 1].calls


def _says_less(one: Call, other: Call) -> bool:
    return one[0] == other[0] and bool(one[1]) and one[1].items() < other[1].items()


def _has_more(one: Lacking, tool: str, arguments: Mapping[str, Any]) -> bool:
    return one.tool == tool and one.given.items() <= arguments.items()


def decision_turns(choice: ToolChoice, messages: Sequence[BaseMessage], is_control: Callable[[str], bool]) -> Turns:
    """What a model is told to choose among tools: the tools by the system, the request by the user.

    Arguments as for `Exchange`. The tools come first, so that a server which caches prompts reads them once.
    """
    return [
        {"role": "system", "content": choice.prompt},
        {"role": "user", "content": to_request(messages, is_control)},
    ]
