"""A shared chat that runs, browsers that visit it, and its page at the level of Gradio's protocol."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from agent.config import Settings, load_settings
from tests.agent.scripted import ScriptedModel
from ui.desk import Desk
from ui.share_parts.gate import Door
from ui.share_parts.host import Host
from ui.share_parts.page import Widgets

HOUSE = """# The house

The door of the house is painted blue. The house was built in 1901 by Ada Byron.
"""
BLUE = "The door of the house is painted blue."
ASKED = "What colour is the door of the house?"
PASSWORD = "correct-horse-battery"
FORM = {"accept": "text/html,application/xhtml+xml"}
SENTENCE = "One two three four five six seven eight nine ten eleven twelve."


@dataclass(frozen=True)
class Held:
    """A model that has begun to speak and waits for a word to go on."""

    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Called by the model."""
        self.begun.set()
        assert self.go_on.wait(30)


@dataclass
class Served:
    """A server that runs, and what is behind it."""

    url: str
    page: Any
    desk: Desk
    own: Settings
    model: ScriptedModel
    door: Door
    host: Host
    opened: list[httpx.Client] = field(default_factory=list)

    def browser(self, address: str = "10.0.0.1", name: str = "guest", password: str = PASSWORD) -> httpx.Client:
        """Somebody's browser, logged in."""
        browser = self.stranger(address)
        answer = browser.post("/login", data={"username": name, "password": password}, headers=FORM)
        assert answer.status_code == 303, answer.text
        return browser

    def hold(self) -> Held:
        """Have the model wait behind the first piece of what it says, in every answer from now on."""
        held = Held()
        self.model._after_first = held.wait
        return held

    def stranger(self, address: str = "10.0.0.1") -> httpx.Client:
        """Somebody's browser; the server sees this address, as behind a proxy on the same machine."""
        self.opened.append(httpx.Client(base_url=self.url, headers={"x-forwarded-for": address}, timeout=30))
        return self.opened[-1]


def permissive(home: Path, models: Path) -> Settings:
    """An owner who allows himself everything."""
    return load_settings(
        {
            "home": home,
            "models": models,
            "model": {"name": "openai:scripted"},
            "tools": {
                "write": "allow",
                "execute": "allow",
                "network": "allow",
                "policy": {"python": "allow", "web_fetch": "allow"},
                "workspace": str(home),
                "databases": {"own": str(home / "ratchet.db")},
                "search_url": "http://127.0.0.1:9",
                "plugins": ["langchain_core.tools:Tool"],
                "mcp": {"files": {"command": ["false"]}},
            },
        },
        environ={},
    )


class Page:
    """The page in a browser, at the level of Gradio's protocol: clicks in, what changed out."""

    def __init__(self, served: Served, browser: httpx.Client, session: str) -> None:
        self.served, self.browser, self.session = served, browser, session
        self.values: dict[str, Any] = {}
        self.changes: dict[str, dict[str, Any]] = {}
        config = browser.get("/config").json()
        self.functions = {number: fn for number, fn in served.page.fns.items() if fn.api_name != "chat"}
        self.config = {dependency["id"]: dependency for dependency in config["dependencies"]}
        everything = max((dependency["outputs"] for dependency in config["dependencies"]), key=len)
        self.names = dict(zip(everything, Widgets.__slots__, strict=True))

    def click(self, name: str, *inputs: Any, event: Any = None, follow: bool = True) -> Page:
        """Call the handler of that name, then follow the answer that it began to its end."""
        number = next(number for number, fn in self.functions.items() if fn.name == name)
        self._call(number, [None, None, None, *inputs], event)
        began = follow and name in {"enter", "ask", "act", "open"} and self.followed
        if began and "over" in self.follow():
            self.click("settle")
        return self

    @property
    def followed(self) -> str:
        """The conversation whose answer the page follows."""
        found = re.search(r'data-follow="([^"]+)"', str(self.values.get("live", "")))
        return found[1] if found else ""

    def follow(self) -> list[str]:
        """Follow the answer as the page's script does: the names of the events that came."""
        events: list[str] = []
        with self.browser.stream("GET", f"/live/{self.followed}") as lines:
            if lines.status_code == 204:
                return ["over"]
            assert lines.status_code == 200, lines.read()
            for line in lines.iter_lines():
                if line.startswith("event: "):
                    events.append(line.removeprefix("event: "))
                elif line.startswith("data: ") and events[-1] == "message":
                    self.values["live"] = json.loads(line.removeprefix("data: "))
        return events

    def act(self, what: str, turn: str = "", text: str = "", *, follow: bool = True) -> Page:
        """Click a button of the transcript."""
        return self.click("act", event={"what": what, "turn": turn, "text": text}, follow=follow)

    def _call(self, number: int, data: list[Any], event: Any) -> None:
        body = {"data": data, "fn_index": number, "session_hash": self.session, "event_data": event}
        joined = self.browser.post("/gradio_api/queue/join", json=body)
        assert joined.status_code == 200, joined.text
        names = [self.names[output] for output in self.config[number]["outputs"]]
        with self.browser.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as lines:
            assert lines.status_code == 200, lines.read()
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    assert message["success"], message
                    self._take(names, message["output"].get("data", []))
                if message.get("msg") == "close_stream":
                    return

    def _take(self, names: list[str], data: list[Any]) -> None:
        for name, value in zip(names, data, strict=True):
            if not isinstance(value, dict) or value.get("__type__") != "update":
                self.values[name] = value
            elif len(value) > 1:
                self.values[name] = value.get("value", self.values.get(name, ""))
                self.changes[name] = value

    @property
    def transcript(self) -> str:
        return str(self.values["transcript"])

    @property
    def notice(self) -> str:
        return str(self.values["notice"])

    @property
    def threads(self) -> list[tuple[str, str]]:
        return [(title, thread) for title, thread in self.changes["threads"]["choices"]]

    @property
    def turns(self) -> list[str]:
        return re.findall(r'data-turn="([^"]+)"', self.transcript)


def every_route(served: Served) -> Iterator[tuple[str, list[str]]]:
    """Every address that Gradio knows, with something in place of its parameters."""
    routes = list(_flat(served.page.app.routes))
    assert len(routes) > 40
    for each in routes:
        methods = [method for method in sorted(each.methods or ()) if method in ("GET", "POST")]
        yield re.sub(r"\{[^}]*\}", "abc", each.path), methods


def _flat(routes: Any) -> Iterator[Any]:
    for each in routes:
        if getattr(each, "path", None) and hasattr(each, "methods"):
            yield each
        else:
            included = getattr(each, "original_router", each)  # how FastAPI keeps a router within a router
            yield from _flat(getattr(included, "routes", ()))


class Elements(HTMLParser):
    """The names, attributes and links of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [value or "" for name, value in attrs if name == "href"]
