"""A page of the web as a file that can be cited, resolved and fetched again.

The guard: only http and https, only public addresses, and the address that was checked is the one connected to,
on every hop of a redirect. So neither a page nor a name server can turn a fetch into a look inside the user's
network. The file stands at `<folder>/<host>/<name>-<digest><suffix>`; beside it a hidden one tells whence and when.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from knowledge.addresses import is_public, is_usable
from knowledge.errors import DocumentError, StorageError
from knowledge.loaders.registry import LOADERS
from knowledge.text import as_declared, sanitize

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 64 * 2**20
MAX_REDIRECTS = 5
MAX_SECONDS = 60.0
_STEP_SECONDS = 15.0
_MOST_ADDRESSES = 4  # of one host, tried in turn
_MAX_URL = 4_000
_PIECE = 2**16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OPENXML = "application/vnd.openxmlformats-officedocument."
_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/zip": ".zip",
    "application/x-ipynb+json": ".ipynb",
    "message/rfc822": ".eml",
    f"{_OPENXML}wordprocessingml.document": ".docx",
    f"{_OPENXML}presentationml.presentation": ".pptx",
    f"{_OPENXML}spreadsheetml.sheet": ".xlsx",
}
_BY_NAME = frozenset({"text/plain", "application/octet-stream", "binary/octet-stream", ""})  # these say nothing
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_FIX = "Check the address, or save the page as a file and ingest that."

Resolver = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class _Page:
    url: str
    kind: str
    charset: str
    content: bytes


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system finds them.

    Raises:
        OSError: there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Network:
    """How hosts are found and reached; replaced where there is no internet.

    Attributes:
        resolve: host and port → addresses.
        transport: what connects to an address that was found fit.
    """

    resolve: Resolver = resolve_host
    transport: Callable[[], httpx.BaseTransport] = field(default=lambda: _transport())


def fetch_snapshot(url: str, folder: Path, *, allow_private: bool = False, network: Network | None = None) -> Path:
    """Fetch a page and keep it as a file; when it has not changed since the last time, that file stays as it is.

    Args:
        url: an http or https address.
        folder: where snapshots are kept.
        allow_private: let it be in the user's own network, or on this machine.
        network: how hosts are found and reached.

    Returns:
        The file, of a type that `knowledge.loaders` reads.

    Raises:
        DocumentError: the address is refused, does not answer, or what it gives cannot be read.
        StorageError: the disk refused.
    """
    page = _fetch(url, allow_private, network or Network())
    suffix = _suffix(page)
    content = (
        _as_utf8(page.content, page.charset) if suffix in (".html", ".md", ".txt", ".csv", ".tsv") else page.content
    )
    target = folder / _place(url, suffix)
    try:
        _keep(target, content, url, page.url)
    except OSError as error:
        raise StorageError(f"The page cannot be kept in {folder}: {error.strerror}.") from error
    return target


def snapshot_url(path: Path) -> str:
    """The address that a snapshot was fetched from; empty for any other file."""
    try:
        noted = json.loads(_note_of(path).read_text(encoding="utf-8"))
        return str(noted["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def delete_snapshot(path: Path) -> None:
    """Delete a snapshot and what is noted of it.

    Raises:
        OSError: the disk refused.
    """
    path.unlink(missing_ok=True)
    _note_of(path).unlink(missing_ok=True)


def _fetch(url: str, allow_private: bool, network: Network) -> _Page:
    import httpx

    deadline = _Deadline()
    asked = url
    try:
        # No proxies: they would resolve the name once more, and not through this guard.
        with httpx.Client(transport=network.transport(), trust_env=False, timeout=_STEP_SECONDS) as client:
            for _ in range(MAX_REDIRECTS + 1):
                address = _checked(url)
                client.cookies.clear()  # hosts that share an address do not share what they set
                found = _addresses(address, allow_private, network.resolve)
                with _answer(client, address, found, deadline) as response:
                    if response.status_code in _REDIRECTS and "location" in response.headers:
                        url = str(address.join(response.headers["location"]))
                        continue
                    return _page(response, str(address))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, zlib.error) as error:
        late = f"took longer than {MAX_SECONDS:g} seconds"
        what = late if deadline.passed else f"did not answer as it should ({error})"
        raise DocumentError(f"{_shown(asked)} {what}.", fix=_FIX) from error
    finally:
        deadline.cancel()
    raise DocumentError(f"{_shown(asked)} redirects more than {MAX_REDIRECTS} times.", fix=_FIX)


def _transport() -> httpx.BaseTransport:
    import httpx

    return httpx.HTTPTransport()


def _checked(url: str) -> httpx.URL:
    """The address, when its form leaves no doubt about the host."""
    import httpx

    if len(url) > _MAX_URL or any(letter <= " " or letter in "\\\x7f" for letter in url):
        raise DocumentError(f"{_shown(url)} is not a web address.", fix=_FIX)
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise DocumentError(f"{_shown(url)} is not a web address: {error}.", fix=_FIX) from error
    if address.port is not None and not 0 < address.port < 65536:
        raise DocumentError(f"{_shown(url)} is not a web address: there is no such port.", fix=_FIX)
    if address.scheme not in ("http", "https") or not address.raw_host:
        raise DocumentError(f"{_shown(url)} is not an http or https address.", fix=_FIX)
    if address.userinfo:
        raise DocumentError(f"{_shown(url)} names a user; that is refused.", fix="Leave out what stands before the @.")
    return address


def _addresses(url: httpx.URL, allow_private: bool, resolve: Resolver) -> list[str]:
    """What the host resolves to, when all of it may be connected to."""
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise DocumentError(f"The host {host} cannot be found.", fix=_FIX) from error
    fit = is_usable if allow_private else is_public
    if not found or not all(map(fit, found)):
        raise DocumentError(
            f"{_shown(str(url))} is not on the public internet; that is refused.",
            fix="Save the page as a file and ingest that.",
        )
    return found


@contextmanager
def _answer(
    client: httpx.Client, url: httpx.URL, addresses: list[str], deadline: _Deadline
) -> Iterator[httpx.Response]:
    """The response of the first address that takes the connection; the name goes into Host and the TLS handshake."""
    import httpx

    def watch(event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            deadline.holds(info["return_value"].get_extra_info("socket"))

    headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": "ratchet"}
    extensions = {"sni_hostname": url.raw_host.decode("ascii"), "trace": watch}
    tried = addresses[:_MOST_ADDRESSES]
    for number, address in enumerate(tried, start=1):
        if deadline.passed:
            raise httpx.ConnectTimeout("the time for the whole fetch is over")
        pinned = url.copy_with(host=address)
        request = client.build_request("GET", pinned, headers=headers, extensions=extensions)
        try:
            response = client.send(request, stream=True, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if number == len(tried):
                raise
            continue
        try:
            yield response
        finally:
            response.close()
        return


def _page(response: httpx.Response, url: str) -> _Page:
    if response.status_code != 200:
        raise DocumentError(f"{_shown(url)} answered {response.status_code} {response.reason_phrase}.", fix=_FIX)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        named = _shown(encoding[:20])
        raise DocumentError(f"{_shown(url)} answers in an encoding that was not asked for ({named}).", fix=_FIX)
    content = bytearray()
    began = time.monotonic()
    blocks = response.iter_raw() if encoding == "identity" else _inflated(response.iter_raw())
    for block in blocks:
        content += block
        if len(content) > MAX_BYTES:
            raise DocumentError(f"{_shown(url)} is longer than {MAX_BYTES >> 20} MB.", fix=_FIX)
        if time.monotonic() - began > MAX_SECONDS:
            raise DocumentError(f"{_shown(url)} took longer than {MAX_SECONDS:g} seconds.", fix=_FIX)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _Page(url, kind, response.charset_encoding or "", bytes(content))


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of gzip data, which may have several members (RFC 1952); in pieces of moderate size.

    Raises:
        zlib.error: it is damaged, or breaks off.
    """
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for block in blocks:
        while block:
            if inflate.eof:
                block = block.lstrip(b"\0")  # padding behind a member
                if not block:
                    break
                inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
            yield inflate.decompress(block, _PIECE)
            block = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    while not inflate.eof:
        piece = inflate.decompress(b"", _PIECE)
        if not piece:
            raise zlib.error("the packed content breaks off")
        yield piece


