"""The gate in front of Gradio's server: nothing behind it is reached except by somebody who has logged in.

It wraps the server as ASGI middleware and decides about every request, in this order: does it name this server, does
Gradio's address belong to the chat, does it come from a page of ours, who is it, is it his own session, is it too much.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from ui.share_parts.exchange import Caught, limited, read_body, replayed, with_headers
from ui.share_parts.limits import MOST_KEYS, LoginGuard, TokenBuckets, counted_as
from ui.share_parts.login_page import WRONG, login_page, too_many
from ui.share_parts.ownership import Visitor
from ui.share_parts.rules import SESSION, headers, host_allowed, origin_allowed, route

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LARGEST_BODY = 512 * 1024  # bytes of one request
REQUESTS_PER_MINUTE = 240  # of one visitor, whatever they ask for
LOGIN_LASTS = 24 * 3600.0  # seconds
COOKIE = "ratchet-visitor"
COOKIE_LASTS = 180 * 24 * 3600
_PAGE_TEMPLATES = {"/", "/config", "/config/"}


@dataclass(slots=True)
class Door:
    """What the gate knows, and what is found out while it stands open.

    Attributes:
        title: of the page.
        hosts: names of this server beside its addresses and localhost.
        embedders: origins whose pages may show the chat inside them.
        guard: slows down the guessing of passwords.
        requests: how many requests a visitor may make.
        sessions: Gradio's session → key of the visitor who opened it.
        logins: token → when it was made.
        entry_script: Gradio's own script, for pages that embed the chat as a web component.
    """

    title: str
    hosts: set[str] = field(default_factory=set)
    embedders: frozenset[str] = frozenset()
    guard: LoginGuard = field(default_factory=LoginGuard)
    requests: TokenBuckets = field(default_factory=lambda: TokenBuckets(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE))
    sessions: OrderedDict[str, str] = field(default_factory=OrderedDict)
    logins: OrderedDict[str, float] = field(default_factory=OrderedDict)
    entry_script: Callable[[], bytes] = lambda: b""


class Gate:
    """ASGI middleware around Gradio's application; `door` is shared with whoever starts the server."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            nonce = secrets.token_urlsafe(16)
            fixed = headers(nonce, self._door.embedders)
            await self._decide(scope, receive, with_headers(send, fixed), nonce)

    async def _decide(self, scope: Scope, receive: Receive, send: Send, nonce: str) -> None:
        request, path = Request(scope), str(scope["path"])
        offered = route(scope["method"], path)
        refusal = self._refuse(request)
        if refusal is not None or offered is None:
            await (refusal or PlainTextResponse("There is nothing here.", 404))(scope, receive, send)
        elif offered[0] == "open":
            await self._open(scope, receive, send)
        elif (visitor := self._visitor(request)) is not None:
            await self._member(scope, receive, send, (visitor, offered[1], nonce))
        else:
            await self._login_first(request)(scope, receive, send)

    def _refuse(self, request: Request) -> Response | None:
        """Why a request is not even looked at, whoever makes it."""
        host = request.headers.get("host", "")
        if not host_allowed(host, self._door.hosts):
            return PlainTextResponse("This server does not go by that name.", 403)
        origin = request.headers.get("origin")
        if origin is not None and not origin_allowed(origin.lower(), host.lower(), self._door.embedders):
            return PlainTextResponse("Pages of other sites may not use this chat.", 403)
        site = request.headers.get("sec-fetch-site", "none") if origin is None else "none"
        loads = request.headers.get("sec-fetch-mode") not in ("navigate", None) and not self._door.embedders
        if site == "cross-site" and loads:
            return PlainTextResponse("Pages of other sites may not use this chat.", 403)
        # A link elsewhere leads here, but must not take a visitor's conversations from him.
        if site in ("cross-site", "same-site") and request.scope["path"] == "/logout":
            return PlainTextResponse("Pages of other sites may not log you out.", 403)
        return None

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/robots.txt":
            await PlainTextResponse("User-agent: *\nDisallow: /\n")(scope, receive, send)
        elif path == "/embed.js":
            await Response(self._door.entry_script(), media_type="text/javascript")(scope, receive, send)
        elif path == "/logout":
            await self._log_out(Request(scope))(scope, receive, send)
        elif path.startswith("/login"):
            await self._log_in(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _login_first(self, request: Request) -> Response:
        if request.url.path == "/":
            return HTMLResponse(login_page(self._door.title), 401)
        return JSONResponse({"detail": {"error": "Not authenticated", "auth_message": "Log in first."}}, 401)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, address = Request(scope), _address(scope)
        by_form = "text/html" in request.headers.get("accept", "")
        if wait := self._door.guard.begin(address):
            again = {"retry-after": str(int(wait) + 1)}
            said = too_many(wait)
            page = HTMLResponse(login_page(self._door.title, said), 429, again)
            await (page if by_form else JSONResponse({"detail": said}, 429, again))(scope, receive, send)
            return
        answer = Caught()
        await self._app(scope, limited(receive, LARGEST_BODY), answer.send)
        if answer.status == 200:
            self._door.guard.succeeded(address)
            self._note_logins(request)
            response: Response = RedirectResponse("./", 303) if by_form else JSONResponse({"success": True})
            response.raw_headers.extend(pair for pair in answer.headers if pair[0] == b"set-cookie")
            _give_secret(request, response)
        else:
            response = HTMLResponse(login_page(self._door.title, WRONG), 400)
            response = response if by_form else JSONResponse({"detail": WRONG}, 400)
        await response(scope, receive, send)

    def _log_out(self, request: Request) -> Response:
        """Forget the login and the browser's secret; other logins of the same account stay."""
        app = request.scope["app"]
        response = RedirectResponse("./", 303)
        secure, plain = _token_cookies(app)
        for name in (secure, plain):
            self._end(app, request.cookies.get(name, ""))
        for name in (plain, COOKIE):
            response.delete_cookie(name)
        for name in (secure, f"{COOKIE}-secure"):  # within a page of another site, only what was set so can be deleted
            response.delete_cookie(name, secure=True, httponly=True, samesite="none")
        return response

    def _visitor(self, request: Request) -> Visitor | None:
        app = request.scope["app"]
        for name in _token_cookies(app):
            token = request.cookies.get(name, "")
            user = app.tokens.get(token)
            if user is None:
                continue
            if time.monotonic() - self._door.logins.get(token, -math.inf) > LOGIN_LASTS:
                self._end(app, token)
                continue
            return Visitor.of(user, _secret(request) or token, _address(request.scope))
        return None

    def _note_logins(self, request: Request) -> None:
        """Note when the newest logins were made; the oldest of too many end."""
        tokens, logins = request.scope["app"].tokens, self._door.logins
        for token in reversed(tokens):
            if token in logins:
                break
            logins[token] = time.monotonic()
        while len(logins) > MOST_KEYS:
            tokens.pop(logins.popitem(last=False)[0], None)

    def _end(self, app: Any, token: str) -> None:
        app.tokens.pop(token, None)
        self._door.logins.pop(token, None)

    async def _member(self, scope: Scope, receive: Receive, send: Send, who: tuple[Visitor, str, str]) -> None:
        visitor, session, nonce = who
        if wait := self._door.requests.take(f"{visitor.user} {visitor.address}"):
            again = {"retry-after": str(int(wait) + 1)}
            await PlainTextResponse("Too many requests. Wait a moment.", 429, again)(scope, receive, send)
            return
        named = {session, *parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])}
        if scope["method"] == "POST":
            body = await read_body(receive, LARGEST_BODY)
            if body is None:
                await PlainTextResponse("That is too much at once.", 413)(scope, receive, send)
                return
            named.add(_session_in(body))
            receive = replayed(body, receive)
        if not all(SESSION.fullmatch(name) and self._his(visitor, name) for name in named if name):
            await PlainTextResponse("That session is somebody else's.", 403)(scope, receive, send)
            return
        scope.setdefault("state", {})["visitor"] = visitor
        if scope["path"] in _PAGE_TEMPLATES:
            scope["query_string"] = b""  # no saved state by its name
        if scope["path"] == "/":
            await self._page(scope, receive, send, nonce)
        else:
            await self._app(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send, nonce: str) -> None:
        """The chat's page, with the nonce on Gradio's own inline scripts."""
        answer = Caught()
        await self._app(scope, receive, answer.send)
        body = bytes(answer.body).replace(b"<script", f'<script nonce="{nonce}"'.encode())
        response = HTMLResponse(body, answer.status, {"cache-control": "no-store"})
        _give_secret(Request(scope), response)
        await response(scope, receive, send)

    def _his(self, visitor: Visitor, session: str) -> bool:
        """Whether a session of Gradio is this visitor's; one that nobody has opened becomes his."""
        owner = self._door.sessions.setdefault(session, visitor.key)
        self._door.sessions.move_to_end(session)
        if len(self._door.sessions) > MOST_KEYS:
            self._door.sessions.popitem(last=False)
        return owner == visitor.key


def _session_in(body: bytes) -> str:
    """Gradio's session in the JSON of a request; "" where there is none."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    session = value.get("session_hash") if isinstance(value, dict) else None
    return session if isinstance(session, str) else ""


def _token_cookies(app: Any) -> tuple[str, str]:
    """The names of the cookies in which Gradio keeps a login."""
    return f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}"


def _secret(request: Request) -> str:
    return request.cookies.get(f"{COOKIE}-secure") or request.cookies.get(COOKIE, "")


def _give_secret(request: Request, response: Response) -> None:
    """Give the browser its secret, by which it finds its conversations again; what it holds already stays."""
    if _secret(request):
        return
    secret = secrets.token_urlsafe(32)
    response.set_cookie(COOKIE, secret, COOKIE_LASTS, httponly=True, samesite="lax")
    response.set_cookie(f"{COOKIE}-secure", secret, COOKIE_LASTS, httponly=True, samesite="none", secure=True)


def _address(scope: Scope) -> str:
    return counted_as(str(scope["client"][0])) if scope.get("client") else "unknown"
