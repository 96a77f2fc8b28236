"""The way out: consoles, JSON, paths and foreign text, made safe for any terminal.

Text that comes from documents, models or other people is never printed as it is: `foreign` removes
terminal escapes, and the consoles never interpret Rich markup.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from agent.phrasing import counted, one_line, shown_path

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = [
    "counted",
    "err",
    "foreign",
    "one_line",
    "out",
    "prepare_streams",
    "print_error",
    "print_json",
    "shown_path",
]

_ASCII = {
    "✓": "+",
    "✗": "x",
    "→": "->",
    "›": ">",
    "·": "-",
    "…": "...",
    "⚙": "*",
    "“": '"',
    "”": '"',
    "—": "-",
    "’": "'",
    "≈": "~",
    "⚠": "!",
}
# Valid in JSON text, yet a terminal acts on them: C1 controls, bidirectional overrides, lone surrogates.
_ACTIVE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def prepare_streams() -> None:
    """Let no character that stdout's encoding lacks, and no byte that stdin's lacks, end the program."""
    codecs.register_error("ratchet", _substitute)
    for stream, errors in ((sys.stdout, "ratchet"), (sys.stderr, "ratchet"), (sys.stdin, "replace")):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=errors)


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_ASCII.get(char, "?") for char in lost), error.end


@cache
def out() -> Console:
    """Standard output: what was asked for. Lines are wrapped on a terminal only."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())


@cache
def err() -> Console:
    """Standard error: progress, asides and errors."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=not sys.stderr.isatty())


def foreign(text: str, style: str = "") -> Text:
    """Text that others wrote, without terminal escapes and control characters."""
    from rich.text import Text

    from knowledge.text import sanitize

    return Text(sanitize(text), style=style)


def print_json(value: Any) -> None:
    """One JSON value on standard output; escapes whatever a terminal would act on."""
    utf8 = (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf8")
    text = json.dumps(value, indent=2, ensure_ascii=not utf8, default=str)
    print(_ACTIVE.sub(lambda match: f"\\u{ord(match.group()):04x}", text), flush=True)


def print_error(what: str, kept: str = "", fix: str = "") -> None:
    """The three sentences of an error on standard error."""
    from rich.text import Text

    console = err()
    console.print(Text("✗ ", style="bold red") + foreign(what))
    if kept:
        console.print(Text("  ") + foreign(kept))
    if fix:
        console.print(Text("  → ", style="bold") + foreign(fix))
