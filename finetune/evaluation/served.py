"""A conversation as the product puts it to a chat model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent import prompts
from agent.context import nearest_sentences
from agent.models.conversation import FREE
from finetune.evaluation.answer_metrics import as_passages
from finetune.schema import Message

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


def served_messages(messages: Sequence[Message], count: Callable[[str], int]) -> list[BaseMessage]:
    """LangChain messages of a conversation, laid out as a small model is served them.

    Beside a question stand the sentences of its passages that are nearest to it, no more than a chat would show.
    Where there is no system message, it gets the one that the product gives to small models.

    Args:
        messages: the conversation.
        count: tokens of a text, as the model counts them.
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
                beside = as_passages(message.get("passages", ()))
                shown = nearest_sentences(text, beside, prompts.SMALL_PASSAGES, count)
                passages = "\n".join(filter(None, shown))
                laid_out = prompts.SENTENCES.format(question=text, passages=passages) if passages else text
                said = {"question": text} | ({} if passages else {FREE: text})
                served.append(HumanMessage(laid_out, additional_kwargs=said))
    if not any(message.type == "system" for message in served):
        served.insert(0, SystemMessage(prompts.SYSTEM))
    return served
