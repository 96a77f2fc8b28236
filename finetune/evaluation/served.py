"""A conversation as the product puts it to a chat model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent import prompts
from finetune.schema import Message

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


def served_messages(messages: Sequence[Message]) -> list[BaseMessage]:
    """LangChain messages of a conversation; passages are laid out beside the question they were found for.

    Where it has no system message, it gets the one that the product gives to small models.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    served: list[BaseMessage] = []
    open_calls: list[tuple[str, str]] = []  # id and name of calls whose result has not come
    for place, message in enumerate(messages):
        text = str(message.get("content") or "")
        match message["role"]:
            case "system":
                served.append(SystemMessage(text))
            case "assistant":
                calls = [
                    {"name": call["name"], "args": dict(call["arguments"]), "id": f"call_{place}_{number}"}
                    for number, call in enumerate(message.get("tool_calls", ()))
                ]
                open_calls += [(str(call["id"]), str(call["name"])) for call in calls]
                served.append(AIMessage(text, tool_calls=calls))
            case "tool":
                name = str(message.get("name", ""))
                found = next((call for call in open_calls if call[1] == name), None)
                if found:
                    open_calls.remove(found)
                served.append(ToolMessage(text, tool_call_id=found[0] if found else f"call_{place}", name=name or None))
            case _:
                passages = "\n".join(message.get("passages", ()))
                laid_out = prompts.SENTENCES.format(question=text, passages=passages) if passages else text
                served.append(HumanMessage(laid_out, additional_kwargs={"question": text}))
    if not any(message.type == "system" for message in served):
        served.insert(0, SystemMessage(prompts.SYSTEM))
    return served
