"""Where the questions of a chat come from: an editable line on a terminal, else the lines of a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

PROMPT = "❯ "


def from_pipe() -> Iterator[str]:
    """The lines of standard input that are not blank."""
    for line in sys.stdin:
        if line.strip():
            yield line.strip()


def from_terminal(home: Path, commands: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What the user types, until Ctrl-D. Ctrl-C clears the line.

    Args:
        home: keeps the history of questions.
        commands: name and meaning of each `/` command, for completion.
    """
    prompt = _build(home, commands)
    while True:
        try:
            text = prompt.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.strip():
            yield text.strip()


def _build(home: Path, commands: Sequence[tuple[str, str]]) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.formatted_text import FormattedText
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: object) -> None:
        event.current_buffer.insert_text("\n")  # type: ignore[attr-defined]

    completer = WordCompleter([name for name, _ in commands], meta_dict=dict(commands), sentence=True)
    history: History = FileHistory(str(_history_file(home))) if _writable(home) else InMemoryHistory()
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return PromptSession(
        FormattedText([("bold ansigreen", PROMPT if utf8 else "> ")]),
        history=history,
        completer=completer,
        complete_while_typing=True,
        reserve_space_for_menu=4,
        key_bindings=keys,
        enable_open_in_editor=True,
    )


def _writable(home: Path) -> bool:
    try:
        home.mkdir(parents=True, exist_ok=True)
        _history_file(home).touch(mode=0o600)
    except OSError:
        return False
    return os.access(_history_file(home), os.W_OK)


def _history_file(home: Path) -> Path:
    return home / "chat_history"
