"""Whether a converted model says the same as the one it was made from: transformers against llama.cpp, token by token.

The two compute in another order and round otherwise, so where two continuations are almost equally likely they may
part. Each parting is reported with how much likelier the one was than the other: hundredths are rounding, more is a
mistake.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import ExportError

if TYPE_CHECKING:
    from finetune.training.base_model import BaseModel

_LIKELIEST = 8  # tokens in each place whose probability is asked for
_ENDED = -1  # in place of a token: the answer was over
TIE = 0.1  # difference of log-probabilities below which rounding decides
ROUNDED = 0.5  # the same where merged weights were rounded once more


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two greedy answers part.

    Attributes:
        prompt: number of the prompt, from 0.
        place: number of the token in the answer, from 0.
        tokens: what transformers and llama.cpp said there.
        margin: by how much transformers finds its own likelier (difference of natural log-probabilities).
    """

    prompt: int
    place: int
    tokens: tuple[int, int]
    margin: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the comparison found.

    Attributes:
        prompts: how many were put.
        tokens: longest answer, in tokens.
        partings: one for each answer that differs.
    """

    prompts: int
    tokens: int
    partings: tuple[Parting, ...]

    @property
    def rate(self) -> float:
        """Share of prompts with the very same answer."""
        return 1 - len(self.partings) / self.prompts

    @property
    def unexplained(self) -> tuple[Parting, ...]:
        """Those that are no near tie."""
        return self.beyond(TIE)

    def beyond(self, margin: float) -> tuple[Parting, ...]:
        """Those where the one token was likelier than the other by more than this."""
        return tuple(one for one in self.partings if one.margin > margin)

    def require(self, least: float = 0.95) -> Agreement:
        """Itself, if the answers agree.

        Raises:
            ExportError: fewer than `least` are the same, not counting near ties.
        """
        share = 1 - len(self.unexplained) / self.prompts
        if share < least:
            worst = max(self.unexplained, key=lambda one: one.margin)
            raise ExportError(
                f"The converted model answers differently: {share:.0%} of {self.prompts} prompts agree; prompt "
                f"{worst.prompt} parts at token {worst.place}.",
                kept="What is served was not changed.",
                fix="Check that base and adapter belong together.",
            )
        return self


def check_answers(
    base: BaseModel,
    adapter: Path | None,
    served: tuple[Path, Path | None],
    prompts: Sequence[str],
    *,
    tokens: int = 32,
) -> Agreement:
    """Put prompts to both runtimes and compare their greedy answers.

    Args:
        base: in PyTorch.
        adapter: folder with PEFT's files; None for the bare base.
        served: GGUF model, and GGUF adapter if it is not merged.
        prompts: texts as the model sees them, chat marks included.
        tokens: longest answer.

    Raises:
        ExportError: there are no prompts, or llama.cpp refuses a file.
    """
    if not prompts:
        raise ExportError("There is nothing to compare: no prompts.", fix="Give some.")
    asked = [base.tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in prompts]
    there = _llama_answers(*served, asked, tokens)
    model = _with_adapter(base, adapter)
    try:
        partings = [
            parting
            for number, (ids, other) in enumerate(zip(asked, there, strict=True))
            if (parting := _compare(model, number, ids, other, tokens))
        ]
    finally:
        if adapter is not None:
            model.unload()
    return Agreement(len(prompts), tokens, tuple(partings))


def check_merged(served: tuple[Path, Path], merged: Path, questions: Sequence[str], *, tokens: int = 16) -> Agreement:
    """Put questions to a base with its adapter and to the model merged from both, in llama.cpp.

    Args:
        served: GGUF model and GGUF adapter.
        merged: GGUF model.
        questions: each the first of a conversation.
        tokens: longest answer.

    Returns:
        Their agreement. A parting names what the two said (-1 where an answer was over); its margin takes
        the second token for as likely as the last one that is known, where no more is, and is infinite where the served
        answer was over.

    Raises:
        ExportError: there are no questions, or llama.cpp refuses a file.
    """
    if not questions:
        raise ExportError("There is nothing to compare: no questions.", fix="Give some.")
    pairs = zip(_replies(*served, questions, tokens), _replies(merged, None, questions, tokens), strict=True)
    found = (_parting(number, *pair) for number, pair in enumerate(pairs))
    return Agreement(len(questions), tokens, tuple(filter(None, found)))


def _replies(model: Path, adapter: Path | None, questions: Sequence[str], tokens: int) -> list[list[dict[str, Any]]]:
    """For each question the tokens of the answer, each with the likeliest ones in its place."""
    longest = max(len(question.encode()) for question in questions) + tokens
    server = _serve(model, adapter, longest + 256)
    lora = [{"id": 0, "scale": 1.0}] if adapter else []
    body = {"max_tokens": tokens, "temperature": 0, "logprobs": True, "top_logprobs": _LIKELIEST, "lora": lora}
    asked = ([{"role": "user", "content": question}] for question in questions)
    replies = [server.handle_chat_completions(body | {"messages": messages}) for messages in asked]
    if any("choices" not in reply for reply in replies):
        raise ExportError(f"llama.cpp cannot answer with {adapter or model}: {str(replies[0])[:200]}.")
    return [(reply["choices"][0].get("logprobs") or {}).get("content") or [] for reply in replies]


def _parting(number: int, one: list[dict[str, Any]], other: list[dict[str, Any]]) -> Parting | None:
    for place in range(max(len(one), len(other))):
        said, instead = ([step["id"] for step in answer[place : place + 1]] or [_ENDED] for answer in (one, other))
        if said != instead:
            known = one[place]["top_logprobs"] if place < len(one) else []
            scores = {token["id"]: float(token["logprob"]) for token in known}
            likely = max(scores.values(), default=math.inf)
            margin = scores.get(said[0], likely) - scores.get(instead[0], min(scores.values(), default=0.0))
            return Parting(number, place, (said[0], instead[0]), margin)
    return None


def _with_adapter(base: BaseModel, adapter: Path | None) -> Any:
    if adapter is None:
        return base.model
    from peft import PeftModel

    return PeftModel.from_pretrained(base.model, str(adapter)).eval()


def _compare(model: Any, number: int, ids: Sequence[int], other: Sequence[int], tokens: int) -> Parting | None:
    """Follow llama.cpp's answer with transformers: one pass tells what it would have said at every place."""
    import torch

    ends = _ends(model)
    with torch.inference_mode():
        given = torch.tensor([[*ids, *other]])
        scores = torch.log_softmax(model(given, use_cache=False).logits[0, len(ids) - 1 :].float(), dim=-1)
    own = scores.argmax(dim=-1).tolist()
    for place, token in enumerate(other):
        if own[place] != token:
            return Parting(number, place, (own[place], token), float(scores[place, own[place]] - scores[place, token]))
    if len(other) < tokens and own[len(other)] not in ends and not (other and other[-1] in ends):
        place = len(other)  # llama.cpp ended here
        likeliest = max(float(scores[place, end]) for end in ends)
        return Parting(number, place, (own[place], ends[0]), float(scores[place, own[place]]) - likeliest)
    return None


def _ends(model: Any) -> list[int]:
    found = model.generation_config.eos_token_id
    found = model.config.eos_token_id if found is None else found
    return list(found) if isinstance(found, list | tuple) else [int(found)]


def _llama_answers(model: Path, adapter: Path | None, asked: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
    longest = max(map(len, asked)) + tokens
    server = _serve(model, adapter, longest + 8)
    lora = [{"id": 0, "scale": 1.0}] if adapter else []
    body = {"max_tokens": tokens, "temperature": 0, "n_probs": 1, "lora": lora}
    return [_said(server.handle_completions(body | {"prompt": list(ids)})) for ids in asked]


def _serve(model: Path, adapter: Path | None, context: int) -> Any:
    from knowledge.llama import start_server

    try:
        return start_server(model, context=context, threads=1, adapters=(adapter,) if adapter else ())
    except RuntimeError as error:
        raise ExportError(f"llama.cpp cannot load {adapter or model}.", fix="Convert it again.") from error


def _said(reply: dict[str, Any]) -> list[int]:
    choice = reply["choices"][0]
    return [int(token["id"]) for token in (choice.get("logprobs") or {}).get("content") or ()]
