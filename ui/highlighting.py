"""Program text as HTML with a few quiet classes, for the languages that people ask about."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ui.escape import escaped, exposed

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Beyond this a lexer may take long over text that was made to be slow.
LONGEST = 20_000  # characters
# A fixed list: what a text names is never looked up among plug-ins.
LANGUAGES = {
    "bash": "bash",
    "c": "c",
    "c++": "cpp",
    "cpp": "cpp",
    "css": "css",
    "diff": "diff",
    "go": "go",
    "html": "html",
    "ini": "ini",
    "java": "java",
    "javascript": "javascript",
    "js": "javascript",
    "json": "json",
    "py": "python",
    "python": "python",
    "r": "r",
    "rust": "rust",
    "sh": "bash",
    "shell": "bash",
    "sql": "sql",
    "toml": "toml",
    "ts": "typescript",
    "typescript": "typescript",
    "xml": "xml",
    "yaml": "yaml",
    "yml": "yaml",
}
_CLASSES = (
    ("Comment", "c"),
    ("Keyword", "k"),
    ("Literal.String", "s"),
    ("Literal.Number", "n"),
    ("Name.Function", "f"),
    ("Name.Class", "f"),
    ("Name.Decorator", "f"),
    ("Name.Tag", "k"),
    ("Name.Attribute", "f"),
    ("Generic.Inserted", "i"),
    ("Generic.Deleted", "d"),
    ("Generic.Heading", "c"),
    ("Generic.Subheading", "c"),
)


def highlighted(program: str, language: str) -> str:
    """The text as HTML; plain where the language is unknown or the text long."""
    name = LANGUAGES.get(language.lower(), "")
    if not name or len(program) > LONGEST:
        return escaped(program)
    program = exposed(program)
    written, read = [], []
    for kind, value in _lexer(name).get_tokens(program):
        read.append(value)
        shade = _class_of(str(kind).removeprefix("Token."))
        written.append(f'<span class="r-c-{shade}">{escaped(value)}</span>' if shade else escaped(value))
    return "".join(written) if "".join(read) == program else escaped(program)


@cache
def _lexer(name: str) -> Lexer:
    from pygments.lexers import get_lexer_by_name

    lexer: Lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    return lexer


@cache
def _class_of(kind: str) -> str:
    return next((short for prefix, short in _CLASSES if kind == prefix or kind.startswith(prefix + ".")), "")
