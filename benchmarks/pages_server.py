"""The workbench or the chat to share, which also writes down when its sessions said what.

    python -m benchmarks.pages_server TIMES streamlit run ui/app.py --server.port 8501
    python -m benchmarks.pages_server TIMES ui.share --port 7860

The file TIMES gets a line for each piece of an answer: the thread, the time in seconds since 1970, and how many
characters that are not blank the answer has by then.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from agent.schema import Event, Token
from agent.session import ChatSession
from knowledge.schema import SearchFilter


def main() -> None:
    """Serve until ended."""
    times, module, *arguments = sys.argv[1:]
    record(Path(times))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def record(times: Path) -> None:
    """Have every session of this process write down when it says what."""
    plain = ChatSession.stream
    writing = threading.Lock()

    def stream(self: ChatSession, question: str, where: SearchFilter | None = None) -> Iterator[Event]:
        written = 0
        with contextlib.closing(plain(self, question, where)) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, Token):
                    written += len("".join(event.text.split()))
                    with writing, times.open("a", encoding="utf-8") as file:
                        file.write(f"{self.thread_id} {time.time():.6f} {written}\n")
                yield event

    ChatSession.stream = stream  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
