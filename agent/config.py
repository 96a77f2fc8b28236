"""Settings: the only reader of the environment and of `ratchet.toml`.

Precedence, lowest first: defaults, `ratchet.toml` (found upward from the working folder, else in the
user's config folder), environment variables `RATCHET_<SECTION>__<KEY>`, explicit overrides (flags).
Unknown keys are refused with the nearest known name; secrets are `SecretStr` and never printed.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from agent.errors import ConfigError
from agent.trust import check_trust
from tools.policy import Permission
from tools.registry import MODULES
from tools.spec import Risk

FILE_NAME = "ratchet.toml"
_PREFIX = "RATCHET_"
# Where other tools already keep keys and addresses; read only when ours are unset.
_FOREIGN = {
    ("model", "api_key"): "OPENAI_API_KEY",
    ("model", "base_url"): "OPENAI_BASE_URL",
    ("model", "ollama_url"): "OLLAMA_HOST",
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Section):
    """Which model answers, and how."""

    name: str = Field("local:default", description="local:default or :PATH, ollama:NAME, openai:NAME, hf:PATH")
    adapter: str = Field("", description="LoRA adapter of a local model: name, GGUF path or none; empty: the promoted")
    base_url: str = Field("", description="address of an OpenAI-compatible server")
    ollama_url: str = Field("http://127.0.0.1:11434", description="address of the Ollama server")
    api_key: SecretStr = Field(SecretStr(""), description="key for openai: models")
    temperature: float = Field(0.0, ge=0, le=2, description="0 picks the likeliest token every time")
    seed: int | None = Field(0, description="same seed, same answer, where the model allows it")
    max_tokens: int = Field(256, ge=1, description="longest answer, in tokens")
    context_tokens: int = Field(0, ge=0, description="context window to use; 0 lets the model say")
    timeout: float = Field(120.0, gt=0, description="seconds without a token before giving up")
    threads: int = Field(0, ge=0, description="llama.cpp threads; 0 measures how many cores are free")


class KnowledgeSettings(_Section):
    """What is indexed, how, and how much of it is shown to the model."""

    embedder: str = Field(
        "local:all-MiniLM-L6-v2",
        description="bundled one, local:PATH of a GGUF, st:NAME or :PATH, ollama:NAME, openai:NAME",
    )
    collection: str = Field("default", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="name of the index")
    top_k: int = Field(5, ge=1, le=50, description="passages retrieved per question")
    passage_tokens: int = Field(0, ge=0, description="prompt tokens for passages; 0: fitted")
    reranker: str = Field("", description="st:NAME or st:PATH of a cross-encoder; empty: off")
    loaders: dict[str, str] = Field(
        default_factory=dict, description="LangChain loaders of one's own, by file name ending"
    )
    read_seconds: float = Field(60.0, gt=0, description="time a file may take before it gives a further part")
    read_megabytes: int = Field(1024, ge=64, description="memory that reading a file may take, in MB")
    strict: bool = Field(False, description="show only sentences that the documents support")
    reword: bool = Field(True, description="let a large model complete follow-up questions for the search")


class McpSettings(_Section):
    """An MCP server: a command that speaks over its standard streams, or an address."""

    command: list[str] = Field(default_factory=list, description="program and arguments")
    url: str = Field("", description="address of a streamable HTTP server")
    environment: dict[str, SecretStr] = Field(default_factory=dict, description="variables for the program")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="HTTP headers, such as a key")
    risk: Risk = Field("execute", description="what its tools may do: read, write, execute or network")


class ToolSettings(_Section):
    """What tools there are, what they may do unasked, and what they may take in one turn."""

    read: Permission = Field("allow", description="tools that only read: allow, ask or deny")
    write: Permission = Field("ask", description="tools that change something that lasts")
    execute: Permission = Field("ask", description="tools that run code")
    network: Permission = Field("ask", description="tools that reach the network")
    policy: dict[str, Permission] = Field(default_factory=dict, description="single tools by name, before the above")
    only: list[str] = Field(default_factory=list, description="kinds of tools to have, and no others; empty: all")
    workspace: str = Field("", description="folder in which tools may read and write; empty: one in home")
    databases: dict[str, SecretStr] = Field(
        default_factory=dict, description="name to SQLite, CSV or Parquet file, or postgresql:// address"
    )
    search: Literal["searxng", "brave", "tavily"] = Field("searxng", description="kind of the web search service")
    search_url: str = Field("", description="its address; empty: no web search, unless search_key is set")
    search_key: SecretStr = Field(SecretStr(""), description="its key")
    mcp: dict[str, McpSettings] = Field(default_factory=dict, description="MCP servers by name")
    plugins: list[str] = Field(
        default_factory=list, description="LangChain tools: package.module:Name, or =read behind"
    )
    python_seconds: float = Field(20.0, gt=0, description="time of one sandboxed program")
    python_megabytes: int = Field(1024, ge=64, description="memory of one sandboxed program, in MB")
    calls: int = Field(8, ge=0, le=100, description="tool calls per turn")
    seconds: float = Field(120.0, gt=0, description="seconds that tools may take per turn")
    result_chars: int = Field(20_000, ge=200, description="characters of one result that the model reads")
    turn_chars: int = Field(100_000, ge=200, description="characters of all results of a turn")
    tokens: int = Field(0, ge=0, description="prompt and answer tokens per turn; 0: any")

    @field_validator("only")
    @classmethod
    def _known(cls, only: list[str]) -> list[str]:
        if unknown := sorted(set(only) - set(MODULES)):
            raise ValueError(f"there is no {unknown[0]}; there are {', '.join(MODULES)}")
        return only


class AgentSettings(_Section):
    """Limits of one turn and of a conversation."""

    person: str = Field("me", min_length=1, max_length=100, description="whose session it is, for approvals")
    memory: bool = Field(True, description="keep what the user asks to remember, and recall it")

    max_steps: int = Field(4, ge=1, le=50, description="model calls per turn")
    history_tokens: int = Field(0, ge=0, description="prompt tokens for earlier turns; 0: fitted")
    max_question_chars: int = Field(20_000, ge=100, description="longest question, in characters")


class Settings(_Section):
    """Everything a session needs to know; build it with `load_settings`."""

    home: Path = Field(default_factory=lambda: _default_home(), description="where Ratchet keeps its data")
    models: Path | None = Field(None, description="where model files are kept; default: models/ in home")
    model: ModelSettings = ModelSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    agent: AgentSettings = AgentSettings()
    tools: ToolSettings = ToolSettings()

    @property
    def database(self) -> Path:
        """Threads, memory and records."""
        return self.home / "ratchet.db"

    @property
    def models_folder(self) -> Path:
        """Model files prepared for this machine."""
        return self.models or self.home / "models"

    @property
    def indexes_folder(self) -> Path:
        """The indexes of all collections."""
        return self.home / "indexes"

    @property
    def index_folder(self) -> Path:
        """The index of the chosen collection."""
        return self.indexes_folder / self.knowledge.collection

    @property
    def adapters_folder(self) -> Path:
        """Trained adapters, and which of them is served."""
        return self.home / "adapters"

    @property
    def cache_folder(self) -> Path:
        """What can be made again at the cost of time: vectors of texts."""
        return self.home / "cache"

    @property
    def workspace(self) -> Path:
        """The folder in which tools may read and write."""
        return Path(self.tools.workspace).expanduser() if self.tools.workspace else self.home / "workspace"

    @property
    def artifacts_folder(self) -> Path:
        """Files that tools made: plots and pictures."""
        return self.home / "artifacts"

    @property
    def tool_state_folder(self) -> Path:
        """What tools keep from one session to the next: schemas once seen, texts before they were changed."""
        return self.home / "tools"

    @property
    def web_folder(self) -> Path:
        """Copies of the web pages that were ingested."""
        return self.home / "web"


def with_model(settings: Settings, name: str | None, adapter: str | None) -> Settings:
    """The same settings with another model; None keeps what is set."""
    changes = {key: value for key, value in (("name", name), ("adapter", adapter)) if value is not None}
    return settings.model_copy(update={"model": settings.model.model_copy(update=changes)}) if changes else settings


def _default_home() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "ratchet"


def user_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where the user's own configuration lies."""
    chosen = (os.environ if environ is None else environ).get("XDG_CONFIG_HOME")
    return (Path(chosen) if chosen else Path.home() / ".config") / "ratchet"


