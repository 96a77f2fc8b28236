"""Text files → examples: a script of questions and answers, or prose to be continued."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from finetune.dataset.reading import broken, text_lines
from finetune.schema import Example, Message

BLOCK_CHARS = 1200
_BLOCKS_TOGETHER = 10  # neighbours in one group, so that a file can be split though its parts resemble each other
_CONTINUE = "Continue this text:\n\n{start}"
_MARK = re.compile(
    r"^\s*(?:(?P<one>question|q)|(?P<user>user|human|prompt)|(?P<answer>answer|a|assistant|bot|ai|response))\s*:\s*",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*-{3,}\s*$")
_SENTENCE = re.compile(r"[.!?][\"')\]]*\s+")
_LOOKED_AT = 200  # lines


def is_script(path: Path) -> bool:
    """Whether the text is marked as questions and answers ("Question: … Answer: …", "User: … Assistant: …")."""
    marks = [_MARK.match(text) for _, text in islice(text_lines(path), _LOOKED_AT)]
    return sum(mark is not None for mark in marks) >= 2


def script(path: Path) -> Iterator[tuple[int, Example]]:
    """The conversations of a marked text, each with its first line; "---" ends one, and so does a "Question:".

    Raises:
        DatasetError: the text cannot be read, or a question has no answer.
    """
    begun, messages = 1, list[dict[str, str]]()
    for number, text in text_lines(path):
        mark = _MARK.match(text)
        if messages and (_RULE.match(text) or mark and mark["one"]):
            yield begun, _conversation(path, begun, messages)
            messages = []
        if mark:
            begun = begun if messages else number
            messages.append({"role": "assistant" if mark["answer"] else "user", "content": text[mark.end() :]})
        elif messages and not _RULE.match(text):
            messages[-1]["content"] += text
    if messages:
        yield begun, _conversation(path, begun, messages)


def _conversation(path: Path, begun: int, messages: list[dict[str, str]]) -> Example:
    plain: list[Message] = [{**one, "content": one["content"].strip()} for one in messages]
    while plain and plain[-1]["role"] != "assistant":
        plain.pop()
    if not any(one["role"] == "user" for one in plain):
        why = "the question has no answer, or the answer no question."
        raise broken(path, begun, why, 'Begin each question with "Question:" and each answer with "Answer:".')
    return Example(tuple(plain))


def prose(path: Path) -> Iterator[tuple[int, Example]]:
    """The text in blocks of about `BLOCK_CHARS` characters, each to be continued after its first sentence.

    Raises:
        DatasetError: the text cannot be read.
    """
    made = 0
    for begun, block in _blocks(path):
        first = _SENTENCE.search(block, 20)
        cut = first.end() if first and first.end() < len(block) * 2 // 3 else block.find(" ", len(block) // 4) + 1
        start, rest = block[:cut].strip(), block[cut:].strip()
        if not start or not rest:
            continue
        asked: Message = {"role": "user", "content": _CONTINUE.format(start=start)}
        group = f"{path.name}, part {made // _BLOCKS_TOGETHER + 1}"
        yield begun, Example((asked, {"role": "assistant", "content": rest}), group=group)
        made += 1


def _blocks(path: Path) -> Iterator[tuple[int, str]]:
    begun, block = 1, ""
    for number, text in text_lines(path):
        if not block.strip():
            begun, block = number, ""
        block += text
        while len(block) >= BLOCK_CHARS * 2:  # a paragraph without an end
            cut = block.rfind(" ", 0, BLOCK_CHARS) + 1 or BLOCK_CHARS
            yield begun, block[:cut].strip()
            begun, block = number, block[cut:]
        if len(block) >= BLOCK_CHARS and not text.strip():
            yield begun, block.strip()
            block = ""
    if block.strip():
        yield begun, block.strip()
