"""The settings under which strangers are answered: nothing that acts, nothing that remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from agent.config import Settings
from tools.policy import Permission

# What only reads the question, the clock and the index. Everything else is not merely forbidden: it is not built.
KINDS = ("calculator", "current_time", "search_knowledge", "text_tasks")
LONGEST_QUESTION = 4_000  # characters
LONGEST_CORRECTION = 20_000
FOLDER = "visitors"


class ConfinedSettings(Settings):
    """Settings whose conversations lie in a folder of their own; documents, models and adapters are the owner's.

    So no visitor's conversation is ever gone on with under the owner's settings, nor the other way round.

    Attributes:
        owner: the settings they were made from.
    """

    owner: Settings

    @property
    def indexes_folder(self) -> Path:
        """The owner's indexes."""
        return self.owner.indexes_folder

    @property
    def adapters_folder(self) -> Path:
        """The owner's adapters."""
        return self.owner.adapters_folder


def confined(settings: Settings) -> ConfinedSettings:
    """The owner's settings without code, SQL, files, network, plug-ins, MCP servers and memory.

    What the owner denies stays denied; what he allows beyond `KINDS` is taken away. A tool that would have to be asked
    about is denied too: a visitor must not decide for the owner.
    """
    own = settings.tools
    kinds = [kind for kind in KINDS if not own.only or kind in own.only]
    reading: Permission = "allow" if own.read == "allow" and kinds else "deny"
    tools = own.model_copy(
        update={
            "only": kinds or list(KINDS[:1]),  # an empty list would mean all
            "read": reading,
            "write": "deny",
            "execute": "deny",
            "network": "deny",
            "policy": {name: "deny" for name, permission in own.policy.items() if permission != "allow"},
            "mcp": {},
            "plugins": [],
            "databases": {},
            "workspace": "",
            "search_url": "",
            "search_key": SecretStr(""),
        }
    )
    longest = min(settings.agent.max_question_chars, LONGEST_QUESTION)
    agent = settings.agent.model_copy(update={"memory": False, "person": "visitor", "max_question_chars": longest})
    own_parts: dict[str, Any] = {name: getattr(settings, name) for name in Settings.model_fields}
    return ConfinedSettings(
        **own_parts
        | {
            "home": settings.home / FOLDER,
            "models": settings.models_folder,
            "tools": tools,
            "agent": agent,
            "owner": settings,
        }
    )
