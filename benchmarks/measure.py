"""What every benchmark shares: percentiles, tables, facts about the machine, and how results are printed."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("xllamacpp", "langchain", "langchain-core", "langgraph", "faiss-cpu", "numpy")


@dataclass(frozen=True, slots=True)
class Summary:
    """Median, 90th percentile and number of some measurements, in the unit they came in."""

    median: float
    p90: float
    n: int

    def show(self, digits: int = 2, unit: str = "") -> str:
        """One table cell: "0.21 s (p90 0.30)"."""
        return f"{self.median:.{digits}f}{unit and ' ' + unit} (p90 {self.p90:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; cells are printed as they are."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]

    def __str__(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        body = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
        return f"### {self.title}\n\n{body}"


def summarize(values: Iterable[float]) -> Summary:
    """Median, p90 and n; not-a-number where there are no values."""
    given = sorted(values)
    if not given:
        return Summary(math.nan, math.nan, 0)
    return Summary(statistics.median(given), percentile(given, 0.9), len(given))


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest measurement that at least `part` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def share(part: int, whole: int) -> str:
    """One table cell: "36 of 40 (90 %)"."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "none"


def machine() -> dict[str, str]:
    """What the figures depend on: processor, cores, memory, Python and package versions."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": str(cores),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load": f"{psutil.cpu_percent(interval=0.3):.0f} % of the processor busy before the run",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    } | {name: metadata.version(name) for name in PACKAGES}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def resident_mib(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and at its peak, in MiB, from the kernel; NaN where it does not say.

    Counts mapped files too, so the model's weights are in it.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        import psutil

        return psutil.Process(pid).memory_info().rss / 2**20, math.nan
    kib = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def publish(facts: dict[str, str], results: dict[str, Any], tables: Sequence[Table], as_json: bool) -> None:
    """Print the results of one benchmark.

    Args:
        facts: what `machine` said before the run.
        results: everything measured; dataclasses are turned into plain values.
        tables: the same for people.
        as_json: print `results` instead of `tables`.
    """
    if as_json:
        print(json.dumps({"machine": facts, "results": results}, indent=1, default=_plain))
        return
    print("\n\n".join(str(table) for table in tables))
    print("\nMachine: " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else asdict(value)
