"""Which settings a page offers, in which order, and what each may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent.config import Settings

Kind = Literal["text", "whole", "number", "switch", "choice"]

# Title → sentence about it, settings with their labels.
GROUPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "Model": (
        "Which model answers. It can also be changed for a single conversation, in the chat.",
        {
            "model.name": "Model",
            "model.adapter": "Adapter",
            "model.ollama_url": "Address of Ollama",
            "model.base_url": "Address of an OpenAI-compatible server",
            "model.temperature": "Temperature",
            "model.max_tokens": "Longest answer (tokens)",
            "model.context_tokens": "Context (tokens; 0: what the model has)",
            "model.timeout": "Patience with a silent model (seconds)",
            "model.threads": "Threads of a local model (0: measured)",
        },
    ),
    "Documents": (
        "How documents are found for a question.",
        {
            "knowledge.collection": "Collection that chats answer from",
            "knowledge.top_k": "Passages per question",
            "knowledge.strict": "Say only what the documents support",
            "knowledge.reword": "Let a large model complete follow-up questions for the search",
            "knowledge.embedder": "Embedder",
            "knowledge.reranker": "Reranker",
        },
    ),
    "Tools": (
        "What tools may do without being asked for. Once a document or a web page is in play, whatever has effects "
        "asks first all the same.",
        {
            "tools.read": "Tools that only read",
            "tools.write": "Tools that change something that lasts",
            "tools.execute": "Tools that run code",
            "tools.network": "Tools that reach the network",
            "tools.calls": "Tool calls per question",
            "tools.seconds": "Time for tools per question (seconds)",
            "tools.search": "Kind of web search service",
            "tools.search_url": "Address of the web search service",
        },
    ),
    "Conversation": (
        "Limits of a question and its answer.",
        {
            "agent.memory": "Remember what I ask to be remembered",
            "agent.max_steps": "Model calls per question",
            "agent.max_question_chars": "Longest question (characters)",
            "agent.history_tokens": "Room for earlier turns (tokens; 0: fitted)",
        },
    ),
}
KEYS: Mapping[str, tuple[str, str]] = {
    "model.api_key": ("Key for hosted models", "For models whose name begins with openai:, at OpenAI or elsewhere."),
    "tools.search_key": ("Key of the web search service", "For Brave or Tavily; SearXNG needs none."),
}
_RISKY = ("tools.write", "tools.execute", "tools.network")
_SINGLE = "tools.policy."
PERMISSIONS = {"allow": "Run unasked", "ask": "Ask first", "deny": "Never"}


@dataclass(frozen=True, slots=True)
class SettingField:
    """A setting as a form shows it.

    Attributes:
        key: "section.name".
        label: for people.
        kind: what it is: a text, a whole number, a number, on or off, or one of `choices`.
        choices: what it may be, where that is one of a few.
        least: the smallest number allowed, or None.
        most: the largest number allowed, or None.
        meaning: more about it, in a few words.
        value: what holds now.
        default: what holds when nothing is set.
    """

    key: str
    label: str
    kind: Kind
    choices: tuple[str, ...]
    least: float | None
    most: float | None
    meaning: str
    value: Any
    default: Any


def fields_of(group: str, settings: Settings) -> Iterator[SettingField]:
    """The settings of a group, with what holds now."""
    for key, label in GROUPS[group][1].items():
        section, name = key.split(".")
        holds: BaseModel = getattr(settings, section)
        field = type(holds).model_fields[name]
        kind, choices = _kind(field)
        least, most = _limit(field, "ge", "gt"), _limit(field, "le", "lt")
        meaning = field.description or ""
        yield SettingField(key, label, kind, choices, least, most, meaning, getattr(holds, name), field.default)


def differing(fields: Mapping[str, SettingField], entered: Mapping[str, Any]) -> dict[str, Any]:
    """What a person entered that differs from what holds, by key; texts without space around them."""
    plain = {key: value.strip() if isinstance(value, str) else value for key, value in entered.items()}
    return {key: value for key, value in plain.items() if value != fields[key].value}


def loosened(changes: Mapping[str, Any], settings: Settings) -> list[str]:
    """Which kinds of tools, and single tools, a change lets run unasked that had to ask until now."""
    labels, before = GROUPS["Tools"][1], settings.tools.policy
    kinds = [key for key in _RISKY if changes.get(key) == "allow" and _holds(settings, key) != "allow"]
    single = [key.removeprefix(_SINGLE) for key, may in changes.items() if key.startswith(_SINGLE) and may == "allow"]
    return [labels[key] for key in kinds] + [name for name in single if before.get(name) != "allow"]


def key_is_set(settings: Settings, key: str) -> bool:
    """Whether a secret has a value, from wherever it came."""
    return bool(_holds(settings, key).get_secret_value())


def _holds(settings: Settings, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)


def _kind(field: FieldInfo) -> tuple[Kind, tuple[str, ...]]:
    if get_origin(field.annotation) is Literal:
        return "choice", get_args(field.annotation)
    kinds: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number", str: "text"}
    return kinds[field.annotation], ()


def _limit(field: FieldInfo, *names: str) -> float | None:
    found = (getattr(each, name, None) for each in field.metadata for name in names)
    return next((float(limit) for limit in found if limit is not None), None)
