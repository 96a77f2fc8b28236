"""Examples as token sequences: the very prompts that the product sends, and what the model should reply.

Nothing is laid out here. Tools, requests, passages and turns are put into words by the code that serves them
(`agent.models`, `agent.prompts`), and the chat template is the one that llama.cpp reads from the same GGUF file: what a
model is trained on and what it is asked later cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.models.conversation import Turns, to_turns
from agent.models.exchange import decision_turns
from agent.models.tool_calls import ToolChoice, written
from finetune.errors import DatasetError
from finetune.evaluation.served import served_messages
from finetune.schema import Example, Message, TokenSequence

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from finetune.training.base_model import BaseModel

_DECISIVE = 4  # times the weight of another token
_ASKED = "\n\nQuestion:"  # in prompts.SENTENCES, where the passages end and the question begins


class Renderer:
    """Turns examples into token sequences for one model.

    Args:
        tokenizer: of the model.
        template: its chat template (Jinja).
    """

    def __init__(self, tokenizer: Tokenizer, template: str) -> None:
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self._tokenizer = tokenizer
        # As transformers renders templates: blocks leave no blank lines, and code in them is confined.
        self._template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)
        added = tokenizer.get_added_tokens_decoder().values()
        self._control = frozenset(token.content for token in added if token.special)

    @classmethod
    def of(cls, base: BaseModel) -> Renderer:
        """The renderer of a base model."""
        return cls(base.tokenizer, base.template)

    def render(self, example: Example) -> list[TokenSequence]:
        """One sequence for every choice of tools and every answer that the example teaches, in its order.

        Raises:
            DatasetError: the example teaches nothing.
        """
        sequences: list[TokenSequence] = []
        for place, message in enumerate(example.messages):
            if message["role"] == "assistant" and message.get("weight", 1):
                sequences += self._reply(example, place)
        if not sequences:
            raise DatasetError(
                f"The example {example.source or 'without a source'} holds nothing that an assistant should say.",
                fix="Give it an assistant message (with a weight other than 0).",
            )
        return sequences

    def _reply(self, example: Example, place: int) -> list[TokenSequence]:
        before, message = example.messages[:place], example.messages[place]
        calls = message.get("tool_calls") or ()
        sequences = []
        if example.tools:
            sequences.append(self.decision(before, example.tools, calls))
        if message.get("content") and not calls:
            sequences.append(self.answer(before, str(message["content"])))
        return sequences

    def decision(
        self, before: Sequence[Message], tools: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]
    ) -> TokenSequence:
        """The choice among tools after some messages: `calls`, or "none" where there are none."""
        choice = ToolChoice.of(tools)
        turns = decision_turns(choice, served_messages(before, self._count), self._control.__contains__)
        schemas = {tool.name: tool.parameters for tool in choice.tools}
        reply = written([(call["name"], in_order(call["arguments"], schemas[call["name"]])) for call in calls])
        sequence = self._sequence(turns, reply, self._text(turns[:1]))
        return _weighed(sequence, _first(sequence), len(sequence.ids) - 1)

    def answer(self, before: Sequence[Message], reply: str) -> TokenSequence:
        """The answer to some messages."""
        turns = to_turns(served_messages(before, self._count), self._control.__contains__)
        asked = turns[-1]["content"]
        beginning, about_passages = "", _ASKED in asked and bool(before and before[-1].get("passages"))
        if about_passages:
            cut = asked.rindex(_ASKED) + len(_ASKED)
            ended = self._text([*turns[:-1], {**turns[-1], "content": asked[:cut] + "\0"}])
            beginning = ended[: ended.index("\0")]
        sequence = self._sequence(turns, reply, beginning)
        return _weighed(sequence, _first(sequence)) if about_passages else sequence

    def _sequence(self, turns: Turns, reply: str, beginning: str) -> TokenSequence:
        prompt = self._text(turns, reply_follows=True)
        whole = self._text([*turns, {"role": "assistant", "content": reply}])
        if not whole.startswith(prompt):
            raise DatasetError(
                "The chat template of this model writes replies otherwise once they are part of a conversation.",
                kept="Nothing was trained.",
                fix="Choose another base model, or one with a template that only appends.",
            )
        asked, replied = self.tokens(prompt), self._ended(self.tokens(whole[len(prompt) :]), reply)
        shared = self.tokens(beginning) if beginning else []
        kept = len(shared) if asked[: len(shared)] == shared else 0
        return TokenSequence([*asked, *replied], [False] * len(asked) + [True] * len(replied), kept)

    def _ended(self, ids: list[int], reply: str) -> list[int]:
        """The reply up to and with the token that ends it: what a template writes after that is not the model's."""
        said = len(self.tokens(reply))
        for place in range(said, len(ids)):
            if self._tokenizer.id_to_token(ids[place]) in self._control:
                return ids[: place + 1]
        return ids

    def _count(self, text: str) -> int:
        return len(self.tokens(text))

    def _text(self, turns: Turns, *, reply_follows: bool = False) -> str:
        return self._template.render(messages=turns, add_generation_prompt=reply_follows, bos_token="", eos_token="")

    def tokens(self, text: str) -> list[int]:
        """Token numbers of a text, control tokens read as such."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _weighed(sequence: TokenSequence, *decisive: int) -> TokenSequence:
    """A sequence with more weight on the tokens that decide it.

    Of a choice among tools they are the first and the last: which tool, or none, and whether to end. Without that, a
    "none" of two tokens would hardly count beside a call of thirty. Of an answer from passages it is the first, with
    which an answer begins, or the sentence that there is none: so a short answer counts beside a long one.
    """
    return replace(sequence, weights=[_DECISIVE if place in decisive else 1 for place in range(len(sequence.ids))])


def _first(sequence: TokenSequence) -> int:
    return list(sequence.targets).index(True)


def in_order(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in the order of their schema, at every depth: the order in which a grammar lets them be written."""
    properties = schema.get("properties") or {}
    names = [
        *(name for name in properties if name in arguments),
        *(name for name in arguments if name not in properties),
    ]
    return {name: _inner(arguments[name], properties.get(name) or {}) for name in names}


def _inner(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return in_order(value, schema)
    if isinstance(value, list):
        return [_inner(item, schema.get("items") or {}) for item in value]
    return value
