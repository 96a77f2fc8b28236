"""Runs the user's program inside the sandbox and sends out what came of it: error, last value, table, plots.

By now this process is confined. Nothing sent from here is trusted outside: the program shares the process and
could have sent it as well.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import json
import linecache
import math
import os
import stat
import struct
import sys
import traceback
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from types import CodeType
from typing import Any

NAME = "program.py"  # as tracebacks call it
_VALUE = "__value__"
_LONGEST_TEXT = 20_000
_LONGEST_CELL = 500
_LARGEST_IMAGE = 4 << 20  # bytes
_MOST_ROWS, _MOST_COLUMNS = 200, 100


class _Program(SourceFileLoader):
    """Loads the program as the module `__main__`; the value of a last expression is kept in `__value__`."""

    def __init__(self, text: str) -> None:
        super().__init__("__main__", NAME)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.text, NAME)
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = tree.body[-1]
            target = ast.copy_location(ast.Name(_VALUE, ast.Store()), last)
            tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
        code: CodeType = compile(tree, NAME, "exec", dont_inherit=True)
        return code


def run(job: dict[str, Any]) -> None:
    """Run `job["code"]`, send its outcome as messages on the descriptor `job["channel"]`, and exit as it would."""
    text, channel = job["code"], job["channel"]
    linecache.cache[NAME] = (len(text), None, text.splitlines(keepends=True), NAME)
    sys.argv = [NAME]
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    warnings.filterwarnings("ignore", message=".*cannot be shown")  # plt.show() without a screen
    loader = _Program(text)
    module = module_from_spec(ModuleSpec("__main__", loader, origin=NAME))
    sys.modules["__main__"] = module
    code = 0
    outcome: dict[str, Any] = {}
    try:
        loader.exec_module(module)
    except SystemExit as request:
        code = _exit_code(request)
    except BaseException as error:
        code = 1
        outcome["error"] = _told(error)
    outcome.update(_shown(getattr(module, _VALUE, None)))
    send(channel, outcome)
    for image in _figures(job["figures"], outcome):
        _send(channel, b"P", image)
    send(channel, {"done": True, "notes": outcome.get("notes", [])})
    sys.exit(code)


def send(channel: int, message: dict[str, Any]) -> None:
    """Send plain JSON."""
    _send(channel, b"J", json.dumps(message).encode())


def _send(channel: int, kind: bytes, content: bytes) -> None:
    rest = memoryview(struct.pack(">cI", kind, len(content)) + content)
    while rest:
        rest = rest[os.write(channel, rest) :]


def _exit_code(request: SystemExit) -> int:
    if request.code is None or isinstance(request.code, int):
        return (request.code or 0) & 0xFF
    print(request.code, file=sys.stderr)
    return 1


def _told(error: BaseException) -> str:
    """The traceback from the program's own first line on."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename != NAME:
        at = at.tb_next
    lines = traceback.format_exception(type(error), error, at)
    return _bounded("".join(lines).rstrip())


def _bounded(text: str, most: int = _LONGEST_TEXT) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… ({len(text) - 2 * half:,} characters left out) …\n{text[-half:]}"


def _shown(value: Any) -> dict[str, Any]:
    """The value of the last expression as text, and as a table if it is one."""
    if value is None:
        return {}
    try:
        table = _table(value)
        return {"value": _bounded(repr(value)), **({"table": table} if table else {})}
    except Exception as error:
        return {"value": f"(a {type(value).__name__} that cannot be shown: {type(error).__name__})"}


def _table(value: Any) -> dict[str, Any] | None:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        _widen(pandas)
        return _of_frame(value.to_frame() if isinstance(value, pandas.Series) else value, pandas)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        columns = list(dict.fromkeys(name for row in value[:_MOST_ROWS] for name in row))[:_MOST_COLUMNS]
        rows = [[_cell(row.get(name)) for name in columns] for row in value[:_MOST_ROWS]]
        return {"columns": [str(name) for name in columns], "rows": rows, "total": len(value)}
    return None


def _widen(pandas: Any) -> None:
    for option, wanted in (("width", 120), ("max_columns", 20), ("max_rows", 60)):
        pandas.set_option(f"display.{option}", wanted)


def _of_frame(frame: Any, pandas: Any) -> dict[str, Any]:
    total = len(frame)
    frame = frame.iloc[:_MOST_ROWS, :_MOST_COLUMNS]
    if not isinstance(frame.index, pandas.RangeIndex):
        frame = frame.reset_index(allow_duplicates=True)
    columns = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    rows = [[_cell(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
    return {"columns": columns, "rows": rows, "total": total}


def _cell(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a scalar of numpy
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    text = str(value)
    return None if text in ("NaT", "<NA>") else _bounded(text, _LONGEST_CELL)


def _figures(most: int, outcome: dict[str, Any]) -> Iterator[bytes]:
    """PNG images: files of that type in the working folder, or else the figures that are still open."""
    notes: list[str] = outcome.setdefault("notes", [])
    images = [*_saved()] or [*_drawn(notes)]
    if len(images) > most:
        notes.append(f"{len(images) - most} of {len(images)} plots were left out")
    for image in images[:most]:
        if len(image) <= _LARGEST_IMAGE:
            yield image
        else:
            notes.append(f"a plot of {len(image):,} bytes was left out")


def _saved() -> Iterator[bytes]:
    names = sorted(name for name in os.listdir(".") if name.lower().endswith(".png"))
    for name in names:
        with contextlib.suppress(OSError):  # a link, or not to be read
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(opened, "rb") as file:
                if stat.S_ISREG(os.fstat(opened).st_mode):
                    yield file.read(_LARGEST_IMAGE + 1)


def _drawn(notes: list[str]) -> Iterator[bytes]:
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    for number in pyplot.get_fignums() if pyplot is not None else []:
        image = io.BytesIO()
        try:
            pyplot.figure(number).savefig(image, format="png", dpi=110, bbox_inches="tight")
        except Exception as error:
            notes.append(f"plot {number} could not be drawn: {_bounded(str(error), _LONGEST_CELL)}")
        else:
            yield image.getvalue()
