"""The data set of the adapter that ships with Ratchet: our own tool families and public training sets, in one mix.

The shares follow what the adapter is for: mostly no call or one, sometimes several, among one to eight tools; short
answers from passages, and saying that they hold none; a little conversation. Sets whose examples are long get fewer of
them, as time on two cores is what is scarce.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from finetune import suites
from finetune.dataset.splits import held_out_in
from finetune.default import everyday, lookups, sources, talk
from finetune.default.families import generate
from finetune.default.public_data import chance_of
from finetune.default.sources.boxes import content_words
from finetune.default.tool_files import ToolFamily, load_families
from finetune.schema import DatasetSplits, Example, Message

# Examples of each source at scale 1, which is about 0.8 million tokens to compute in rows of 1,024.
SHARES: Mapping[str, int] = {
    "families": 3600,
    "talk": 700,
    "everyday": 1500,
    "lookups": 500,
    "snips": 400,
    "seal_tools": 450,
    "sgd": 250,
    "metatool": 200,
    "clinc150": 250,
    "gsm8k": 50,
    "squad": 1000,
    "halueval": 80,
    "dolly": 250,
    "conversations": 50,
}
_RUN = 12  # neighbours that stay together: about a box
_HELD_OUT = 12  # one tool family in so many is for development alone
_DEV = 160
_MOST = 1_000_000  # more examples of families than anybody trains on
_MOST_LOOKUPS = 20_000


def mix(seed: int = 0, scale: float = 1.0, more: Mapping[str, float] | None = None) -> DatasetSplits:
    """The examples, those that share tools or passages next to each other.

    Args:
        seed: of everything that is drawn.
        scale: times the shares above.
        more: times the share of some of the sources, besides.

    Raises:
        DatasetError: a public set is not there.
    """
    tools = load_families()
    learned = [tool for tool in tools if not is_held_out(tool)]
    held = [tool for tool in tools if is_held_out(tool)]
    dev = tuple(replace(one, group=f"dev {one.group}") for one in generate(held, seed, _DEV))
    asked = evaluation_keys() | {example.key for example in dev}
    alike = [content_words(question_of(item.messages)) for name in suites.BUILT_IN for item in suites.load_suite(name)]
    train: list[Example] = []
    for name, share in shares(scale, more).items():
        new = (one for one in _drawn(name, learned, seed) if not gives_away(one, alike))
        train += islice((one for one in new if not held_out_in([one], asked)), share)
    return DatasetSplits(tuple(train), dev)


def shares(scale: float = 1.0, more: Mapping[str, float] | None = None) -> dict[str, int]:
    """Examples of each source in a mix; see `mix`."""
    return {name: round(share * scale * (more or {}).get(name, 1)) for name, share in SHARES.items()}


def evaluation_keys() -> frozenset[str]:
    """`Example.key` of everything that the suites ask, which is never trained on."""
    return frozenset(item.key for name in suites.NAMES for item in suites.load_suite(name))


def gives_away(example: Example, items: Sequence[frozenset[str]]) -> bool:
    """Whether an example that needs no tool asks what one of the items asks, in words that are half the same (Jaccard).

    Requests that need tools are alike wherever they have the same words and another value, which teaches no answer.
    """
    if any(message.get("tool_calls") for message in example.messages):
        return False
    said = content_words(question_of(example.messages))
    return any(2 * len(said & item) >= len(said | item) > 0 for item in items)


def question_of(messages: Sequence[Message]) -> str:
    """What the user said last."""
    return next((str(message["content"]) for message in reversed(messages) if message["role"] == "user"), "")


def is_held_out(tool: ToolFamily) -> bool:
    """Whether a tool is never trained on, so that it can show what is known of tools in general."""
    return int(hashlib.sha256(tool.name.encode()).hexdigest(), 16) % _HELD_OUT == 0


def _drawn(name: str, tools: Sequence[ToolFamily], seed: int) -> Iterator[Example]:
    """The examples of a source, in runs of neighbours from all over it."""
    if name == "families":
        yield from generate(tools, seed, _MOST, chat_questions(seed))
        return
    if name == "lookups":
        yield from lookups.lookups(seed, _MOST_LOOKUPS)
        return
    own = {"talk": talk.examples, "everyday": everyday.examples}
    found = own[name](seed) if name in own else list(sources.examples(name, seed))
    runs = [found[start : start + _RUN] for start in range(0, len(found), _RUN)]
    chance_of(f"mix-{name}-{seed}").shuffle(runs)
    for run in runs:
        yield from run


def chat_questions(seed: int, most: int = 1500) -> list[str]:
    """Questions that need no tool at all."""
    questions = [str(one.messages[-2]["content"]) for one in islice(sources.examples("dolly", seed), most)]
    own = [*talk.chat_requests(seed), *everyday.requests(seed)]
    return [*own, *(question for question in questions if len(question) < 200)]
