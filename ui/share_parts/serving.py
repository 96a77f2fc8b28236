"""The server of the shared chat: started on this machine behind the gate, and only then reachable from elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import gradio as gr
from starlette.middleware import Middleware

from agent.errors import ConfigError, RatchetError
from ui.share_parts.gate import Door, Gate
from ui.share_parts.within_loop import within_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from ui.share_parts.accounts import Accounts

THREADS = 160  # of the server; each program that waits for an answer holds one
FIRST_PORT, LAST_PORT = 7860, 7959


@dataclass(frozen=True, slots=True)
class Place:
    """Where the chat is served.

    Attributes:
        host: the address to listen on.
        port: None takes the first free one from 7860 on.
        public: whether a public address is made for it.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    public: bool = False


def serve(
    page: gr.Blocks, accounts: Accounts, door: Door, place: Place, routes: Sequence[BaseRoute] = ()
) -> tuple[str, str]:
    """Start the server and return: its address on this machine, and the public one ("" if none is wanted).

    Everything of Gradio that reaches outside, keeps files or shows more than the chat is switched off here; the gate
    refuses it besides.

    Args:
        page: what is served; `close` ends it.
        accounts: who may log in; there is no server without.
        door: what the gate knows.
        place: where to serve.
        routes: what is offered besides, behind the same gate.

    Raises:
        ConfigError: the port is not free.
        RatchetError: the public address cannot be made; nothing is served then.
    """
    door.entry_script = _entry_script

    async def known(name: str, password: str) -> bool:
        return await asyncio.to_thread(accounts.check, name, password)

    try:
        free = replace(place, port=_free_port(place))
        within_loop(lambda: _launch(page, known, door, free, routes))
    except OSError as error:
        wanted = f"port {place.port}" if place.port else f"any port from {FIRST_PORT} to {LAST_PORT}"
        raise ConfigError(
            f"The chat cannot be served at {place.host}, {wanted}.",
            kept="Nothing was shared.",
            fix="Choose another --port, or end the program that uses it.",
        ) from error
    local = str(page.local_url)
    try:
        return local, _made_public(page, door, place) if place.public else ""
    except BaseException:
        close(page)
        raise


def _free_port(place: Place) -> int:
    """The port wanted, or the first that is free; raises OSError where there is none."""
    wanted = [place.port] if place.port else range(FIRST_PORT, LAST_PORT + 1)
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    refused = OSError()
    for port in wanted:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((place.host, port))
                return port
            except OSError as error:
                refused = error
    raise refused


def _launch(page: gr.Blocks, check: Any, door: Door, place: Place, routes: Sequence[BaseRoute]) -> None:
    page.launch(
        share=False,  # the link is made below, once the gate is known to stand
        auth=check,
        server_name=place.host,
        server_port=place.port,
        prevent_thread_lock=True,
        quiet=True,
        inline=False,
        inbrowser=False,
        debug=False,
        show_error=False,
        max_threads=THREADS,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        allowed_paths=[],
        blocked_paths=["/"],
        max_file_size=1,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        strict_cors=True,
        state_session_capacity=2000,
        theme=_theme(),
        app_kwargs={"middleware": [Middleware(Gate, door=door)], "routes": list(routes)},
    )


def _theme() -> Any:
    """Fonts of the visitor's own machine, and buttons whose words can be read."""
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    filled = {
        f"button_{kind}_{part}{dark}": colour
        for kind, colour in (("primary", "#1d4ed8"), ("cancel", "#b91c1c"))
        for part in ("background_fill", "background_fill_hover")
        for dark in ("", "_dark")
    }
    words = {f"button_{kind}_text_color{dark}": "#ffffff" for kind in ("primary", "cancel") for dark in ("", "_dark")}
    return gr.themes.Default(primary_hue="blue", **fonts).set(**filled, **words)


def _made_public(page: gr.Blocks, door: Door, place: Place) -> str:
    """The public address of a server that is seen to ask for a login."""
    import httpx
    from gradio import networking

    answer = httpx.get(f"{page.local_url}config", timeout=10, trust_env=False)
    if answer.status_code != 401:
        raise RatchetError("The chat answers without a login.", kept="It was not made public.")
    try:
        url = networking.setup_tunnel(place.host, int(page.server_port), secrets.token_urlsafe(32), None, None)
    except Exception as error:  # another's code, which raises what it likes
        raise RatchetError(
            f"No public address could be made: {_first_line(error)}",
            kept="Nothing was shared.",
            fix="Check the connection to the internet; or serve it yourself, see docs/sharing.md.",
        ) from error
    name = urlsplit(url).hostname or ""
    door.hosts.add(name)
    return f"https://{name}/"


def _entry_script() -> bytes:
    """What makes `<gradio-app>` on pages elsewhere a chat."""
    import gradio.routes

    folder = Path(str(vars(gradio.routes)["STATIC_TEMPLATE_LIB"])) / "frontend"
    found = re.search(r"assets/index-[\w-]+\.js", (folder / "gradio.js").read_text(encoding="utf-8"))
    script = Path(__file__).with_name("embed.js").read_text(encoding="utf-8")
    return script.replace("ENTRY", found[0] if found else "").encode()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def stay_open() -> None:
    """Wait for Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def close(page: gr.Blocks) -> None:
    """End the server and its public address; safe to call twice."""
    from gradio.tunneling import CURRENT_TUNNELS

    for tunnel in CURRENT_TUNNELS:
        if tunnel.proc is not None:
            tunnel.proc.terminate()
            tunnel.proc = None
    page.close(verbose=False)