def _suffix(page: _Page) -> str:
    named = PurePosixPath(page.url.partition("?")[0].partition("#")[0]).suffix.lower()
    if page.kind in _SUFFIXES:
        # A notebook or a file of records often comes as plain JSON.
        return named if page.kind == "application/json" and named in (".ipynb", ".jsonl") else _SUFFIXES[page.kind]
    if page.kind in _BY_NAME and named in LOADERS:
        return named
    if page.kind.startswith("text/") or (page.kind == "" and b"\0" not in page.content[:1000]):
        return ".txt"
    raise DocumentError(
        f"{_shown(page.url)} is of a type that cannot be read ({_shown(page.kind[:60]) or 'unnamed'}).", fix=_FIX
    )


def _as_utf8(content: bytes, charset: str) -> bytes:
    """The text in UTF-8, as a file has no header to name another encoding."""
    text = as_declared(content, charset)
    return text.encode("utf-8", "replace") if text else content


def _place(url: str, suffix: str) -> Path:
    """One place per address: a readable name, and a digest that makes it the address's own."""
    address = _checked(url)
    host = _UNSAFE.sub("_", address.netloc.decode("ascii").lower()).strip("._") or "host"
    stem = _UNSAFE.sub("-", PurePosixPath(address.path).stem).strip("-._")[:60] or "index"
    digest = hashlib.sha256(str(address.copy_with(fragment=None)).encode()).hexdigest()[:10]
    return Path(host[:100], f"{stem}-{digest}{suffix}")


def _note_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


def _keep(target: Path, content: bytes, url: str, final: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_file() or target.read_bytes() != content:
        _replace(target, content)
    note = {"url": url, "final_url": final, "fetched": datetime.now(UTC).isoformat(timespec="seconds")}
    _replace(_note_of(target), json.dumps(note, ensure_ascii=False).encode("utf-8"))
    for other in target.parent.glob(f"{target.stem}.*"):  # the same address, once of another type
        if other != target:
            other.unlink(missing_ok=True)
            _note_of(other).unlink(missing_ok=True)


def _replace(target: Path, content: bytes) -> None:
    """Write in one step, by way of a file of its own: the same page may be fetched twice at a time."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class _Deadline:
    """The end of the time for a whole fetch: whatever it waits for then, and thereafter, is cut off."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.passed = False
        self._timer = threading.Timer(MAX_SECONDS, self._pass)
        self._timer.daemon = True
        self._timer.start()

    def holds(self, connection: socket.socket) -> None:
        """Have a connection end with the time; at once if that is over."""
        with self._lock:
            self._sockets.append(connection)
            if self.passed:
                _cut(connection)

    def cancel(self) -> None:
        """The fetch is done."""
        self._timer.cancel()

    def _pass(self) -> None:
        with self._lock:
            self.passed = True
            for connection in self._sockets:
                _cut(connection)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed already, or taken over by its TLS twin


def _shown(url: str) -> str:
    clean = " ".join(sanitize(url).split())
    return clean if len(clean) <= 120 else f"{clean[:120]}…"
