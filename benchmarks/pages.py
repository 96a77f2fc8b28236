"""What the web pages add to the session, as a browser sees it, with the bundled model.

token    The model without its adapter, which says more at a time, tells a story.
         From the moment at which the session says a piece of an answer to the first frame in which the page shows
         all of it: measured inside the browser, frame by frame, against times written down inside the server. Both
         run on this machine, so the clock is the same. It holds the queue between threads, the framework's messages
         to the browser and the drawing, for every piece of every answer.
start    From starting the server's process to a page in which a question can be typed, with the browser open; beside
         it, a page of the same framework that has nothing but such a field.
long     From choosing a conversation of 200 messages in the list to the last of its answers on the screen, and from
         there to the first by one jump; and from its address, in a browser that has not loaded the page before.
crowd    Five browsers, each a context of its own, ask at the same moment: how long each waits for its first word and
         its last one. The model answers as many at once as it has slots; who waits must be told, and served.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from agent.config import load_settings
from benchmarks.measure import Summary, Table, arguments, machine, percentile, publish, summarize
from tests.e2e.browser import serving
from tests.e2e.browser.browsing import ANSWER, executable, launch
from tests.e2e.browser.documents import CLEANING, KEEPER, LONG_THREAD, LONG_TURNS, STORY, WARRANTY, fill
from tests.e2e.browser.share import Login, Share, shared
from tests.e2e.browser.workbench import Workbench

# An answer of five browsers at once waits for those before it.
PATIENCE_MS = 120_000
CROWD = (WARRANTY, CLEANING, KEEPER, STORY, "How loud is the pump at full speed?")
# Counts what is not blank in the answer being written, once the frame that shows it has been drawn.
_FRAMES = """(answer) => {
  window.frames_seen = [];
  let due = false;
  const count = () => {
    due = false;
    const boxes = document.querySelectorAll(answer);
    if (!boxes.length) return;
    const shown = boxes[boxes.length - 1].textContent.replace(/\\s/g, "").length;
    window.frames_seen.push([performance.timeOrigin + performance.now(), shown]);
  };
  const changed = () => { if (!due) { due = true; requestAnimationFrame(() => setTimeout(count)); } };
  new MutationObserver(changed).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


@dataclass(frozen=True, slots=True)
class Waited:
    """Seconds from asking to the first word and to the end of the answer."""

    question: str
    first: float
    last: float


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--starts", type=int, default=5, help="starts of the server")
    parser.add_argument("--answers", type=int, default=4, help="long answers, watched piece by piece")
    parser.add_argument("--loads", type=int, default=5, help="loads of the long conversation")
    given = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="ratchet-pages-") as folder, opened() as browser:
        place = Place(Path(folder))
        starts = [start(browser, place.server()) for _ in range(given.starts)]
        with talkative(place).server() as server:
            delays = {"workbench": list(place.delays(browser, given.answers, server.url))}
        with talkative(place).share() as login:
            delays["share"] = list(place.delays(browser, given.answers, login.url, login))
        with place.server() as server:
            loads = [load(browser, server.url) for _ in range(given.loads)]
            crowd = together(browser, server.url)
        bare = [start(browser, place.bare()) for _ in range(given.starts)]
    results = {"start": starts, "bare": bare, "token_delays": delays, "load": loads, "crowd": crowd}
    publish(facts, results, tables(starts, bare, delays, loads, crowd), given.json)


class Place:
    """A home with documents and recorded conversations, and servers that use it."""

    def __init__(self, folder: Path) -> None:
        self.times = folder / "times.txt"
        self._log = folder / "log.txt"
        models = load_settings().models_folder
        self.environment = {**os.environ, "RATCHET_HOME": str(folder / "home"), "RATCHET_MODELS": str(models)}
        self.environment["PYTHONPATH"] = str(serving.ROOT)
        fill(folder, self.environment)

    def server(self) -> serving.Server:
        """A workbench that writes down when its sessions say what; not started yet."""
        return self._recording(serving.workbench(self.environment, self._log))

    @contextlib.contextmanager
    def share(self) -> Iterator[Login]:
        """The chat to share, likewise, which runs within."""
        with shared(self.environment, self.times.parent, self._recording) as login:
            yield login

    def bare(self) -> serving.Server:
        """A server of the framework's alone, with our settings; not started yet."""
        app = self.times.with_name("bare.py")
        shutil.copytree(serving.ROOT / "ui" / ".streamlit", app.with_name(".streamlit"), dirs_exist_ok=True)
        app.write_text('import streamlit\nstreamlit.chat_input("Ask about your documents")\n', encoding="utf-8")
        server = serving.workbench(self.environment, self._log)
        server.command[server.command.index("ui/app.py")] = str(app)
        return server

    def _recording(self, server: serving.Server) -> serving.Server:
        server.command[1:2] = ["-m", "benchmarks.pages_server", str(self.times)]
        return server

    def delays(self, browser: Browser, answers: int, url: str, login: Login | None = None) -> Iterator[float]:
        """Milliseconds from each piece of long answers to the frame that shows it; with a login, in the shared chat."""
        for _ in range(answers):
            self.times.write_text("", encoding="utf-8")
            with page_of(browser) as page:
                page.goto(url)
                chat = Workbench(page) if login is None else Share(page)
                if isinstance(chat, Share) and login is not None:
                    chat.log_in(login)
                expect(chat.field).to_be_enabled()
                page.evaluate(_FRAMES, ANSWER)
                chat.ask(STORY)
                chat.finished(1)
                frames: list[tuple[float, int]] = page.evaluate("window.frames_seen")
            for line in self.times.read_text(encoding="utf-8").splitlines():
                _, at, length = line.split()
                if (delay := _delay(float(at) * 1000, int(length), frames)) is not None:
                    yield delay


