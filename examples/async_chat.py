"""Ask several questions in one conversation of an asyncio program, and record what was thought of the answers.

python examples/async_chat.py FOLDER "QUESTION" "QUESTION" …
"""

from __future__ import annotations

import asyncio
import sys

from agent import ChatSession
from agent.schema import Done, Token


async def main(folder: str, *questions: str) -> None:
    """Index the folder off the event loop, then answer one question after the other."""
    async with ChatSession() as session:
        await asyncio.to_thread(session.ingest, [folder])
        for question in questions:
            print(f"> {question}")
            async for event in session.astream(question):
                if isinstance(event, Token):
                    print(event.text, end="", flush=True)
                elif isinstance(event, Done):
                    print(f"\n  {len(event.turn.citations)} citations, {event.turn.timings.total:.1f} s")
                    session.feedback(event.turn.turn_id, 1 if event.turn.citations else -1)
        print(f"The conversation {session.thread_id} has {len(session.turns())} turns.")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
