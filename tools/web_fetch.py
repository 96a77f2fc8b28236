"""One page of the public web as text that can be cited.

The address is reached by `knowledge.fetch`, which refuses everything but public hosts on every hop; what comes
back is parsed in a confined process. A call needs approval, which shows all that the address would tell its host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from knowledge.errors import DocumentError, StorageError
from tools.passages import excerpt
from tools.spec import ToolSpec
from tools.stopping import Abandoned, await_work
from tools.visible import visible

if TYPE_CHECKING:
    from knowledge.fetch import Network
    from knowledge.schema import Passage
    from tools.resources import Resources

READ_SECONDS = 20.0
READ_BYTES = 768 * 2**20
LITTLE_TEXT = 200  # characters; a page with scripts and no more than this shows its text only in a browser
_PAGES = dict.fromkeys((".html", ".htm", ".xhtml"), "tools.web.readable_page:ReadablePage")
_ADDRESS = re.compile(r"https?://[^\s<>\"“”`]+[^\s<>\"“”`.,;:!?)\]}'’]", re.IGNORECASE)
_WISH = re.compile(
    r"\b(?:fetch|open|read|visit|load|download|browse|summari[sz]e|look at|check|go to|what(?:'s| is| does)|"
    r"tell me (?:what|about))\b",
    re.IGNORECASE,
)


def hints(question: str) -> dict[str, list[str]] | None:
    """The addresses in a question that asks for what is there; None for any other question."""
    addresses = _ADDRESS.findall(question[:4000])
    if not addresses or not _WISH.search(_ADDRESS.sub(" ", question)):
        return None
    return {"url": list(dict.fromkeys(addresses))[:4]}


def preview(arguments: Mapping[str, Any]) -> str:
    """The whole address and what it tells the host, readable, since an address can carry data away."""
    url = str(arguments.get("url", ""))
    lines = [f"Fetch {visible(url)}"]
    try:
        parts = urlsplit(url)
        host, pairs = parts.hostname or "", parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return f"{lines[0]}\nThis is no web address and will be refused."
    lines.append(f"Host: {visible(host)}{_in_letters(host)}")
    if unquote(parts.path) != parts.path:
        lines.append(f"Path: {visible(unquote(parts.path))}")
    if parts.query:
        shown = [f"{visible(name)} = {visible(value)}" for name, value in pairs] or [visible(unquote(parts.query))]
        lines.append("It tells the host:\n" + "\n".join(f"  {line}" for line in shown))
    return "\n".join(lines)


def _in_letters(host: str) -> str:
    """The letters that a host's name in ASCII stands for, where it does."""
    if not host.isascii() or "xn--" not in host:
        return ""
    try:
        return f" ({host.encode('ascii').decode('idna')})"
    except UnicodeError:
        return ""


def build(resources: Resources, network: Network | None = None) -> list[ToolSpec]:
    """The tool, whose artifact holds the passages shown.

    Args:
        resources: tell whether the user wants to stop.
        network: how hosts are found and reached; replaced where there is no internet.
    """
    from langchain_core.tools import ToolException, tool

    @tool(response_format="content_and_artifact")
    def web_fetch(url: str, from_line: int = 1) -> tuple[str, dict[str, Any]]:
        """Read a public web page, PDF or text file at an http or https address."""
        try:
            final, passages, remark = await_work(lambda: read_page(url, network), resources.cancelled)
        except (DocumentError, Abandoned) as error:
            raise ToolException(getattr(error, "what", str(error))) from error
        except StorageError as error:
            raise ToolException("The page cannot be kept while it is read: the disk refused.") from error
        shown = excerpt(passages, from_line)
        return "\n\n".join(filter(None, (final, remark, shown.text))), shown.artifact()

    return [ToolSpec(web_fetch, "network", untrusted=True, preview=preview, hints=hints)]


def read_page(url: str, network: Network | None = None) -> tuple[str, list[Passage], str]:
    """Fetch an address and split what is there.

    Returns:
        The address after redirects, the passages with it as their source, and a remark on what may be missing.

    Raises:
        DocumentError: the address is refused or does not answer, or what it gives cannot be read.
        StorageError: the disk refused.
    """
    from knowledge.chunking import split
    from knowledge.fetch import fetch_snapshot

    with TemporaryDirectory(prefix="ratchet-web-") as folder:
        path = fetch_snapshot(url, Path(folder), network=network)
        final = str(json.loads(path.with_name(f".{path.name}.json").read_text(encoding="utf-8"))["final_url"])
        documents = _read(path, final)
        passages = list(split(documents, final))
        scripts = path.suffix in _PAGES and b"<script" in path.read_bytes().lower()
    length = sum(len(document.page_content) for document in documents)
    few = scripts and length < LITTLE_TEXT
    remark = "(The page is mostly script: what a browser would show may be missing here.)" if few else ""
    return final, passages, remark


def _read(path: Path, url: str) -> list[Any]:
    """The documents of a fetched file, read by a confined process."""
    from knowledge.loaders.process import Limits
    from knowledge.loaders.worker import Reader

    try:
        with Reader(Limits(READ_SECONDS, READ_BYTES), _PAGES) as reader:
            documents = reader.read(path)
    except OSError as error:
        raise StorageError("The page cannot be read back.") from error
    except DocumentError as error:
        if "holds no text" in error.what and path.suffix in _PAGES:
            raise DocumentError(
                f"{url} holds no text of its own; a browser would make it by running scripts."
            ) from error
        raise DocumentError(error.what.replace(path.name, url)) from error
    for document in documents:
        if path.suffix in _PAGES:
            document.metadata["markup"] = "markdown"
    return documents
