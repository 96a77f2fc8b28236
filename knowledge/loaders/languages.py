"""How declarations look in the languages whose files are cut by symbol.

A pattern is matched at the start of each line, its indentation removed; the group `name` is the symbol. The
patterns find what people look for in code (types, functions, methods), not everything a compiler would.
"""

from __future__ import annotations

import re
from functools import cache

_TYPED = (  # modifiers and a type, a name, its parameters, and no semicolon: a method of the C family
    r"(?!(?:return|else|new|throw|delete|case|goto|typedef|using|await|yield|if|for|while|switch|catch)\b)"
    r"(?:[A-Za-z_@][\w:.,@]*(?:<[^;={{}}()]{{0,80}}>)?(?:\[\])?[\s*&]+){{{least},8}}[*&]{{0,3}}"
    r"(?P<name{group}>~?[A-Za-z_]\w*(?:::~?\w+)*)\s*\([^;]*$"
)


def _patterns(*sources: str) -> str:
    """Any of the patterns; `NAME` in each stands for the symbol."""
    name = r"(?P<name{}>[A-Za-z_$][\w$]*[?!]?)"
    parts = [source.replace("NAME", name.format(at)).replace("{group}", str(at)) for at, source in enumerate(sources)]
    return "|".join(f"(?:{part})" for part in parts)


_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|open|override|async|"
    r"inline|virtual|partial|readonly|data|case|implicit|lazy|suspend|unsafe|extern|const|pub(?:\([^)]{0,40}\))?)\s+)*"
)
_TYPES = (
    _MODIFIERS + r"(?:class|interface|enum(?:\s+class)?|struct|trait|record|object|namespace|protocol|module)\s+NAME"
)
_METHOD = _TYPED.format(least=1, group="{group}")

_JAVASCRIPT = _patterns(
    _TYPES,
    _MODIFIERS + r"function\s*\*?\s*NAME",
    _MODIFIERS + r"(?:type)\s+NAME\s*(?:<[^=]{0,80}>)?\s*=",
    r"(?:export\s+)?(?:const|let|var)\s+NAME\s*(?::[^=]{0,80})?=\s*(?:async\s*)?(?:function\b|\([^)]*\)\s*(?::[^=]{0,80})?=>|\w+\s*=>)",
    r"(?:(?:public|private|protected|static|async|get|set|override|readonly)\s+)*"
    r"(?!(?:if|for|while|switch|catch|return|function|with)\b)NAME\s*(?:<[^>]{0,80}>)?\([^;]*\)\s*(?::[^={;]{0,80})?\{\s*$",
)
_C = _patterns(
    r"(?:typedef\s+)?(?:class|struct|union|enum(?:\s+class)?|namespace)\s+NAME[^;]*$",
    r"#\s*define\s+NAME\(",
    _TYPED.format(least=1, group="{group}"),
    r"(?P<name{group}>[A-Za-z_]\w*::~?\w+)\s*\([^;]*$",
)
_JAVA = _patterns(_TYPES, _METHOD, r"(?:(?:public|private|protected)\s+)+NAME\s*\([^;]*$")
_GO = _patterns(r"func\s+(?:\([^)]*\)\s*)?NAME", r"type\s+NAME\s+(?:struct|interface|func)?")
_RUST = _patterns(
    _MODIFIERS + r"(?:fn|struct|enum|trait|union|mod|type|macro_rules!)\s+NAME",
    r"(?:unsafe\s+)?impl(?:<[^>]{0,120}>)?\s+(?:[\w:<>, ']{1,80}\s+for\s+)?NAME",
)
_RUBY = _patterns(r"(?:class|module)\s+NAME", r"def\s+(?:self\.)?NAME")
_PHP = _patterns(_TYPES, _MODIFIERS + r"function\s+&?NAME")
_KOTLIN = _patterns(_TYPES, _MODIFIERS + r"fun\s+(?:<[^>]{0,80}>\s*)?(?:[\w<>?]+\.)?NAME", r"companion\s+object\s+NAME")
_SWIFT = _patterns(_TYPES, _MODIFIERS + r"(?:mutating\s+)?func\s+NAME", r"(?:public\s+)?(?:extension|actor)\s+NAME")
_SCALA = _patterns(_TYPES, _MODIFIERS + r"def\s+NAME")
_SHELL = _patterns(r"function\s+NAME", r"NAME\s*\(\)\s*\{?")
_SQL = _patterns(
    r"(?i:create\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+|unique\s+|materialized\s+)?"
    r"(?:table|view|index|function|procedure|trigger|type|schema)\s+(?:if\s+not\s+exists\s+)?)[\"`\[]?NAME"
)
_LUA = _patterns(r"(?:local\s+)?function\s+(?:\w+[.:])*NAME", r"(?:local\s+)?NAME\s*=\s*function\b")
_R = _patterns(r"NAME\s*(?:<-|=)\s*function\b")
_PYTHON = _patterns(r"(?:async\s+)?(?:def|class)\s+NAME")
_CSHARP = _patterns(_TYPES, _METHOD, r"(?:(?:public|private|protected|internal|static)\s+)+NAME\s*\([^;]*$")

# Suffix → (declarations, what starts a comment line)
LANGUAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys((".py", ".pyi"), (_PYTHON, ("#", "@"))),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx"), (_JAVASCRIPT, ("//", "/*", "*", "@"))),
    ".java": (_JAVA, ("//", "/*", "*", "@")),
    **dict.fromkeys((".c", ".h", ".cpp", ".cc", ".cxx", ".hpp", ".hh"), (_C, ("//", "/*", "*"))),
    ".go": (_GO, ("//", "/*", "*")),
    ".rs": (_RUST, ("//", "/*", "*", "#[")),
    ".rb": (_RUBY, ("#",)),
    ".php": (_PHP, ("//", "/*", "*", "#")),
    ".cs": (_CSHARP, ("//", "/*", "*", "[")),
    **dict.fromkeys((".kt", ".kts"), (_KOTLIN, ("//", "/*", "*", "@"))),
    ".swift": (_SWIFT, ("//", "/*", "*", "@")),
    ".scala": (_SCALA, ("//", "/*", "*", "@")),
    **dict.fromkeys((".sh", ".bash", ".zsh"), (_SHELL, ("#",))),
    ".sql": (_SQL, ("--",)),
    ".lua": (_LUA, ("--",)),
    ".r": (_R, ("#",)),
}


@cache
def declaration(suffix: str) -> re.Pattern[str]:
    """What declaring lines look like in files of this suffix; compiled when the first such file comes."""
    return re.compile(LANGUAGES[suffix][0])
