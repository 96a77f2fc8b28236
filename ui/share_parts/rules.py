"""What the gate lets through: addresses of the server, hosts, origins, and the headers of every answer.

Gradio serves much that a chat does not need: uploads, files by path, a proxy, a run history kept elsewhere, an editor
of its own source. Only what stands in `_ROUTES` is reachable; a route that a later version adds is not.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Literal
from urllib.parse import urlsplit

Access = Literal["open", "member"]

_API = "/gradio_api"
SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROUTES: tuple[tuple[str, str, Access], ...] = (
    ("GET", "/", "member"),
    ("POST", "/login/?", "open"),
    ("GET", "/logout", "open"),
    ("GET", r"/favicon\.ico", "open"),
    ("GET", r"/robots\.txt", "open"),
    ("GET", r"/embed\.js", "open"),
    ("GET", r"/theme\.css", "open"),
    ("GET", r"/manifest\.json", "open"),
    ("GET", r"/(?:static|assets|svelte)/.+", "open"),  # Gradio's own scripts, styles and fonts
    ("GET", "/config/?", "member"),
    ("GET", f"/live/{SESSION.pattern}", "member"),
    ("GET", f"{_API}/startup-events", "open"),  # Gradio asks itself once, while it starts
    ("GET", f"{_API}/login_check/?", "member"),
    ("GET", f"{_API}/user/?", "member"),
    ("GET", f"{_API}/app_id/?", "member"),
    ("GET", f"{_API}/info/?", "member"),
    ("GET", rf"{_API}/theme\.css", "open"),
    ("GET", rf"{_API}/heartbeat/(?P<session>{SESSION.pattern})", "member"),
    ("GET", f"{_API}/queue/data", "member"),
    ("GET", f"{_API}/queue/status", "member"),
    ("POST", f"{_API}/queue/join", "member"),
    ("POST", f"{_API}/cancel", "member"),
    ("POST", f"{_API}/reset/?", "member"),
    ("POST", f"{_API}/call/(?:v2/)?chat/?", "member"),
    ("GET", f"{_API}/call/(?:v2/)?chat/(?P<session>{SESSION.pattern})", "member"),
)
_COMPILED = tuple((method, re.compile(path), access) for method, path, access in _ROUTES)
_LOCAL = frozenset({"localhost"})


def route(method: str, path: str) -> tuple[Access, str] | None:
    """Who may use an address, and the session that it names ("" for none); None for what is not offered at all."""
    wanted = "GET" if method == "HEAD" else method
    for offered, pattern, access in _COMPILED:
        if offered == wanted and (match := pattern.fullmatch(path)):
            return access, match.groupdict().get("session") or ""
    return None


def host_allowed(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names this server: an address, localhost, or one of its names.

    A page elsewhere can make a name of its own point to this machine, but not an address (DNS rebinding).
    """
    name = urlsplit(f"//{host}").hostname if _plain(host) else None
    if not name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in _LOCAL or name in names
    return True


def origin_allowed(origin: str, host: str, embedders: Collection[str]) -> bool:
    """Whether a request may come from a page of this origin: the server's own, or one that may embed it."""
    return origin in embedders or (origin.startswith(("http://", "https://")) and origin.partition("://")[2] == host)


def origin_of(text: str) -> str | None:
    """The origin that was typed in, as browsers write it ("https://example.org"); None if it is none."""
    try:
        parts = urlsplit(text.strip().lower().rstrip("/"))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.username:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}" if _plain(host) else None


def headers(nonce: str, embedders: Collection[str]) -> list[tuple[bytes, bytes]]:
    """The headers of every answer: nothing is loaded from elsewhere, nothing sent elsewhere, no script slipped in.

    `unsafe-eval` is what Gradio needs to fill its templates, which are all ours; inline scripts need the nonce.
    """
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            " ".join(("frame-ancestors 'self'", *sorted(embedders))),
        )
    )
    fixed = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",  # with none at all, browsers send no origin with the login
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
        "x-robots-tag": "noindex, nofollow",
    }
    return [(name.encode(), value.encode()) for name, value in fixed.items()]


def _plain(host: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9.:\[\]_-]{1,255}", host))
