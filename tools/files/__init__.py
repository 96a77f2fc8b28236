"""Files of the workspace folder: list, read, write, edit, and take a write back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from knowledge.errors import DocumentError
from tools.files.desk import Desk
from tools.files.workspace import WorkspaceError, supported
from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import Resources

_FILE = r"[\"'`“]?(?P<path>[\w][\w./-]*\.[A-Za-z][A-Za-z0-9]{0,7})[\"'`”]?"
_POLITE = r"\s*(?:please\s+|(?:can|could|would)\s+you\s+(?:please\s+)?)?"
_READS = re.compile(
    rf"{_POLITE}(?:read|open|cat|show(?:\s+me)?|display|print)\s+(?:me\s+)?(?:the\s+|my\s+)?"
    rf"(?:(?:contents?|text)\s+of\s+)?(?:the\s+|my\s+)?(?:file\s+)?{_FILE}(?:\s+file)?"
    r"(?:\s+(?:in|from)\s+(?:the|my)\s+workspace)?(?:\s+please)?\s*[.?!]*\s*",
    re.IGNORECASE,
)
_LISTS = re.compile(
    rf"{_POLITE}(?:(?:list|show(?:\s+me)?|display|give\s+me)\s+(?:all\s+)?(?:of\s+)?(?:the\s+|my\s+)?files"
    r"|(?:what|which)\s+files\s+(?:are|do\s+i\s+have)(?:\s+there)?)"
    r"\s+(?:that\s+are\s+)?(?:in|of|from)\s+(?:the|my|our|this)\s+workspace(?:\s+folder)?(?:\s+please)?\s*[.?!]*\s*",
    re.IGNORECASE,
)


def list_hints(question: str) -> dict[str, list[str]] | None:
    """For a wish to see the files of the workspace, named as such."""
    return {"folder": [""]} if _LISTS.fullmatch(question[:300]) else None


def read_hints(question: str) -> dict[str, list[str]] | None:
    """The file that a question asks to be read, when it asks for nothing else."""
    match = _READS.fullmatch(question[:300])
    return {"path": [match.group("path")]} if match else None


def unavailable(resources: Resources) -> str:
    """Why there are no file tools although a workspace is set."""
    if resources.workspace is not None and not supported():
        return "The workspace needs a system that opens files beneath a folder, such as Linux or macOS."
    return ""


def build(resources: Resources) -> list[ToolSpec]:
    """The file tools; none without a workspace, and no undo without a place to keep earlier versions."""
    if resources.workspace is None or not supported():
        return []
    desk = Desk(resources)
    specs = [*_readers(desk), *_writers(desk)]
    return specs if desk.undo else [spec for spec in specs if spec.name != "undo_write"]


def _readers(desk: Desk) -> list[ToolSpec]:
    from langchain_core.tools import tool

    @tool
    def list_files(folder: str = "", pattern: str = "*") -> str:
        """List the files of the workspace; pattern such as "*.txt" also looks into the folders below."""
        with _told():
            return desk.listing(folder, pattern)

    @tool(response_format="content_and_artifact")
    def read_file(path: str, first_line: int = 1, lines: int = 400) -> tuple[str, dict[str, Any]]:
        """Read the text of a file in the workspace, from first_line on."""
        with _told():
            return desk.reading(path, first_line, lines)

    return [
        ToolSpec(list_files, "read", untrusted=True, hints=list_hints),
        ToolSpec(read_file, "read", untrusted=True, hints=read_hints),
    ]


def _writers(desk: Desk) -> list[ToolSpec]:
    from langchain_core.tools import tool

    @tool
    def write_file(path: str, text: str, mode: Literal["create", "replace", "append"] = "create") -> str:
        """Write text to a file in the workspace: create a new one, replace its text, or append to it."""
        with _told():
            return desk.write(path, lambda path: desk.written(path, text, mode))

    @tool
    def edit_file(path: str, old: str, new: str) -> str:
        """Change one place in a file of the workspace: old, which must stand there exactly once, becomes new."""
        with _told():
            return desk.write(path, lambda path: desk.edited(path, old, new))

    @tool
    def undo_write(path: str) -> str:
        """Take back the last write to a file in the workspace."""
        with _told():
            return desk.undone(path)

    def write_preview(arguments: Mapping[str, Any]) -> str:
        mode = arguments.get("mode", "create")
        return desk.preview(arguments, lambda path: desk.written(path, str(arguments["text"]), mode))

    def edit_preview(arguments: Mapping[str, Any]) -> str:
        old, new = str(arguments.get("old", "")), str(arguments.get("new", ""))
        return desk.preview(arguments, lambda path: desk.edited(path, old, new))

    def undo_preview(arguments: Mapping[str, Any]) -> str:
        return desk.preview(arguments, desk.earlier)

    return [
        ToolSpec(write_file, "write", preview=write_preview),
        ToolSpec(edit_file, "write", preview=edit_preview),
        ToolSpec(undo_write, "write", preview=undo_preview),
    ]


@contextmanager
def _told() -> Iterator[None]:
    """Every failure as one that the model can read, without a path outside of the workspace."""
    from langchain_core.tools import ToolException

    try:
        yield
    except DocumentError as error:
        raise ToolException(str(error)) from None
    except (WorkspaceError, TimeoutError) as error:
        raise ToolException(f"{error}".removesuffix(".") + ".") from None
    except UnicodeEncodeError:
        raise ToolException("The path or text holds half a character (a lone surrogate).") from None
    except OSError as error:
        raise ToolException(f"The system refused: {error.strerror or type(error).__name__}.") from None
