"""From a real file through its loader to passages, and back: every citation opens at the right place."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.chunking import BUDGET_TOKENS, embedded_text, estimate_tokens, split
from knowledge.loaders import lazy_load
from knowledge.resolve import resolve

SENTENCE = "The valve of pump {n} opens at {n} degrees, closes at night, and is checked twice a year by the fitter.\n"
FILES = {
    "a.csv": "\nname,price,note\n" + "".join(f"pump {n},{n * 100},\n\n" for n in range(80)) + f"x,1,{'long ' * 900}\n",
    "a.md": "".join(f"# Part {n}\n\n{SENTENCE.format(n=n) * 9}\n- one\n- two\n\n" for n in range(5)),
    "a.rst": "".join(f"Part {n}\n======\n\n{SENTENCE.format(n=n) * 9}\n" for n in range(5)),
    "a.txt": "".join(SENTENCE.replace("\n", " ").format(n=n) for n in range(90)),
    "a.py": "import os\n\n\n# Opens.\nclass Door:\n    '''A door.'''\n\n"
    + "".join(f"    def step_{n}(self):\n        return {n}\n\n" for n in range(60)),
    "a.html": "<h1>Pumps</h1>" + "".join(f"<h2>{n}</h2><p>{SENTENCE.format(n=n) * 8}</p>" for n in range(5)),
}


@pytest.mark.parametrize("name", FILES)
def test_every_passage_stands_where_it_says_and_fits(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    found = list(split(lazy_load(path), str(path)))
    assert len(found) > 3
    for passage in found:
        assert resolve(passage) == passage.text
        assert estimate_tokens(embedded_text(passage)) <= BUDGET_TOKENS
    lines = [(p.start_line, p.end_line) for p in found]
    assert lines == sorted(lines)


def test_code_passages_are_named_by_their_symbol(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(FILES["a.py"], encoding="utf-8")
    found = {p.heading: p for p in split(lazy_load(path), str(path))}
    assert found["class Door"].text.startswith("# Opens.\nclass Door:")
    (step,) = [p for heading, p in found.items() if heading.startswith("class Door › ") and "step_7(" in p.text]
    assert "return 7" in step.text


def test_rows_are_numbered_as_a_spreadsheet_program_does(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(FILES["a.csv"], encoding="utf-8")
    found = list(split(lazy_load(path), str(path)))
    (holder,) = [p for p in found if "pump 40 |" in p.text]
    assert holder.heading.startswith("name | price")
    row = next(n for n, line in enumerate(FILES["a.csv"].split("\n"), start=1) if line.startswith("pump 40,"))
    assert holder.start_line <= row <= holder.end_line
    assert holder.unit == "row"
