"""The documentation against the code: settings, commands, exit codes, file types, the tree, every link."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command

from agent.cli import app, exit_codes
from agent.cli.plugins import WithPlugins
from agent.cli.slash import COMMANDS
from agent.config import Settings, describe
from knowledge.loaders import LOADERS
from tests.architecture.sources import ROOT, documents, name_of
from tests.e2e.markdown import blocks

DOCS = ROOT / "docs"
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[`>|(]|&& )\s*ratchet((?: (?!#)[^`\n|<>)]+)?)", re.MULTILINE)
_TREE_LINE = re.compile(r"^( *)([\w.]+/?)\s{2,}\S")

each_document = pytest.mark.parametrize("path", documents(), ids=name_of)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(path: Path) -> str:
    return _CODE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The fragments that GitHub gives to the headings of a file."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(prose(path)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, fragment = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


@pytest.mark.parametrize("start", ["docs/index.md", "docs/decisions/README.md"])
def test_every_page_is_listed_where_readers_begin(start: str) -> None:
    listed = {link.partition("#")[0] for link in _LINK.findall(text_of(start))}
    pages = {path.name for path in (ROOT / start).parent.glob("*.md")} - {Path(start).name}
    assert not pages - listed


@each_document
def test_documentation_speaks_of_what_is_there(path: Path) -> None:
    assert not re.search(r"\b(?:TODO|FIXME|TBD|coming soon|planned)\b", prose(path), re.IGNORECASE)


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_a_line_of_the_documentation_is_a_whole_sentence(path: Path) -> None:
    """Ratchet quotes these files line by line, and a quotation should stand alone."""
    for line in prose(path).splitlines():
        if line and line[0].isalpha():
            assert line[-1] in ".:!?", f"a sentence goes on in the next line: {line!r}"


def test_every_setting_is_documented_as_it_is() -> None:
    rows = {
        f"| `{key}` | {f'`{value}`' if value else ''} | {meaning} |"
        for key, value, _, meaning in describe(Settings(home=Path("~/.local/share/ratchet")))
    }
    written = set(re.findall(r"^\| `[a-z_.]+` \|.*$", text_of("docs/configuration.md"), re.MULTILINE))
    assert written == rows


def test_settings_named_in_passing_exist() -> None:
    known = {key for key, *_ in describe(Settings())}
    sections = "model|knowledge|agent|tools"
    for path in documents():
        for key in re.findall(
            rf"`((?:{sections})\.(?!py|cli|schema|errors|models|registry|spec|resources|policy)[a-z_]+)`", prose(path)
        ):
            assert key in known, f"{path.name}: {key}"
        for name in re.findall(r"RATCHET_([A-Z_]+)", prose(path)):
            key = name.lower().replace("__", ".")
            assert key in known | {"config"}, f"{path.name}: RATCHET_{name}"


@pytest.mark.parametrize(
    "block", [block for path in documents() for block in blocks(path, "toml")], ids=lambda block: block.name
)
def test_toml_in_the_documentation_is_valid(block: Any) -> None:
    Settings.model_validate(tomllib.loads(block.code))


def test_exit_codes_are_documented_as_they_are() -> None:
    written = dict(re.findall(r"^\| (\d+) \| (.+) \|$", text_of("docs/commands.md"), re.MULTILINE))
    said = dict(re.findall(r"^  (\d+) +(.+)$", exit_codes.EPILOG, re.MULTILINE))
    assert written == said


def test_file_types_are_documented_as_they_are() -> None:
    table = text_of("docs/formats.md").partition("## ")[0]
    assert set(re.findall(r"`(\.\w+)`", table)) == set(LOADERS)


@cache
def commands() -> dict[str, set[str]]:
    """Every command, as in "threads show", with its options."""
    found: dict[str, set[str]] = {}

    def walk(command: click.Command, name: str) -> None:
        found[name] = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        if isinstance(command, WithPlugins):
            command.list_commands(None)  # looks for those that other packages add
        for child, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {child}".strip())

    walk(get_command(app), "")
    return found


@each_document
def test_commands_in_the_documentation_exist_with_their_options(path: Path) -> None:
    known = commands()
    for rest in _COMMAND.findall(path.read_text(encoding="utf-8")):
        words = rest.split()
        while words and words[0] in known[""] | {"--help"}:  # global options stand before the command
            words = words[1:]
        name = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in known), None)
        if words and name is None:
            pytest.fail(f"there is no command `ratchet{rest}`")
        for option in (word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1):
            assert option in known[name or ""] | {"--help"}, f"`ratchet{rest}`"


def test_every_command_is_documented() -> None:
    text = text_of("docs/commands.md")
    for name, options in commands().items():
        section = text.partition(f"## ratchet {name.partition(' ')[0]}\n")[2].partition("\n## ")[0] if name else text
        assert not name or section, f"no section about `ratchet {name}`"
        if " " in name and not name.endswith((" list", " show")):
            assert f"`ratchet {name}" in section, f"`ratchet {name}` is not explained"
        spoken_of = section + "--json --help --version --install-completion --show-completion"
        missing = {option for option in options if option.startswith("--") and option not in spoken_of}
        assert not missing, f"`ratchet {name}`: {sorted(missing)}"
    for name in COMMANDS:
        assert f"`/{name}" in text, f"/{name} is not explained"


def test_the_tree_in_the_readme_is_the_tree() -> None:
    listed: set[str] = set()
    folder = ""
    for block in blocks(ROOT / "README.md", "text"):
        for line in block.code.splitlines():
            match = _TREE_LINE.match(line)
            if not match or "make " in line:
                continue
            indent, name = match.groups()
            folder = name if not indent and name.endswith("/") else folder if indent else ""
            listed.add(f"{folder}{name}" if indent else name)
    assert listed >= {"agent/", "agent/graph.py", "Makefile"}
    assert not [name for name in listed if not (ROOT / name).exists()]
    present = {name_of(path) for room in ("agent", "tools", "knowledge") for path in (ROOT / room).glob("[!_]*.py")}
    assert not present - listed, "the annotated tree in README.md lacks files"


def test_the_places_named_for_changes_exist() -> None:
    table = text_of("README.md").partition("## Where does a change go?")[2].partition("\n## ")[0]
    places = re.findall(r"`([\w/.]+)`", table)
    assert len(places) >= 10
    assert not [place for place in places if not (ROOT / place).exists()]
