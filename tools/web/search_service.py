"""Asks a web search service: SearXNG, Brave or Tavily, or one that speaks like them.

Its address is trusted as far as it goes: this origin and no other, even where it is on this machine or in the
user's own network; a redirect is refused. The key travels in a header, never in an address, and is in no error.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from tools.resources import SearchService

MOST_QUERY = 400  # characters; what Brave and Tavily take
MOST_SNIPPET = 600
MAX_BYTES = 2 * 2**20
MAX_SECONDS = 30.0
_STEP_SECONDS = 10.0
_PATHS = {"searxng": "/search", "brave": "/res/v1/web/search", "tavily": "/search"}
_ADVICE = {
    401: ": is tools.search_key right?",
    403: ": is tools.search_key right, or, for SearXNG, is the JSON format enabled there?",
    422: ": is tools.search_key right?",
    429: ": too many searches, try later",
}


class SearchFailed(Exception):
    """The service cannot be asked, or did not answer as it should; the text is fit for the model, without the key."""


@dataclass(frozen=True, slots=True)
class Result:
    """One hit: its address, title and a few words, as plain text on one line each."""

    url: str
    title: str
    snippet: str


def search(service: SearchService, query: str, wanted: int) -> list[Result]:
    """The first results, best first, each address once.

    Args:
        service: whom to ask.
        query: what for.
        wanted: at most so many.

    Raises:
        SearchFailed: the query or the settings cannot be used, or the service did not answer as it should.
    """
    query = " ".join(query.split())
    if not query or len(query) > MOST_QUERY:
        raise SearchFailed(f"a query must have 1 to {MOST_QUERY} characters, this has {len(query)}")
    answer = _asked(service, query, wanted)
    hits = answer.get("web") if service.kind == "brave" else answer
    hits = hits.get("results") if isinstance(hits, dict) else None
    if hits is None and service.kind == "brave" and "web" not in answer:
        return []  # Brave leaves out what it has nothing for
    if not isinstance(hits, list):
        raise SearchFailed(f"{endpoint(service).host} gave no list of results: is it a {service.kind} service?")
    found = {hit.url: hit for entry in reversed(hits) if (hit := _result(entry, service.key))}
    return list(reversed(found.values()))[:wanted]


def endpoint(service: SearchService) -> httpx.URL:
    """Where the service is asked.

    Raises:
        SearchFailed: the setting is no address, or would send the key unencrypted over a public network.
    """
    import httpx

    try:
        url = httpx.URL(service.url)
    except (httpx.InvalidURL, UnicodeError):
        raise SearchFailed("tools.search_url is not a web address") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise SearchFailed("tools.search_url must be an http or https address")
    if service.kind != "searxng" and not service.key:
        raise SearchFailed(f"{service.kind} needs tools.search_key")
    if service.key and not re.fullmatch(r"[\x21-\x7e]+", service.key):
        raise SearchFailed("tools.search_key holds characters that no key has")
    if service.key and url.scheme == "http" and not _is_near(url.host):
        raise SearchFailed("the key would travel unencrypted; use an https address in tools.search_url")
    path = url.path.rstrip("/")
    if service.kind == "searxng" and not path.endswith("/search"):
        path += "/search"
    return url.copy_with(path=path or _PATHS[service.kind], query=None, fragment=None)


def _is_near(host: str) -> bool:
    """Whether the host is this machine, or given by its number in the user's own network."""
    import ipaddress

    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost"


def _asked(service: SearchService, query: str, wanted: int) -> dict[str, Any]:
    """The service's answer.

    Raises:
        SearchFailed: none came, or one that is no JSON object.
    """
    import httpx

    url = endpoint(service)
    try:
        with httpx.Client(trust_env=False, timeout=_STEP_SECONDS, follow_redirects=False) as client:
            # A server that drips would keep every single step within its limit.
            timer = threading.Timer(MAX_SECONDS, client.close)
            timer.daemon = True
            timer.start()
            try:
                response = client.send(_request(client, service, url, query, wanted), stream=True)
                return _answer(response, url.host)
            finally:
                timer.cancel()
    except httpx.TimeoutException:
        raise SearchFailed(f"{url.host} did not answer in time") from None
    except (httpx.HTTPError, OSError, UnicodeError):
        # What the library says is not passed on: it may quote the headers, and with them the key.
        raise SearchFailed(f"{url.host} cannot be reached, or broke off") from None


def _request(client: httpx.Client, service: SearchService, url: httpx.URL, query: str, wanted: int) -> httpx.Request:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ratchet"}
    match service.kind:
        case "tavily":
            headers["Authorization"] = f"Bearer {service.key}"
            return client.build_request("POST", url, headers=headers, json={"query": query, "max_results": wanted})
        case "brave":
            headers["X-Subscription-Token"] = service.key
            asked: dict[str, str | int] = {"q": query, "count": wanted, "text_decorations": "false"}
            return client.build_request("GET", url, headers=headers, params=asked)
        case _:
            if service.key:
                headers["Authorization"] = f"Bearer {service.key}"
            return client.build_request("GET", url, headers=headers, params={"q": query, "format": "json"})


def _answer(response: httpx.Response, host: str) -> dict[str, Any]:
    if response.is_redirect:
        raise SearchFailed(f"{host} redirects elsewhere, which is refused: set tools.search_url to where it leads")
    if response.status_code != 200:
        raise SearchFailed(f"{host} answered {response.status_code}{_ADVICE.get(response.status_code, '')}")
    try:
        answer = json.loads(_body(response, host))
    except (ValueError, RecursionError):
        raise SearchFailed(f"{host} did not answer with JSON: is the JSON format enabled there?") from None
    if not isinstance(answer, dict):
        raise SearchFailed(f"{host} did not answer with a JSON object")
    return answer


def _body(response: httpx.Response, host: str) -> bytes:
    content = bytearray()
    for block in response.iter_raw():
        content += block
        if len(content) > MAX_BYTES:
            raise SearchFailed(f"{host} answered with more than {MAX_BYTES >> 20} MB")
    return bytes(content)


def _result(entry: Any, key: str) -> Result | None:
    """A hit, when it leads to a web page; markup, line ends and hidden characters are taken out of its texts."""
    if not isinstance(entry, dict):
        return None
    url = _plain(entry.get("url"), 2_000, key)
    if not re.match(r"https?://[^\s/]", url):
        return None
    snippet = _plain(entry.get("content") or entry.get("description"), MOST_SNIPPET, key)
    return Result(url, _plain(entry.get("title"), 200, key) or url, snippet or "(no description)")


def _plain(text: Any, most: int, key: str) -> str:
    import html

    from knowledge.text import sanitize

    if not isinstance(text, str):
        return ""
    text = html.unescape(re.sub(r"</?[a-zA-Z][^<>]{0,200}>", "", text[: 10 * most]))
    plain = " ".join(sanitize(text).split())
    if key:
        plain = plain.replace(key, "…")  # a service that repeats what it was sent
    return plain if len(plain) <= most else f"{plain[:most]}…"
