"""The command line as a user runs it: real processes, the real model, real documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

RATCHET = (sys.executable, "-m", "agent.cli")
LIMIT = 120
GUIDE = """# Heron handbook

## Warranty

The Heron 3 pump comes with a warranty of 24 months from the date of purchase.
Send the receipt to claims@heron.example.

## Cleaning

Rinse the filter under cold water every two weeks. Never use soap on the filter.
"""
HOSTILE = """# Notes

The lighthouse keeper is called Marta.\x1b]0;owned\x07 She lights \x1b[31mthe lamp\x1b[0m at dusk every day.
"""
STORY = "Write a very long story about a dragon and a knight."
TALKATIVE = ("--adapter", "none")  # the bare model's answers are long enough to be stopped
# The spinner, then a line of words that no spinner has drawn over.
SPEAKING = "thinking\\s*[^\u2800-\u28ff]{80}"
QUESTION = "How long is the warranty of the Heron 3 pump?"


class Home:
    """A home with a few indexed documents, and a way to run `ratchet` on it."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.docs = root / "docs"
        self.environment = {**environment, "RATCHET_HOME": str(root / "home"), "TERM": "xterm-256color"}

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RATCHET, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            cwd=self.root,
            env={**self.environment, **environment},
            check=False,
        )

    def terminal(self, *arguments: str, columns: int = 80) -> Terminal:
        return Terminal([*RATCHET, *arguments], self.environment, columns)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> dict[str, str]:
    """The environment of every run: this checkout, no configuration of the machine, prepared models."""
    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("config")),
        "RATCHET_MODELS": str(models_folder),
    }


