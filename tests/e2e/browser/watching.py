"""What a page does beyond what it shows: requests to elsewhere, dialogs, script errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Dialog, Page, Request, WebError, WebSocket

_LOCAL = {"data", "blob", "about", "chrome-extension", "devtools"}  # these reach nothing


@dataclass
class Watch:
    """Everything that the pages of a browser context did that they should not.

    Attributes:
        own: hosts and ports of the servers that the pages come from.
        outbound: addresses asked for that are not the server's.
        dialogs: what alert, confirm, prompt or beforeunload said.
        errors: script errors that nothing caught.
    """

    own: set[str] = field(default_factory=set)
    outbound: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        """Watch every page of the context, also those that it opens later."""
        context.on("request", self._requested)
        context.on("dialog", self._asked)
        context.on("weberror", self._broke)
        context.on("page", self._opened)

    def told(self) -> list[str]:
        """Everything since the last time, in one list; empty for pages that behaved."""
        told = [f"asked {address}" for address in self.outbound]
        told += [f"dialog {said}" for said in self.dialogs] + [f"script error {said}" for said in self.errors]
        for kind in (self.outbound, self.dialogs, self.errors):
            kind.clear()
        return told

    def _requested(self, request: Request) -> None:
        self._note(request.url)

    def _opened(self, page: Page) -> None:
        page.on("websocket", self._connected)

    def _connected(self, connection: WebSocket) -> None:
        self._note(connection.url)

    def _note(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in _LOCAL and parts.netloc not in self.own:
            self.outbound.append(address)

    def _asked(self, dialog: Dialog) -> None:
        self.dialogs.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def _broke(self, error: WebError) -> None:
        self.errors.append(str(error.error))
