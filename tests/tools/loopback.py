"""A web server of this machine that counts who comes, and an internet in which public names lead to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle

import httpx

from knowledge.fetch import Network, resolve_host

PUBLIC = "93.184.215.14"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Counts connections, so that one that sends nothing is seen too.

    Attributes:
        connections: how many were accepted.
        requests: (method, path, headers, body) of each.
        answers: path → what is answered there.
        otherwise: what is answered everywhere else.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: dict[str, Answer] = {}
        self.otherwise = page()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.requests.append((self.command, self.path, dict(self.headers), body))
                server.answers.get(self.path.partition("?")[0], server.otherwise)(self)

            do_POST = do_CONNECT = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()


def page(body: str | bytes = "<h1>Pump</h1><p>It runs.", kind: str = "text/html", status: int = 200) -> Answer:
    content = body.encode() if isinstance(body, str) else body

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Routed(httpx.BaseTransport):
    """The public address leads to one server; every other address is really connected to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpx.HTTPTransport(verify=False)  # no certificates to load: nothing here speaks TLS

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == PUBLIC:
            request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def internet(server: Server, **hosts: str) -> Network:
    """Names to addresses, "public.example" being the server's; "a | b" gives a and b in turn.

    Numbers in any spelling are left to the system, as outside of a test.
    """
    turns = {host: cycle(found.split("|")) for host, found in {"public.example": PUBLIC, **hosts}.items()}

    def resolve(host: str, port: int) -> list[str]:
        return next(turns[host]).split() if host in turns else resolve_host(host, port)

    return Network(resolve, lambda: Routed(server.port))