@pytest.fixture(scope="module")
def home(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made(tmp_path_factory.mktemp("a home with spaces"), environment, "guide.md", GUIDE)


@pytest.fixture(scope="module")
def hostile(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made(tmp_path_factory.mktemp("hostile"), environment, "notes.txt", HOSTILE)


def made(root: Path, environment: Mapping[str, str], name: str, text: str) -> Home:
    """A home with one indexed document."""
    home = Home(root, environment)
    home.docs.mkdir()
    (home.docs / name).write_text(text, encoding="utf-8")
    done = home.run("ingest", "docs", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] == 1
    return home


def test_help_imports_nothing_heavy(environment: dict[str, str]) -> None:
    program = (
        "import sys\nfrom agent.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit as end: assert not end.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert "Exit codes" in done.stdout
    imported = set(done.stderr.split())
    assert "agent" in imported
    heavy = {
        "torch",
        "transformers",
        "langchain",
        "langchain_core",
        "langgraph",
        "faiss",
        "numpy",
        "pydantic",
    }
    assert not imported & heavy


def test_ask_json_answers_from_the_document_and_the_citation_checks_out(home: Home) -> None:
    done = home.run("ask", "--json", QUESTION)
    assert done.returncode == 0, done.stderr
    turn = json.loads(done.stdout)
    assert "24 months" in turn["answer"]
    (citation, *_) = turn["citations"]
    assert citation["source"] == str(home.docs / "guide.md")
    assert citation["locator"].startswith("line")
    assert citation["text"] in GUIDE
    assert "24 months" in citation["text"]
    assert turn["status"] == "done"
    assert turn["usage"]["completion_tokens"] > 0
    assert turn["timings"]["first_token"] > 0
    assert turn["thread_id"] and turn["turn_id"]
    assert done.stderr == ""


def test_ask_summarizes_a_whole_document_in_its_own_words(home: Home) -> None:
    done = home.run("ask", "--json", "Summarize guide.md")
    assert done.returncode == 0, done.stderr
    turn = json.loads(done.stdout)
    for said in ("**Warranty**", "**Cleaning**", "24 months", "Rinse the filter"):
        assert said in turn["answer"], said
    assert all(citation["text"] in GUIDE for citation in turn["citations"])
    assert len(turn["citations"]) == 2
    assert turn["usage"]["completion_tokens"] == 0
    unknown = home.run("ask", "Summarize guides.md")
    assert "guide.md" in unknown.stdout
    assert unknown.returncode == 0


def test_ask_json_shows_the_tool_call(home: Home) -> None:
    turn = json.loads(home.run("ask", "--json", "What is 17*23?").stdout)
    (call,) = turn["tool_calls"]
    assert call["name"] == "calculator"
    assert "391" in call["result"]
    assert "391" in turn["answer"]


def test_ask_reads_a_pipe_and_writes_the_answer_alone_to_stdout(home: Home) -> None:
    done = home.run("ask", stdin=QUESTION + "\n")
    assert done.returncode == 0
    assert "24 months" in done.stdout
    assert "docs/guide.md › Warranty, line" in done.stdout
    assert "first word" in done.stderr and "first word" not in done.stdout


def test_chat_over_a_pipe_answers_every_line(home: Home) -> None:
    done = home.run("chat", stdin=f"{QUESTION}\n\nHow often should I rinse the filter?\n/sources\n")
    assert done.returncode == 0, done.stderr
    assert "24 months" in done.stdout
    assert "two weeks" in done.stdout
    assert "guide.md › Cleaning" in done.stdout


def test_search_json_is_ranked(home: Home) -> None:
    found = json.loads(home.run("search", "rinse the filter", "--json").stdout)
    assert found[0]["source"] == str(home.docs / "guide.md")
    assert {"source", "locator", "score", "text"} <= set(found[0])
    assert [item["score"] for item in found] == sorted((item["score"] for item in found), reverse=True)


def test_a_missing_folder_is_3_and_changes_nothing(home: Home) -> None:
    done = home.run("ingest", "/nowhere/at all")
    assert done.returncode == 3
    assert "/nowhere/at all" in done.stderr
    assert done.stdout == ""
    assert home.run("ask", "--docs", "absent", QUESTION).returncode == 3


def test_nothing_indexed_is_3_for_search_and_a_note_for_ask(environment: dict[str, str], tmp_path: Path) -> None:
    empty = Home(tmp_path, environment)
    done = empty.run("search", "anything")
    assert done.returncode == 3
    assert "ratchet ingest" in done.stderr
    asked = empty.run("ask", "Hello")
    assert asked.returncode == 0
    assert "ratchet ingest" in asked.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ask", "--model", "nonsense:x", "Hi"), 4),
        (("ask", "--model", "local:/nowhere.gguf", "Hi"), 4),
        (("ask", "   "), 2),
        (("ask", "--temperature", "9"), 2),
        (("threads", "show", "absent"), 3),
        (("feedback", "add", "absent", "--good"), 3),
    ],
)
def test_errors_are_short_and_have_their_code(home: Home, arguments: tuple[str, ...], code: int) -> None:
    done = home.run(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_damaged_database_is_5_and_stays_as_it_is(environment: dict[str, str], tmp_path: Path) -> None:
    broken = Home(tmp_path, environment)
    (tmp_path / "home").mkdir()
    database = tmp_path / "home" / "ratchet.db"
    database.write_bytes(b"not a database at all" * 500)
    done = broken.run("ask", "Hello")
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    assert database.read_bytes() == b"not a database at all" * 500
    assert broken.run("doctor").returncode == 1


def test_escapes_in_a_document_never_reach_the_terminal(hostile: Home) -> None:
    asked = "Who is the lighthouse keeper? \x1b[2J"
    for arguments in (
        ("ask", asked),
        ("search", "lighthouse keeper"),
        ("search", "lighthouse", "--json"),
        ("threads",),
    ):
        done = hostile.run(*arguments)
        assert done.returncode == 0
        assert not {"\x1b", "\x07"} & set(done.stdout + done.stderr)
    with hostile.terminal("ask", "Who is the lighthouse keeper?") as terminal:
        terminal.expect("in all", LIMIT)
        assert terminal.wait() == 0
    assert "Marta" in terminal.text
    assert b"owned" not in terminal.raw


def test_feedback_and_threads_after_a_question(home: Home) -> None:
    turn = json.loads(home.run("ask", "--json", QUESTION).stdout)
    assert home.run("feedback", "add", turn["turn_id"], "--good", "--comment", "right").returncode == 0
    (given, *_) = [item for item in json.loads(home.run("feedback", "--json").stdout) if item["comment"] == "right"]
    assert (given["turn_id"], given["rating"]) == (turn["turn_id"], 1)
    (first,) = json.loads(home.run("threads", "show", turn["thread_id"][:8], "--json").stdout)
    assert first["answer"] == turn["answer"]
    assert home.run("threads", "delete", turn["thread_id"], "--yes").returncode == 0
    assert home.run("threads", "show", turn["thread_id"]).returncode == 3


def test_memory_survives_processes(home: Home) -> None:
    fact = json.loads(home.run("memory", "add", "My pump has the serial number 4711", "--json").stdout)
    assert [fact] == json.loads(home.run("memory", "list", "--json").stdout)
    assert home.run("memory", "edit", fact["fact_id"], "My pump is number 4712").returncode == 0
    assert "4712" in home.run("memory").stdout
    assert home.run("memory", "delete", fact["fact_id"]).returncode == 0
    assert json.loads(home.run("memory", "--json").stdout) == []


def test_doctor_is_content(home: Home) -> None:
    done = home.run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {"model", "embedder", "index", "database", "disk"} <= set(checks)


def test_a_reader_that_leaves_is_no_error_message(home: Home) -> None:
    command = f"'{sys.executable}' -m agent.cli search 'the filter' | head -1"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=home.environment,
        check=True,
    )
    assert "guide.md" in done.stdout
    assert done.stderr == ""


def test_an_ascii_terminal_loses_glyphs_only(home: Home) -> None:
    done = home.run("ask", QUESTION, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0
    assert "guide.md > Warranty" in done.stdout


class TestTerminal:
    """A person at a terminal."""

    def test_a_conversation(self, home: Home) -> None:
        with home.terminal("chat", columns=60) as terminal:
            terminal.expect("Ratchet · local:default · 1 document ", LIMIT)
            terminal.send(QUESTION + "\r")
            answer = terminal.expect("in all", LIMIT)
            assert "24 months" in answer
            assert "docs/guide.md" in answer
            terminal.expect("❯")
            terminal.send("/good\r")
            terminal.expect("✓ Kept")
            terminal.expect("❯")
            terminal.send("\x04")
            assert terminal.wait() == 0
        history = Path(home.environment["RATCHET_HOME"]) / "chat_history"
        assert QUESTION in history.read_text()
        assert history.stat().st_mode & 0o077 == 0

    def test_a_tool_call_asks_first_and_can_be_left_for_later(self, home: Home) -> None:
        with home.terminal("chat", "--new") as terminal:
            terminal.expect("❯", LIMIT)
            terminal.send("fetch http://127.0.0.1:9/?secret=1\r")
            shown = terminal.expect(r"\[l\]ater: ", LIMIT)
            assert "web_fetch (reaches the network) waits for you" in shown
            assert "url = http://127.0.0.1:9/?secret=1" in shown
            terminal.send("n\r")
            terminal.expect("Why")
            terminal.send("not that one\r")
            assert "The reason given: not that one" in terminal.expect("in all", LIMIT)
            terminal.expect("❯")
            terminal.send("fetch http://127.0.0.1:9/\r")
            terminal.expect(r"\[l\]ater: ", LIMIT)
            terminal.send("l\r")
            terminal.expect("❯")
            terminal.send("/quit\r")
            assert terminal.wait() == 0
        (request,) = json.loads(home.run("approvals", "--json").stdout)
        assert request["arguments"]["url"] == "http://127.0.0.1:9/"
        done = home.run("approvals", "approve", request["call_id"])
        assert (done.returncode, "web_fetch failed" in done.stdout + done.stderr) == (0, True)
        assert home.run("approvals", "--json").stdout.strip() == "[]"

    def test_ctrl_c_stops_the_answer_and_not_the_chat(self, home: Home) -> None:
        with home.terminal("chat", *TALKATIVE) as terminal:
            terminal.expect("❯", LIMIT)
            terminal.send(STORY + "\r")
            terminal.expect(SPEAKING, LIMIT)
            terminal.send("\x03")
            terminal.expect("stopped", LIMIT)
            terminal.expect("❯")
            terminal.send(QUESTION + "\r")
            assert "24 months" in terminal.expect("in all", LIMIT)
            terminal.expect("❯")
            terminal.send("half a line\x03")
            terminal.expect("❯")
            terminal.send("/quit\r")
            assert terminal.wait() == 0

    def test_a_killed_chat_is_picked_up(self, home: Home) -> None:
        with home.terminal("chat", "--new", *TALKATIVE) as terminal:
            terminal.expect("❯", LIMIT)
            terminal.send(STORY + "\r")
            terminal.expect(SPEAKING, LIMIT)
            terminal.process.kill()
            terminal.wait()
        with home.terminal("chat") as terminal:
            terminal.expect("Finishing what was interrupted: “Write a very long story", LIMIT)
            terminal.expect("in all", LIMIT)
            terminal.expect("❯")
            terminal.send("\x04")
            assert terminal.wait() == 0

    def test_ctrl_c_in_ask_is_130(self, home: Home) -> None:
        with home.terminal("ask", STORY, *TALKATIVE) as terminal:
            terminal.expect(SPEAKING, LIMIT)
            terminal.send("\x03")
            assert terminal.wait(LIMIT) == 130