def talkative(place: Place) -> Place:
    """The same, but answered by the bare model: its answers are long."""
    other = copy.copy(place)
    other.environment = {**place.environment, "RATCHET_MODEL__ADAPTER": "none"}
    return other


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """Chromium, ready."""
    path = executable()
    if path is None:
        raise SystemExit("This needs Chromium: `make programs` installs it, as root on Debian.")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


@contextlib.contextmanager
def page_of(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def start(browser: Browser, server: serving.Server) -> tuple[float, float]:
    """Seconds from starting a server's process to its first answer, and to a page that takes a question."""
    with page_of(browser) as page:
        began = time.perf_counter()
        server.start()
        try:
            server.wait()
            served = time.perf_counter() - began
            page.goto(server.url)
            Workbench(page).ready()
            return served, time.perf_counter() - began
        finally:
            server.end()


def _delay(at: float, length: int, frames: list[tuple[float, int]]) -> float | None:
    """From `at` to the first frame that shows `length` characters; None if no frame of the answer does."""
    return next((max(0.0, seen - at) for seen, shown in frames if shown >= length and seen >= at), None)


def load(browser: Browser, url: str) -> tuple[float, float, float]:
    """Seconds to the last answer of the long conversation from its address and from the list, and to the first one."""
    address = f"{url}/?thread={LONG_THREAD}"
    with page_of(browser) as page:
        from_address, _ = _last_answer(page, lambda: page.goto(address))
    with page_of(browser) as page:
        page.goto(url)
        bench = Workbench(page)
        bench.ready()
        bench.settled()
        from_list, last = _last_answer(page, bench.button("Question 0: how long is the warranty?").click)
        last.scroll_into_view_if_needed()
        began = time.perf_counter()
        page.get_by_text("This is answer 0 of a long conversation.").scroll_into_view_if_needed()
        page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        return from_address, from_list, time.perf_counter() - began


def _last_answer(page: Page, opening: Callable[[], object]) -> tuple[float, Locator]:
    began = time.perf_counter()
    opening()
    last = page.get_by_text(f"This is answer {LONG_TURNS - 1} of a long conversation.")
    last.wait_for()
    return time.perf_counter() - began, last


def together(browser: Browser, url: str) -> list[Waited]:
    """Five contexts ask at once, each another question."""
    with contextlib.ExitStack() as stack:
        benches = []
        for question in CROWD:
            page = stack.enter_context(page_of(browser))
            page.goto(url)
            benches.append((question, Workbench(page)))
        for _, bench in benches:
            bench.ready()
        began: dict[str, float] = {}
        for question, bench in benches:
            began[question] = time.perf_counter()
            bench.ask(question)
        first, last = dict[str, float](), dict[str, float]()
        while len(last) < len(CROWD):
            for question, bench in benches:
                if question not in first and bench.speaks:
                    first[question] = time.perf_counter()
                if question not in last and bench.answers == 1:
                    last[question] = time.perf_counter()
            time.sleep(0.02)
    return [Waited(question, first[question] - at, last[question] - at) for question, at in began.items()]


def tables(
    starts: list[tuple[float, float]],
    bare: list[tuple[float, float]],
    delays: dict[str, list[float]],
    loads: list[tuple[float, float, float]],
    crowd: list[Waited],
) -> list[Table]:
    """The figures for people, each beside what it should be."""
    rows: list[tuple[str, str, str]] = []

    def add(what: str, values: list[float], wanted: str, digits: int = 2, unit: str = "s") -> None:
        summary: Summary = summarize(values)
        rows.append((what, f"{summary.show(digits, unit)}, {summary.n} times", wanted))

    served = "of this, server answers to a question can be typed"
    add("process started to a question can be typed", [both for _, both in starts], "≤ 3 s")
    add(served, [both - ready for ready, both in starts], "")
    add("a bare page: process started to a question can be typed", [both for _, both in bare], "")
    add(served, [both - ready for ready, both in bare], "")
    for front, values in delays.items():
        p95 = percentile(values, 0.95) if values else float("nan")
        rows.append((f"{front}: a piece is said to it is seen, p95", f"{p95:.0f} ms, {len(values)} pieces", "≤ 50 ms"))
        add(f"{front}: a piece is said to it is seen", values, "", 0, "ms")
    add("200 messages: chosen in the list to last answer", [chosen for _, chosen, _ in loads], "≤ 1 s")
    add("200 messages: last answer to first", [jumped for *_, jumped in loads], "≤ 1 s")
    add("200 messages: address to last answer, a new browser", [loaded for loaded, *_ in loads], "")
    asked = [(item.question, f"{item.first:.2f} s", f"{item.last:.2f} s") for item in crowd]
    return [
        Table("Pages", ("what", "median", "wanted"), rows),
        Table("Five browsers at once", ("question", "first word", "last word"), asked),
    ]


if __name__ == "__main__":
    main()
