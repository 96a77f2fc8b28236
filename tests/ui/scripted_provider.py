"""A provider of models that say one thing: "scripted:blue" answers that the door is blue, "scripted:broken" fails."""

from __future__ import annotations

from typing import Any

from agent.errors import ModelNotFound
from tests.agent.scripted import ScriptedModel

SAYS = {
    "blue": "The door of the house is painted blue.",
    "green": "The door of the house is painted green and made of glass.",
}


def build(name: str, settings: Any, models_folder: Any, **adapters: Any) -> ScriptedModel:
    """The model of that name."""
    if name == "calls":
        calls = [("save", {"text": "x"})]
        return ScriptedModel(script=[step for _ in range(20) for step in (calls, SAYS["blue"])])
    if name not in SAYS:
        raise ModelNotFound(f"There is no model {name}.", fix="Choose another one.")
    return ScriptedModel(script=[SAYS[name]] * 50)
