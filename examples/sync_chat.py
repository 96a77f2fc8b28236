"""Ask about a folder of documents and print the answer while it is written.

python examples/sync_chat.py FOLDER "QUESTION"
"""

from __future__ import annotations

import sys

from agent import ChatSession
from agent.schema import Done, Failed, Note, Token, ToolCallFinished


def main(folder: str, question: str) -> int:
    """Index the folder, answer the question, show what supports the answer."""
    with ChatSession() as session:
        session.ingest([folder])
        for event in session.stream(question):
            match event:
                case Token(text):
                    print(text, end="", flush=True)
                case ToolCallFinished(call):
                    print(f"({call.name}: {call.result})")
                case Note(text):
                    print(f"\nNote: {text}")
                case Failed(what, _, fix):
                    print(f"\n{what} {fix}", file=sys.stderr)
                    return 1
                case Done(turn):
                    print()
                    for citation in turn.citations:
                        print(f"[{citation.number}] {citation.source}, {citation.locator}: {citation.text!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
