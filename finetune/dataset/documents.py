"""Examples about the user's own documents: questions with the passages that answer them, or that do not.

Questions come from `knowledge.proposals`, by template or from a chosen model. An answer is a sentence of the passage or
what the model wrote, and is kept only where the passage supports each of its sentences (`agent.grounding`).
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from finetune.dataset.records import MOST_TOOLS
from finetune.dataset.sources import Reading
from finetune.errors import DatasetError
from finetune.schema import Example, Message, ToolSchema

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from knowledge.index import KnowledgeIndex
    from knowledge.questions import Question
    from knowledge.schema import Passage

Complete = Callable[[str], str]  # prompt → what a model says

MOST_BESIDE = 3  # passages beside the one that answers
LONGEST_ANSWER = 300  # characters
_CLOSE = 12  # passages looked at for those that are close and do not answer
_SEARCHED = 0.2  # share of the questions beside which a search is wished for
_COVERED = 0.8  # share of a question's terms from which a passage may answer it after all
_HOW_MANY = re.compile(r"^How many ([a-z]+)")
_AMOUNT = r"\b(?:\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty) {noun}\b"
_WISHES = (
    "Search my documents for {topic}.",
    "Look in my files for {topic}.",
    "Please look up {topic} in my notes.",
    "Find what my documents say about {topic}.",
)
_SEARCH = "search_knowledge"
_TALK = ("Thanks, that helps.", "Hello!", "Good, that is all for now.", "Who are you?", "Tell me a joke, please.")


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Examples about the passages of an index.

    Args:
        index: the collection, open.
        count: how many questions at most.
        complete: a chosen model, from `completing`; None for templates alone.
        writer: what the model is called, for the data card.
        unanswerable: share of the questions that are also asked of passages that do not answer them.
        tools: the tools to choose from in examples of searching, of which each is shown the same few; none are made
            unless "search_knowledge" is one.
        seed: the same seed over the same index gives the same examples, as far as the model does.
    """

    index: KnowledgeIndex
    count: int = 200
    complete: Complete | None = None
    writer: str = ""
    unanswerable: float = 0.3
    tools: tuple[ToolSchema, ...] = ()
    seed: int = 0
    reading: Reading = field(default_factory=Reading)

    @property
    def name(self) -> str:
        """As the data card calls it."""
        return "documents"

    def check(self) -> None:
        """Make sure that there is something to ask about.

        Raises:
            DatasetError: the index is empty.
        """
        if not self.index.size:
            raise DatasetError("The collection holds no passages.", fix="Add documents: `ratchet ingest FOLDER`.")
        self.reading.facts = self._facts()

    def read(self) -> Iterator[Example]:
        """For each question an example that the passages answer, and for some one that they do not, or a search."""
        from knowledge.proposals import propose

        chance = random.Random(self.seed)  # noqa: S311 - a sample, not a secret
        complete = self.complete
        write = (lambda passage: _asked(complete, passage)) if complete else None
        box, asked, own = self._box(), 0, 0
        for question in propose(self.index, self.count, write=write, seed=self.seed):
            asked, own = asked + 1, own + (question.origin == "model")
            passage = self._passage(question)
            answer = self._answer(question, passage)
            if not answer:
                self.reading.left_out["a question without an answer that its passage supports"] += 1
                continue
            beside = self._beside(question, passage, answer, chance)
            yield self._example(question, passage, _shuffled([passage, *beside], chance), answer)
            if beside and chance.random() < self.unanswerable:
                from agent.prompts import REFUSAL

                yield self._example(question, passage, beside, REFUSAL)
            if box and chance.random() < _SEARCHED:
                yield from self._searches(passage, box, chance)
        if complete:
            self.reading.facts = f"{self._facts()}; {own:,} of {asked:,} questions are the model's own"

    def _facts(self) -> str:
        by = f"{self.writer or 'a model'}, and templates" if self.complete else "templates"
        beside = f"; searches with {counted} tools" if (counted := len(self._box())) else ""
        return f"{self.index.size:,} passages of {len(self.index.sources()):,} files; asked by {by}{beside}"

    def _box(self) -> tuple[ToolSchema, ...]:
        """The search and other tools up to `MOST_TOOLS`, in their order; nothing where the search is none of them.

        All examples have the same: what is said to no tool would else be the same question in many documents, and
        whatever asks the same question stays in one part.
        """
        names = [str(tool["function"]["name"]) for tool in self.tools]
        if _SEARCH not in names:
            return ()
        others = [name for name in names if name != _SEARCH]
        chance = random.Random(f"tools {self.seed}")  # noqa: S311 - a sample, not a secret
        chosen = {_SEARCH, *chance.sample(others, min(len(others), MOST_TOOLS - 1))}
        return tuple(tool for name, tool in zip(names, self.tools, strict=True) if name in chosen)

    def _passage(self, question: Question) -> Passage:
        rows = self.index.rows_of(question.source)
        found = [one for one in self.index.passages(rows) if one.text == question.text and question.answered_by(one)]
        return found[0]

    def _answer(self, question: Question, passage: Passage) -> str:
        """The model's answer if the passage supports it, else the passage's own words, else nothing."""
        if self.complete is not None:
            from agent.prompts import SENTENCES

            asked = SENTENCES.format(question=question.question, passages=passage.text)
            written = " ".join(self.complete(asked).split())
            if 0 < len(written) <= LONGEST_ANSWER and grounded(written, [passage]):
                return written
        quoted = quoted_answer(question.question, passage.text)
        return quoted if quoted and grounded(quoted, [passage]) else ""

    def _beside(self, question: Question, passage: Passage, answer: str, chance: random.Random) -> list[Passage]:
        """Passages that are close to the question and do not answer it."""
        from knowledge.analysis import query_terms, terms

        asked = query_terms(question.question)
        rows, _ = self.index.search_lexical(dict.fromkeys(asked, 1.0), _CLOSE)
        close = []
        for one in self.index.passages(rows):
            covered = len(set(asked) & set(terms(f"{one.heading} {one.text}"))) / max(1, len(asked))
            if one.id != passage.id and covered < _COVERED and not _tells(one, answer):
                close.append(one)
        return close[: chance.randint(0, MOST_BESIDE)]

    def _example(self, question: Question, about: Passage, passages: Sequence[Passage], answer: str) -> Example:
        asked: Message = {"role": "user", "content": question.question, "passages": [one.text for one in passages]}
        said: Message = {"role": "assistant", "content": answer}
        return Example((asked, said), (), f"passage:{about.id}", group_of(about.source))

    def _searches(self, passage: Passage, box: tuple[ToolSchema, ...], chance: random.Random) -> Iterator[Example]:
        """A wish to search, and something said to which no tool belongs, with the same tools."""
        topic = passage.heading.rpartition(" › ")[2].strip(" ?.!#*`")
        if not topic or len(topic) > 60:
            return
        call = {"name": _SEARCH, "arguments": {"query": topic}}
        wish: Message = {"role": "user", "content": chance.choice(_WISHES).format(topic=topic)}
        talk: Message = {"role": "user", "content": chance.choice(_TALK)}
        none: dict[str, Any] = {"role": "assistant", "content": ""}
        for messages in ((wish, none | {"tool_calls": [call]}), (talk, none)):
            yield Example(messages, box, f"passage:{passage.id}", group_of(passage.source))


