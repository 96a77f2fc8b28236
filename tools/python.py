"""Python programs in a sandbox: text, tables and plots come back, and nothing else leaves it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import Resources
    from tools.sandbox.limits import Limits
    from tools.sandbox.runner import Stream
    from tools.sandbox.sandbox import Outcome, Sandbox

LONGEST_CODE = 50_000
LONGEST_STREAM = 20_000  # characters shown of what a program printed
_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(?P<code>.+?)```", re.DOTALL)
_ASKS = re.compile(
    r"\b(?:run|execute|try)\b.{0,40}\b(?:this|the|my|following|code|program|script|snippet|python)\b"
    r"|\bwhat (?:does|will|would|is)\b.{0,40}\b(?:print|output|return|give|result)\b",
    re.IGNORECASE | re.DOTALL,
)

_ENDINGS = {
    "time": "The program was ended after {seconds:g} seconds, which is its limit.",
    "cancelled": "The program was ended because the user asked to stop.",
    "memory": "The program was ended because all its processes together took more than {megabytes:,} MB of memory.",
    "disk": "The program was ended because it kept more than {disk:,} MB or {files:,} files on disk.",
    "output": "The program was ended because it printed more than {printed:,} MB.",
}
_SIGNALS = {
    132: "an illegal instruction",
    134: "an abort",
    135: "a bus error",
    136: "an arithmetic error",
    137: "being killed",
    139: "a segmentation fault",
    152: "using more processor time than it may",
    159: "a forbidden system call",
}


def hints(question: str) -> dict[str, list[str]] | None:
    """The programs that stand in the question between ``` marks; None unless it asks to run them."""
    programs = [match["code"].rstrip() for match in _FENCED.finditer(question)]
    asks = _ASKS.search(_FENCED.sub(" ", question))
    return {"code": programs} if programs and asks else None


def unavailable(resources: Resources) -> str:
    """Why no program can be run on this machine; empty if one can."""
    from tools.sandbox.sandbox import find

    sandbox, reason = find()
    return "" if sandbox is not None else f"No code is run, since it could not be confined: {reason}."


def build(resources: Resources) -> list[ToolSpec]:
    """The sandbox as a LangChain tool; none where no tier of it works."""
    from tools.sandbox.sandbox import find

    sandbox, _ = find()
    return [] if sandbox is None else [tool_for(sandbox, resources)]


def tool_for(sandbox: Sandbox, resources: Resources) -> ToolSpec:
    """The tool on a certain tier; where only Landlock holds, a person is asked every time."""
    from langchain_core.tools import ToolException, tool

    from tools.sandbox.limits import MIB, Limits
    from tools.sandbox.sandbox import SandboxError

    allowed = Limits(seconds=resources.python_seconds, memory_bytes=resources.python_megabytes * MIB)

    @tool(response_format="content_and_artifact")
    def run_python(code: str) -> tuple[str, dict[str, Any]]:
        """Run a Python program and return what it prints, its last expression, and its matplotlib plots."""
        if not code.strip():
            raise ToolException("the program is empty; pass Python code")
        if len(code) > LONGEST_CODE:
            raise ToolException(f"a program may have {LONGEST_CODE:,} characters, this has {len(code):,}")
        code = code.encode(errors="replace").decode()
        try:
            outcome = sandbox.run(code, allowed, workspace=resources.workspace, cancelled=resources.cancelled)
        except SandboxError as error:
            raise ToolException(f"the program was not run: {error}") from error
        artifact = _artifact(outcome, resources)
        return shown(outcome, allowed), artifact

    if resources.workspace is not None:
        run_python.description += ' The user\'s files can be read in the folder "workspace".'

    def preview(arguments: Mapping[str, Any]) -> str:
        return f"{_terms(sandbox, allowed, resources)}\n\n{arguments.get('code', '')}"

    always = sandbox.tier == "landlock"
    return ToolSpec(run_python, "execute", untrusted=True, preview=preview, hints=hints, always_ask=always)


def _terms(sandbox: Sandbox, allowed: Limits, resources: Resources) -> str:
    reads = "reads the workspace, " if resources.workspace is not None else ""
    how = "in bubblewrap" if sandbox.tier == "bubblewrap" else "under Landlock, without namespaces of its own"
    return f"Runs {how}: {reads}no network, nothing kept, at most {allowed.seconds:g} seconds."


def shown(outcome: Outcome, allowed: Limits) -> str:
    """What a program printed and how it ended, as text."""
    report = outcome.report
    parts = [
        _streamed(outcome.run.output),
        _labelled("Error output", _streamed(outcome.run.errors)),
        _labelled("Value", report.value),
        _counted(outcome),
        report.error,
        _ended(outcome, allowed),
        *(f"({note})" for note in report.notes),
    ]
    return "\n\n".join(part for part in parts if part) or "The program ended without printing anything."


def _labelled(label: str, text: str) -> str:
    return f"{label}:\n{text}" if text else ""


def _streamed(stream: Stream) -> str:
    text = stream.kept.decode(errors="replace")
    if stream.total > len(stream.kept) or len(text) > LONGEST_STREAM:
        return f"{text[:LONGEST_STREAM]}\n(the beginning; {stream.total:,} bytes were printed)"
    return text.rstrip("\n")


def _counted(outcome: Outcome) -> str:
    table, rows = outcome.report.table, outcome.report.table_rows
    if table is None or rows <= len(table["rows"]):
        return ""
    return f"(the table shows the first {len(table['rows'])} of {rows:,} rows)"


def _ended(outcome: Outcome, allowed: Limits) -> str:
    if outcome.run.ending:
        return _ENDINGS[outcome.run.ending].format(
            seconds=allowed.seconds,
            megabytes=allowed.memory_bytes >> 20,
            disk=allowed.disk_bytes >> 20,
            files=allowed.files,
            printed=allowed.output_bytes >> 20,
        )
    code = outcome.run.exit_code
    if code == 0 or outcome.report.error:
        return ""
    if code in _SIGNALS:
        return f"The program ended by {_SIGNALS[code]}."
    return f"The program ended with exit code {code}."


def _artifact(outcome: Outcome, resources: Resources) -> dict[str, Any]:
    from tools.sandbox.results import store

    report = outcome.report
    artifact: dict[str, Any] = {"table": report.table} if report.table is not None else {}
    if report.images and resources.artifacts is None:
        report.notes.append("plots are not kept, for there is no folder for them")
    elif report.images and resources.artifacts is not None:
        try:
            artifact["files"] = store(report.images, resources.artifacts)
            report.notes.append(f"plots shown to the user: {len(report.images)}")
        except OSError as error:
            report.notes.append(f"plots could not be kept: {error.strerror}")
    return artifact
