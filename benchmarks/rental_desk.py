"""A narrow domain for the benchmarks of fine-tuning: the desk of a tool rental, whose answers have a form of their own.

The depot's documents say of each machine what it costs, weighs and so on, in sentences. The desk wants every answer as
one line, "Pump HK-204, day rate: 18 EUR.", with the depot's own word for what was asked, whatever words the customer
used, and wants to be told where the documents do not say. Everything is made up, and the same from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from agent.prompts import REFUSAL
from finetune.evaluation.answer_metrics import abstains, normalized, without_markers
from finetune.schema import Example

THINGS = "pump drill saw mixer heater ladder trailer winch grinder sprayer dryer lamp".split()
EACH = 4  # machines of each thing
# The depot's word, how its documents say it, its values and their unit, and how customers ask.
FACTS = (
    ("day rate", "The day rate of the {name} is {value}.", (12, 95), "{n} EUR", "What does the {name} cost per day?"),
    ("deposit", "The deposit for the {name} is {value}.", (100, 950), "{n} EUR", "What must I leave for the {name}?"),
    ("weight", "The weight of the {name} is {value}.", (4, 160), "{n} kg", "How heavy is the {name}?"),
    ("bay", "The bay of the {name} is {value}.", (2, 40), "B{n}", "Where is the {name} kept?"),
    (
        "service",
        "The service of the {name} is due every {value}.",
        (2, 52),
        "{n} weeks",
        "How often is the {name} checked?",
    ),
    ("power", "The power of the {name} is {value}.", (3, 29), "{n}00 watts", "How strong is the {name}?"),
)
UNSAID = (
    "What colour is the {name}?",
    "Who made the {name}?",
    "When was the {name} bought?",
    "Is the {name} insured against theft?",
)
UNANSWERED = 6  # of so many questions one is not answered by the documents
_LETTERS = "BCDFGHJKLMNPRSTVWXZ"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the depot; `values` by the depot's word for them."""

    name: str
    values: dict[str, str]

    @property
    def title(self) -> str:
        """Its name where a line begins."""
        return self.name[:1].upper() + self.name[1:]

    @property
    def text(self) -> str:
        """What the documents say of it."""
        return " ".join(said.format(name=self.name, value=self.values[word]) for word, said, *_ in FACTS)


@dataclass(frozen=True, slots=True)
class Asked:
    """A customer's question and the line that the desk wants; `passages` are the machine's text among others'."""

    question: str
    wanted: str
    machine: str
    passages: tuple[str, ...]

    def example(self, answer: str = "") -> Example:
        """The question with its passages and an answer; default: the one that is wanted."""
        asked = {"role": "user", "content": self.question, "passages": list(self.passages)}
        replied = {"role": "assistant", "content": answer or self.wanted}
        return Example((asked, replied), (), f"desk:{self.question}", f"desk:{self.machine}")

    def is_right(self, answer: str) -> bool:
        """Whether the desk takes the answer: the line wanted somewhere in it, or that the documents do not say."""
        if self.wanted == REFUSAL:
            return abstains(answer)
        return normalized(self.wanted) in normalized(without_markers(answer))


def machines(seed: int = 0) -> list[Machine]:
    """All machines of the depot, those of one kind not next to each other."""
    rng = Random(f"depot {seed}")
    pairs = [one + other for one in _LETTERS for other in _LETTERS if one < other]
    rng.shuffle(pairs)
    made = []
    for number in range(EACH * len(THINGS)):
        name = f"{THINGS[number % len(THINGS)]} {pairs[number]}-{rng.randint(100, 999)}"
        values = {word: form.format(n=rng.randint(*between)) for word, _, between, form, _ in FACTS}
        made.append(Machine(name, values))
    return made


def write_documents(folder: Path, seed: int = 0) -> Path:
    """The depot's documents: a Markdown file for each kind of machine."""
    folder.mkdir(parents=True, exist_ok=True)
    for thing in THINGS:
        own = [one for one in machines(seed) if one.name.startswith(f"{thing} ")]
        sections = [f"## {one.title}\n\n{one.text}\n" for one in own]
        (folder / f"{thing}s.md").write_text("\n".join([f"# {thing.capitalize()}s\n", *sections]), encoding="utf-8")
    return folder


def questions(count: int, *, held_out: bool, seed: int = 0) -> list[Asked]:
    """Questions, each different.

    Args:
        count: how many.
        held_out: about the last third of the machines, which the others never ask about.
        seed: of the depot and of what is asked.
    """
    every = machines(seed)
    cut = 2 * len(every) // 3
    own = every[cut:] if held_out else every[:cut]
    rng = Random(f"questions {seed} {held_out}")
    said = [(machine, fact) for machine in own for fact in FACTS]
    unsaid = [(machine, template) for machine in own for template in UNSAID]
    rng.shuffle(said)
    rng.shuffle(unsaid)
    made = []
    for number in range(count):
        if number % UNANSWERED == UNANSWERED - 1:
            machine, template = unsaid.pop()
            question, wanted = template.format(name=machine.name), REFUSAL
        else:
            machine, (word, _, _, _, asked) = said.pop()
            question = asked.format(name=machine.name)
            wanted = f"{machine.title}, {word}: {machine.values[word]}."
        made.append(Asked(question, wanted, machine.name, _passages(machine, own, rng)))
    return made


def _passages(machine: Machine, others: Sequence[Machine], rng: Random) -> tuple[str, ...]:
    shown = [machine, *rng.sample([one for one in others if one is not machine], 2)]
    rng.shuffle(shown)
    return tuple(one.text for one in shown)