def completing(model: BaseChatModel) -> Complete:
    """A chat model as a function from a prompt to what it says."""
    return lambda prompt: str(model.invoke(prompt).text)


def group_of(source: str) -> str:
    """The group of a document: its name and, as the path may tell of its owner, a hash of that."""
    return f"document:{PurePath(source).name}~{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:8]}"


def quoted_answer(question: str, text: str) -> str:
    """The sentence of a text that shares most with a question, or for "how many" the number with its noun; or nothing.

    Of equals it is the first; one that is longer than `LONGEST_ANSWER` is none.
    """
    from knowledge.analysis import query_terms, terms
    from knowledge.spans import sentences_of

    asked = set(query_terms(question))
    best, most = "", 0
    for span in sentences_of(text):
        sentence = " ".join(text[span.start : span.end].split())
        shared = len(asked & set(terms(sentence)))
        if shared > most and len(span.words) >= 3 and len(sentence) <= LONGEST_ANSWER and not sentence.startswith("#"):
            best, most = sentence, shared
    counted = _HOW_MANY.match(question)
    amount = re.search(_AMOUNT.format(noun=re.escape(counted.group(1))), best, re.IGNORECASE) if counted else None
    return amount.group() if amount else best


def grounded(answer: str, passages: Sequence[Passage]) -> bool:
    """Whether the passages support every sentence of an answer; one too short to judge must stand in them."""
    from agent.grounding import Evidence
    from knowledge.spans import sentences_of

    evidence = Evidence(passages)
    flat = [" ".join(one.text.split()).casefold() for one in passages]
    for span in sentences_of(answer):
        sentence = answer[span.start : span.end]
        judgement = evidence.judge(sentence)
        stands = any(" ".join(sentence.split()).casefold() in text for text in flat)
        if not stands and (judgement is None or judgement.grade != "supported"):
            return False
    return bool(answer.strip())


def _tells(passage: Passage, answer: str) -> bool:
    """Whether a passage says what is answered, wholly or nearly."""
    from agent.grounding import Evidence

    judgement = Evidence([passage]).judge(answer)
    if judgement is None:
        return answer.casefold() in passage.text.casefold()
    return judgement.grade != "not"


def _asked(complete: Complete | None, passage: Passage) -> str:
    from agent.prompts import ASK_ABOUT

    return complete(ASK_ABOUT.format(passage=passage.text)) if complete else ""


def _shuffled(passages: list[Passage], chance: random.Random) -> list[Passage]:
    chance.shuffle(passages)
    return passages
