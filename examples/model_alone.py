"""Use a model of Ratchet's in a LangChain program of your own: streaming, tools, structured output.

python examples/model_alone.py [SPEC]
"""

from __future__ import annotations

import sys

from langchain_core.tools import tool
from pydantic import BaseModel, Field

from agent import build_chat_model


class Appointment(BaseModel):
    """What to extract from a message."""

    person: str = Field(description="who is met")
    weekday: str = Field(description="day of the week")


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def main(spec: str = "local:default") -> None:
    """The same code works for local:, ollama: and openai: models."""
    model = build_chat_model(spec, max_tokens=80)
    for chunk in model.stream("Name three rivers."):
        print(chunk.text, end="", flush=True)
    print()
    for call in model.bind_tools([multiply], tool_choice="any").invoke("What is 6 times 7?").tool_calls:
        print(call["name"], call["args"])
    print(model.with_structured_output(Appointment).invoke("I meet Anna on Friday."))


if __name__ == "__main__":
    main(*sys.argv[1:])
