"""Model providers by prefix: "local:default" is the model "default" of the provider "local".

A provider is a function `(name, settings, models_folder) -> BaseChatModel`, named here by import
path so that only the chosen one is imported. Other packages add theirs with an entry point in the
group `ratchet.models`; its name is the prefix.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any, cast

from agent.config import ModelSettings, Settings, load_settings
from agent.errors import ConfigError, ModelNotFound

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    Builder = Callable[..., BaseChatModel]  # (name, ModelSettings, models_folder)

ENTRY_POINT_GROUP = "ratchet.models"

PROVIDERS: dict[str, str] = {
    "local": "agent.models.local:build",
    "ollama": "agent.models.ollama:build",
    "openai": "agent.models.openai:build",
    "hf": "agent.models.hf:build",
}
_ADAPTED = ("local", "hf")


def build_chat_model(spec: str, settings: Settings | None = None, **overrides: Any) -> BaseChatModel:
    """Build the model that `spec` names.

    Args:
        spec: "local:default", "local:/path/to.gguf", "ollama:NAME", "openai:NAME" or "hf:PATH".
        settings: default: those of `ratchet.toml` and the environment.
        **overrides: fields of `ModelSettings` for this model alone, such as `temperature=0.7`.

    Raises:
        ModelNotFound: no such provider, model or file.
        ConfigError: an override is unknown or out of range.
        ModelError: the provider cannot serve the model; each subclass names the fix.
    """
    prefix, _, name = spec.partition(":")
    providers = known_providers()
    if prefix not in providers or not name:
        raise _unknown(spec, sorted(providers))
    settings = settings or load_settings()
    module, _, function = providers[prefix].partition(":")
    builder = cast("Builder", getattr(import_module(module), function))
    # Only llama.cpp serves adapters; the interface that other packages build on stays as it is.
    adapters = {"adapters_folder": settings.adapters_folder} if prefix in _ADAPTED else {}
    return builder(name, override(settings.model, overrides), settings.models_folder, **adapters)


def known_providers() -> dict[str, str]:
    """Prefix → "module:function", built-in providers winning over entry points of the same name."""
    found = {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    return found | PROVIDERS


def override(settings: ModelSettings, overrides: dict[str, Any]) -> ModelSettings:
    """The same settings with some fields replaced, validated.

    Raises:
        ConfigError: a field is unknown (the nearest name is given) or its value out of range.
    """
    from pydantic import ValidationError

    known = list(ModelSettings.model_fields)
    for key in overrides:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            fix = f'Did you mean "{near[0]}"?' if near else f"Known are {', '.join(known)}."
            raise ConfigError(f'Models have no setting "{key}".', fix=fix)
    try:
        return ModelSettings.model_validate(dict(settings) | overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        what = f'The model setting "{key}" is wrong: {first["msg"]}.'
        raise ConfigError(what, fix="Correct its value.") from error


def _unknown(spec: str, prefixes: list[str]) -> ModelNotFound:
    prefix, colon, name = spec.partition(":")
    listed = ", ".join(f"{known}:" for known in prefixes)
    if not colon:
        what = f'"{spec}" names no model provider.'
    elif not name:
        what = f'"{spec}" names no model after the provider.'
    else:
        what = f'There is no model provider "{prefix}:".'
    near = difflib.get_close_matches(prefix, prefixes, n=1, cutoff=0.5)
    example = {"ollama": "ollama:llama3.2", "openai": "openai:gpt-5-mini", "hf": "hf:./checkpoint"}.get(
        near[0] if near else "local", "local:default"
    )
    return ModelNotFound(what, fix=f"Write {listed} and a name, for example {example}.")
