"""Small examples, and hypothesis strategies that make more of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from finetune.schema import Example

CALCULATOR: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "calculator",
        "description": "Work out an expression.",
        "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
    },
}
SAVE: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "save",
        "description": "Keep a note.",
        "parameters": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "body": {"type": "string"}},
            "required": ["title", "body"],
        },
    },
}


def example(question: str, answer: str, group: str = "", source: str = "", **more: Any) -> Example:
    said = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Example(said, source=source or f"test:{question[:20]}", group=group, **more)


words = st.sampled_from("pump filter rinse month warranty motor sieve tide harbour salt rake moon north".split())
sentences = st.lists(words, min_size=1, max_size=20).map(" ".join)
examples = st.builds(
    example,
    question=sentences,
    answer=sentences,
    group=st.sampled_from(["", "a", "b", "c", "d", "e", "f"]),
)