def find_config_file(start: Path | None = None) -> Path | None:
    """The nearest `ratchet.toml` at or above `start` (default: working folder), else the user's."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents, user_folder()):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    return None


def named_config(environ: Mapping[str, str] | None = None) -> Path | None:
    """The configuration file that `RATCHET_CONFIG` names, or None."""
    named = (os.environ if environ is None else environ).get("RATCHET_CONFIG")
    return Path(named) if named else None


def config_path(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The configuration file in use: `file`, else `RATCHET_CONFIG`, else the one found, else None."""
    return file or named_config(environ) or find_config_file()


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the configuration file and the environment, then apply overrides.

    Args:
        overrides: nested values, such as `{"model": {"name": "ollama:llama3.2"}}`; None values are skipped.
        file: a configuration file; default: `RATCHET_CONFIG`, else the one `find_config_file` finds.
        environ: stands in for `os.environ`.

    Raises:
        ConfigError: the file cannot be read, a value is unknown or out of range, or the file was found in the working
            folder or above, sets what could do harm, and is not trusted (`agent.trust`).
    """
    environ = os.environ if environ is None else environ
    path = config_path(file, environ)
    written = _read_file(path) if path else {}
    settings = _combined(written, environ, overrides or {}, path)
    if path and not (file or named_config(environ)) and path.parent != user_folder(environ):
        check_trust(path, written, user_folder(environ))
    return settings


def settings_of(text: str, path: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """What the settings would be if the configuration file `path` said this.

    Raises:
        ConfigError: it is no TOML, or a value is unknown or out of range.
    """
    return _combined(_parsed(text, path), os.environ if environ is None else environ, {}, path)


def decided_by_variables(environ: Mapping[str, str] | None = None) -> frozenset[str]:
    """The settings, as "section.key", that `RATCHET_` variables decide: no file changes them."""
    return frozenset(_leaves(_from_environment(os.environ if environ is None else environ)))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _combined(
    written: Mapping[str, Any], environ: Mapping[str, str], overrides: Mapping[str, Any], path: Path | None
) -> Settings:
    values = _from_other_tools(environ)
    for more in (written, _from_environment(environ), overrides):
        _merge(values, more)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise _explain(error, path) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"The configuration file {path} cannot be read: {error}.",
        fix="Correct it, or name another with RATCHET_CONFIG=FILE.",
    )


def _from_other_tools(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for (section, key), name in _FOREIGN.items():
        if environ.get(name):
            value = environ[name]
            if name == "OLLAMA_HOST" and "://" not in value:
                value = f"http://{value}"
            values.setdefault(section, {})[key] = value
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(_PREFIX) or name == "RATCHET_CONFIG":
            continue
        path = name.removeprefix(_PREFIX).lower().split("__")
        target = values
        for part in path[:-1]:
            if not isinstance(target.get(part), dict):  # RATCHET_MODEL=x beside RATCHET_MODEL__NAME=y
                target[part] = {}
            target = target[part]
        target[path[-1]] = value
    return values


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            current = into.setdefault(key, {})
            if isinstance(current, dict):
                _merge(current, value)
                continue
        if value is not None:
            into[key] = value


def _known_keys(section: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _known_keys(field.annotation, f"{prefix}{name}.")
    return keys


def _explain(error: ValidationError, path: Path | None) -> ConfigError:
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _known_keys(), n=1, cutoff=0.5)
        fix = f'Did you mean "{near[0]}"?' if near else "Run `ratchet config` to see every setting."
        return ConfigError(f'There is no setting "{key}".', fix=fix)
    where = (
        f"{path}, RATCHET_{key.upper().replace('.', '__')} or its flag"
        if path
        else (f"RATCHET_{key.upper().replace('.', '__')} or its flag")
    )
    return ConfigError(f'The setting "{key}" is wrong: {first["msg"]}.', fix=f"Correct it in {where}.")


SettingSource = Literal["default", "set"]


def describe(settings: Settings) -> list[tuple[str, str, SettingSource, str]]:
    """Every setting as (key, value, whether it was set, description), secrets masked."""
    rows: list[tuple[str, str, SettingSource, str]] = []

    def walk(section: BaseModel, prefix: str) -> None:
        for name, field in type(section).model_fields.items():
            value = getattr(section, name)
            if isinstance(value, BaseModel):
                walk(value, f"{prefix}{name}.")
                continue
            source: SettingSource = "set" if name in section.model_fields_set else "default"
            rows.append((prefix + name, _shown(value), source, field.description or ""))

    walk(settings, "")
    return rows


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else ""
    return "" if value is None else str(value)
