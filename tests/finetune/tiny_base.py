"""A base model of two layers with a tokenizer of its own, and data that it can learn within seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.schema import DatasetSplits, Example
from finetune.training.job import Job
from tests.finetune.tiny import tiny_llama

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_CITIES = ("Oslo", "Lima", "Kyiv", "Rome", "Bern", "Riga")


def tool(name: str, description: str, argument: str) -> dict[str, Any]:
    """A tool with one text argument, in OpenAI's form."""
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = (tool("weather", "Tells the weather.", "city"), tool("music", "Plays a song.", "title"))


def example(number: int) -> Example:
    """One of many alike: a call for each city, now and then an answer."""
    city = _CITIES[number % len(_CITIES)]
    asked = {"role": "user", "content": f"Weather in {city}, number {number}?"}
    called = {"role": "assistant", "content": "", "tool_calls": [{"name": "weather", "arguments": {"city": city}}]}
    if number % 3 == 0:
        asked, called = {"role": "user", "content": f"Say {city} {number}."}, {"role": "assistant", "content": city}
        return Example((asked, called), (), f"made#{number}", f"group {number}")
    return Example((asked, called), TOOLS, f"made#{number}", f"group {number}")


def splits(train: int = 24, dev: int = 6) -> DatasetSplits:
    """A small data set."""
    return DatasetSplits(tuple(map(example, range(train))), tuple(map(example, range(train, train + dev))))


def preferred(number: int) -> Example:
    """An example with a reply that is worse."""
    return replace(example(number), rejected={"role": "assistant", "content": "I will not."})


def judged(number: int) -> Example:
    """An answer with a verdict, every other one good."""
    return replace(example(3 * number), label=number % 2 == 0)


def splits_for(recipe: str) -> DatasetSplits:
    """A small data set of what a recipe learns from."""
    kind = {"dpo": preferred, "kto": judged}.get(recipe)
    return DatasetSplits(tuple(map(kind, range(16))), tuple(map(kind, range(16, 20)))) if kind else splits()


def tiny_base(seed: int = 0) -> Any:
    """A `BaseModel` with random weights; its tokenizer knows the words of the examples."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    from agent import prompts
    from finetune.training.base_model import BaseModel

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    texts = [str(one.to_json()) for one in map(example, range(40))] + [
        text for name, text in vars(prompts).items() if name.isupper() and isinstance(text, str)
    ]
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(one, special=True) for one in ("<|im_start|>", "<|im_end|>")])
    model = tiny_llama(seed, tokenizer.get_vocab_size())
    return BaseModel(model, tokenizer, TEMPLATE, "f" * 64, Path("tiny.gguf"), 2048)


def job(out: Path, **given: Any) -> Job:
    """A job on a fresh base and the small data set."""
    return Job(**{"splits": splits(), "out": out, "base": tiny_base(), **given})
