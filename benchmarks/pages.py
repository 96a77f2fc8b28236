"""What the web pages add to the session, as a browser sees it, with the bundled model.

token    From the moment at which the session says a piece of an answer to the first frame in which the page shows
         all of it: measured inside the browser, frame by frame, against times written down inside the server. Both
         run on this machine, so the clock is the same. It holds the queue between threads, the framework's messages
         to the browser and the drawing, for every piece of every answer.
start    From starting the server's process to a page in which a question can be typed, with the browser open.
long     From the address of a conversation of 200 messages to the last of its answers on the screen, and from there
         to the first by one jump. The server is warm, the browser's context new.
crowd    Five browsers, each a context of its own, ask at the same moment: how long each waits for its first word and
         its last one. The model answers as many at once as it has slots; who waits must be told, and served.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from agent.config import load_settings
from benchmarks.measure import Summary, Table, arguments, machine, percentile, publish, summarize
from tests.e2e.browser import serving
from tests.e2e.browser.browsing import ANSWER, executable, launch
from tests.e2e.browser.documents import CLEANING, KEEPER, LONG_THREAD, LONG_TURNS, STORY, WARRANTY, fill
from tests.e2e.browser.workbench import Workbench

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
        starts = [start(browser, place) for _ in range(given.starts)]
        with place.server() as server:
            delays = [delay for _ in range(given.answers) for delay in delays_of(browser, server.url, place.times)]
            loads = [load(browser, server.url) for _ in range(given.loads)]
            crowd = together(browser, server.url)
    results = {"start": starts, "token_delays": delays, "load": loads, "crowd": crowd}
    publish(facts, results, tables(starts, delays, loads, crowd), given.json)


class Place:
    """A home with documents and recorded conversations, and servers that use it."""

    def __init__(self, folder: Path) -> None:
        self.times = folder / "times.txt"
        self._log = folder / "log.txt"
        models = load_settings().models_folder
        self._environment = {**os.environ, "RATCHET_HOME": str(folder / "home"), "RATCHET_MODELS": str(models)}
        self._environment["PYTHONPATH"] = str(serving.ROOT)
        fill(folder, self._environment)

    def server(self) -> serving.Server:
        """A workbench that writes down when its sessions say what; not started yet."""
        plain = serving.workbench(self._environment, self._log)
        recording = [sys.executable, "-m", "benchmarks.pages_server", str(self.times)]
        return serving.Server([*recording, *plain.command[2:]], self._environment, self._log, plain.ready)


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """Chromium, ready."""
    path = executable()
    if path is None:
        raise SystemExit("This needs Chromium: `make programs` installs it, as root on Debian.")
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


@contextlib.contextmanager
def page_of(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(120_000)
    yield context.new_page()
    context.close()


def start(browser: Browser, place: Place) -> tuple[float, float]:
    """Seconds from starting the process to its first answer, and to a page that takes a question."""
    server = place.server()
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


def delays_of(browser: Browser, url: str, times: Path) -> list[float]:
    """Milliseconds from each piece of a long answer to the frame that shows it."""
    times.write_text("", encoding="utf-8")
    with page_of(browser) as page:
        page.goto(url)
        bench = Workbench(page)
        bench.ready()
        page.evaluate(_FRAMES, ANSWER)
        bench.ask(STORY)
        bench.finished(1)
        frames: list[tuple[float, int]] = page.evaluate("window.frames_seen")
    said = [line.split() for line in times.read_text(encoding="utf-8").splitlines()]
    return [found for _, at, length in said if (found := _delay(float(at) * 1000, int(length), frames)) is not None]


def _delay(at: float, length: int, frames: list[tuple[float, int]]) -> float | None:
    """From `at` to the first frame that shows `length` characters; None if no frame of the answer does."""
    return next((max(0.0, seen - at) for seen, shown in frames if shown >= length and seen >= at), None)


def load(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds until the last answer of the long conversation is on the screen, and from there to the first."""
    with page_of(browser) as page:
        began = time.perf_counter()
        page.goto(f"{url}/?thread={LONG_THREAD}")
        last = page.get_by_text(f"This is answer {LONG_TURNS - 1} of a long conversation.")
        last.wait_for()
        loaded = time.perf_counter() - began
        last.scroll_into_view_if_needed()
        began = time.perf_counter()
        page.get_by_text("This is answer 0 of a long conversation.").scroll_into_view_if_needed()
        page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        return loaded, time.perf_counter() - began


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
                _note(first, question, bench.speaks)
                _note(last, question, lambda bench=bench: bench.answers == 1)  # type: ignore[misc]
            time.sleep(0.02)
    return [Waited(question, first[question] - at, last[question] - at) for question, at in began.items()]


def _note(times: dict[str, float], question: str, happened: Callable[[], bool]) -> None:
    if question not in times and happened():
        times[question] = time.perf_counter()


def tables(
    starts: list[tuple[float, float]], delays: list[float], loads: list[tuple[float, float]], crowd: list[Waited]
) -> list[Table]:
    """The figures for people, each beside what it should be."""
    rows: list[tuple[str, str, str]] = []

    def add(what: str, values: list[float], digits: int, unit: str, wanted: str) -> None:
        summary: Summary = summarize(values)
        rows.append((what, f"{summary.show(digits, unit)}, {summary.n} times", wanted))

    add("process started to server answers", [served for served, _ in starts], 2, "s", "")
    add("process started to a question can be typed", [usable for _, usable in starts], 2, "s", "≤ 3 s")
    add("server answers to a question can be typed", [usable - served for served, usable in starts], 2, "s", "")
    p95 = percentile(delays, 0.95) if delays else float("nan")
    rows.append(("a piece is said to it is seen, p95", f"{p95:.0f} ms, {len(delays)} pieces", "≤ 50 ms"))
    add("a piece is said to it is seen", delays, 0, "ms", "")
    add("200 messages: address to last answer", [loaded for loaded, _ in loads], 2, "s", "≤ 1 s")
    add("200 messages: last answer to first", [jumped for _, jumped in loads], 2, "s", "≤ 1 s")
    asked = [(item.question, f"{item.first:.2f} s", f"{item.last:.2f} s") for item in crowd]
    return [
        Table("Pages", ("what", "median", "wanted"), rows),
        Table("Five browsers at once", ("question", "first word", "last word"), asked),
    ]


if __name__ == "__main__":
    main()
