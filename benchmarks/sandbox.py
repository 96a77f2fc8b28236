"""How long a sandboxed program takes to start: each tier against the interpreter alone.

Every round runs `pass` by the system's Python without a sandbox, and by each tier that works here; then a program
that imports numpy. Wall milliseconds from the call to the outcome, with the working folder made and removed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.measure import Summary, Table, arguments, machine, publish, summarize
from tools.sandbox import interpreter, tiers
from tools.sandbox.sandbox import Sandbox

PROGRAMS = {"pass": "pass", "import numpy": "import numpy"}


def main() -> None:
    """Interleave the tiers, print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=40)
    given = parser.parse_args()
    facts = machine()
    absent = {tier: reason for tier in tiers.TIERS if (reason := tiers.why_not(tier))}
    ways: dict[str, Callable[[str], None]] = {"python3 alone": plain}
    ways |= {tier: sandboxed(Sandbox(tier)) for tier in tiers.TIERS if tier not in absent}
    taken = measure(ways, given.runs)
    rows: list[tuple[object, ...]] = [
        (way, *(taken[way, name].show(0, "ms") for name in PROGRAMS), given.runs) for way in ways
    ]
    rows += [(tier, reason, "", 0) for tier, reason in absent.items()]
    results = {f"{way}, {name}": summary for (way, name), summary in taken.items()}
    publish(facts, results, [Table("A program's start and end", ("how", *PROGRAMS, "n"), rows)], given.json)


def measure(ways: dict[str, Callable[[str], None]], runs: int) -> dict[tuple[str, str], Summary]:
    """Milliseconds by way and program; the first round, which warms the file cache, is not counted."""
    taken: dict[tuple[str, str], list[float]] = {}
    for number in range(runs + 1):
        for name, program in PROGRAMS.items():
            for way, run in ways.items():
                began = time.perf_counter()
                run(program)
                if number:
                    taken.setdefault((way, name), []).append(1000 * (time.perf_counter() - began))
    return {key: summarize(values) for key, values in taken.items()}


def plain(program: str) -> None:
    """The interpreter that the sandbox would use, with its packages and without confinement."""
    found = interpreter.find(None)
    if found is None:
        sys.exit("There is no Python that a sandbox could use.")
    shown = f"import sys; sys.path += {list(map(str, found.packages))!r}\n" if program != "pass" else ""
    subprocess.run([str(found.path), "-I", "-S", "-c", shown + program], check=True)


def sandboxed(sandbox: Sandbox) -> Callable[[str], None]:
    """A run in a tier; a program that fails ends the benchmark."""

    def run(program: str) -> None:
        outcome = sandbox.run(program)
        if outcome.run.exit_code:
            sys.exit(f"{sandbox.tier}: {outcome.report.error or outcome.run.exit_code}")

    return run


if __name__ == "__main__":
    main()
