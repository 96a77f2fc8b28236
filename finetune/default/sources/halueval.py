"""HaluEval: questions about short texts with the right answer and one that was made up (a preference pair)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from agent.prompts import REFUSAL
from finetune.default.public_data import chance_of, lines
from finetune.default.sources.boxes import chunks
from finetune.schema import Example

_REFUSED = 0.35  # of the boxes get a question whose text is not among their passages


def examples(data: Path, seed: int) -> Iterator[Example]:
    """Two to four texts a box with a question about each, at times one more that none of them answers."""
    chance = chance_of(f"halueval-{seed}")
    folder = data / "train" / "halueval"
    both = [lines(folder / f"qa_{kind}_data.json") for kind in ("one-turn", "multi-turn")]
    made_up = {line["question"]: line["hallucinated_answer"] for line in both[1]}
    known = [(number, line) for number, line in enumerate(both[0], 1) if _plain(line["right_answer"])]
    chance.shuffle(known)
    for number, group in enumerate(chunks(known, 2, 4, chance)):
        passages = tuple(re.sub(r"(?<=[a-z)\"\d][.?!])(?=[A-Z])", " ", line["knowledge"]).strip() for _, line in group)
        for place, line in group:
            question, wrong = line["question"], line["hallucinated_answer"]
            if chance.random() < 0.5 and made_up.get(question):
                wrong = made_up[question]
            asked = {"role": "user", "content": question, "passages": passages}
            right = {"role": "assistant", "content": line["right_answer"]}
            rejected = {"role": "assistant", "content": wrong}
            source, belongs = f"halueval:one-turn#{place}", f"halueval:box{number}"
            yield Example((asked, right), (), source, belongs, rejected)
        if chance.random() < _REFUSED:
            place, line = chance.choice(known)
            if (place, line) not in group and not any(line["right_answer"] in passage for passage in passages):
                asked = {"role": "user", "content": line["question"], "passages": passages}
                rejected = {"role": "assistant", "content": line["right_answer"]}
                refusal = {"role": "assistant", "content": REFUSAL}
                yield Example((asked, refusal), (), f"halueval:one-turn#{place}", f"halueval:box{number}", rejected)


def _plain(answer: str) -> bool:
    """Whether the answer can stand by itself: no bare yes or no, nothing long."""
    return answer.lower().strip(". ") not in ("yes", "no", "both", "neither") and 1 < len(answer) <= 90
