"""Whether a converted model says the same as the one it was made from: transformers against llama.cpp, token by token.

The two compute in another order and round otherwise, so where two continuations are almost equally likely they may
part. Each parting is reported with how much likelier the one was than the other: hundredths are rounding, more is a
mistake.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
NOT_ASKED = "not compared: --no-compare was given"


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


def why_not_comparable() -> str:
    """Why PyTorch cannot be asked here, for people; "" where it can."""
    from finetune.training.installed import NEEDED

    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return f"not compared: {'PyTorch' if 'torch' in missing else missing[0]} is not installed"


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
        ExportError: there are no prompts, or llama.cpp or PEFT refuses a file.
    """
    asked = _asked(base, prompts)
    there = _llama_answers(*served, asked, tokens)
    with _with_adapter(base, adapter) as model:
        return _agreement(model, asked, there, tokens)


def check_checkpoint(
    base: BaseModel, adapter: Path, merged: BaseModel, prompts: Sequence[str], *, tokens: int = 16
) -> Agreement:
    """Put prompts to a base with its adapter and to the model merged from both, in PyTorch.

    Args:
        base: the base model.
        adapter: folder with PEFT's files; DoRA and saved embeddings, too, which llama.cpp has nothing to set against.
        merged: the merged model.
        prompts: texts as the model sees them, chat marks included.
        tokens: longest answer.

    Raises:
        ExportError: there are no prompts, or PEFT refuses the adapter.
    """
    asked = _asked(base, prompts)
    there = [_greedy(merged.model, ids, tokens) for ids in asked]
    with _with_adapter(base, adapter) as model:
        return _agreement(model, asked, there, tokens)


def _asked(base: BaseModel, prompts: Sequence[str]) -> list[list[int]]:
    if not prompts:
        raise ExportError("There is nothing to compare: no prompts.", fix="Give some.")
    return [base.tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in prompts]


def _agreement(model: Any, asked: Sequence[Sequence[int]], there: Sequence[Sequence[int]], tokens: int) -> Agreement:
    found = (_compare(model, number, *pair, tokens) for number, pair in enumerate(zip(asked, there, strict=True)))
    return Agreement(len(asked), tokens, tuple(filter(None, found)))


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


@contextmanager
def _with_adapter(base: BaseModel, adapter: Path | None) -> Iterator[Any]:
    """The model with an adapter on it, which is taken off again.

    Which modules are corrected is read from its weights: what the configuration says of them PEFT takes for regular
    expressions, which come with the adapter and could run for ever.
    """
    if adapter is None:
        yield base.model
        return
    from peft import LoraConfig, PeftModel

    from finetune.export.base_layout import BaseLayout
    from finetune.export.lora_weights import LoraWeights

    weights = LoraWeights.read(adapter, BaseLayout.read(base.path))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # what PEFT asks it is old
            config: Any = LoraConfig.from_pretrained(str(adapter))
            config.target_modules = set(weights.modules)
            config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
            config.base_model_name_or_path = None
            model: Any = PeftModel.from_pretrained(base.model, str(adapter), config=config).eval()
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ExportError(
            f"PEFT cannot load the adapter in {adapter}: {error}.", fix="Save it again with `save_pretrained`."
        ) from error
    try:
        yield model
    finally:
        model.unload()


def _greedy(model: Any, ids: Sequence[int], tokens: int) -> list[int]:
    """What a model answers, likeliest token by likeliest token."""
    import torch

    ends, said, cache = _ends(model), list[int](), None
    given = torch.tensor([list(ids)])
    with torch.inference_mode():
        while len(said) < tokens and not (said and said[-1] in ends):
            found = model(given, past_key_values=cache, use_cache=True)
            said.append(int(found.logits[0, -1].argmax()))
            given, cache = torch.tensor([said[-1:]]), found.past_key_values
    return said


def _compare(model: Any, number: int, ids: Sequence[int], other: Sequence[int], tokens: int) -> Parting | None:
    """Follow another's answer, mostly llama.cpp's: one pass tells what this model would have said at every place."""
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
        place = len(other)  # the other ended here
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
