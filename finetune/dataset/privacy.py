"""Takes personal data and secrets out of examples: each becomes a placeholder, the same wherever it stands.

Found are e-mail addresses, telephone numbers, IBANs (ISO 13616, with their check digits), payment cards (ISO/IEC 7812,
with Luhn's), IP addresses, and keys, tokens and passwords by their known forms. A rule set finds what has a form; names
and street addresses have none, and stay. What was found is counted, never kept.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from finetune.schema import Example

_RESERVED_DOMAINS = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|[\w-]+\.(?:example|invalid|test)|localhost)$"
)
_NAMED = (
    r"(?:pass(?:word|wd|phrase)|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token|client[_-]?secret)"
)

_PASSWORD = re.compile(_NAMED, re.IGNORECASE)
_GROUP = re.compile(r"[ .-]+")
_PLACEHOLDER = re.compile(r"\[[A-Z]+_\d+\]")


def _is_email(text: str) -> bool:
    return not _RESERVED_DOMAINS.search(text.lower())  # RFC 2606: they belong to nobody


def _is_card(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    plain = re.sub(r"\s", "", text).upper()
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _is_phone(text: str) -> bool:
    digits = sum(char.isdigit() for char in text)
    return 8 <= digits <= 15


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or text.startswith("255."))


def _is_password(text: str) -> bool:
    return any(char.isdigit() or not char.isalnum() for char in text.rstrip(".!?"))


def _always(text: str) -> bool:
    return True


# kind, pattern (its group "it", or else all of it, is taken out), and what must hold beside; tried in this order.
_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    (
        "key",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:\s*(?:Proc-Type|DEK-Info): [^\n]*)*"
            r"(?:[A-Za-z0-9+/=\s\\]*-----END [A-Z ]{0,30}PRIVATE KEY-----|(?:\s*[A-Za-z0-9+/=]{40,})+)"
        ),
        _always,
    ),
    (
        "key",
        re.compile(
            r"(?<![\w-])(?:sk-[\w-]{20,}|(?:gh[pousr]|github_pat)_\w{20,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|hf_\w{30,}"
            r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{35}|[sr]k_(?:live|test)_\w{16,}|SG\.[\w-]{16,}\.[\w-]{16,}"
            r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})(?![\w-])"
        ),
        _always,
    ),
    ("key", re.compile(r"(?i)\bbearer\s+(?P<it>[\w.~+/=-]{20,})"), _always),
    ("key", re.compile(r"(?<=://)(?P<it>[^\s/:@]{1,100}:[^\s/@]{1,100})(?=@)"), _always),
    (
        "password",
        re.compile(rf"(?i)\b{_NAMED}\b[\"']?\s*(?:[:=]|\bis\b)\s*[\"']?(?P<it>[^\s\"',;{{}}\[\]<>]{{6,}})"),
        _is_password,
    ),
    (
        "email",
        re.compile(r"(?<![\w.%+-])[A-Za-z0-9_%+-][\w.%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"),
        _is_email,
    ),
    (
        "iban",
        re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
        _is_iban,
    ),
    (
        "card",
        re.compile(
            r"(?<![\w.,-])(?:\d{13,19}|\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{1,3})?|\d{4}[ -]\d{6}[ -]\d{4,5})(?![\w-]|[.,]\d)"
        ),
        _is_card,
    ),
    ("ip", re.compile(r"(?<![\w.:])(?<!\bv)(?<!ersion )(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d|\.\d)"), _is_address),
    (
        "ip",
        re.compile(r"(?<![\w:.])(?=[0-9a-fA-F:]*\d)(?:[0-9a-fA-F]{1,4}::?){3,7}[0-9a-fA-F]{1,4}(?![\w:])"),
        _is_address,
    ),
    (
        "phone",
        re.compile(
            r"(?<![\w.+/-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}"  # +49 89 1234567
            r"|\(\d{2,5}\) ?\d{3,4}[ .-]?\d{3,5}|\d{3}[.-]\d{3}[.-]\d{4}"  # (555) 123-4567, 555-123-4567
            r"|(?i:(?<=tel )|(?<=tel: )|(?<=phone )|(?<=phone: ))0\d{2,4}[ /-]?\d{5,8})(?![\w-]|\.\d)"
        ),
        _is_phone,
    ),
)


@dataclass(frozen=True, slots=True)
class PiiReport:
    """What was taken out, without what it was.

    Attributes:
        kinds: how many different pieces, by kind, summed over the examples.
        examples: by the `source` of each example in which something was found, the same.
    """

    kinds: Mapping[str, int]
    examples: Mapping[str, Mapping[str, int]]


class Scrubber:
    """Replaces personal data in examples, and counts."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {}

    @property
    def report(self) -> PiiReport:
        """What was found so far."""
        total: Counter[str] = Counter()
        for kinds in self._found.values():
            total.update(kinds)
        plain = {source: dict(sorted(kinds.items())) for source, kinds in sorted(self._found.items())}
        return PiiReport(dict(sorted(total.items())), plain)

    def __call__(self, example: Example) -> Example:
        """The example with placeholders: "[EMAIL_1]" is one address wherever it stands in it."""
        places = _Placeholders()
        messages = tuple(places.within(message) for message in example.messages)
        if places.secrets:  # what gives itself away in one place is replaced in those before it, too
            messages = tuple(places.within(message) for message in messages)
        rejected = None if example.rejected is None else places.within(example.rejected)
        # Many examples share their tools; numbered apart from what was said, the tools stay the same in all of them.
        offered = _Placeholders()
        tools = tuple(_described(tool, offered) for tool in example.tools)
        found = places.counts + offered.counts
        if not found:
            return example
        self._found[example.source] = self._found.get(example.source, Counter()) + found
        return replace(example, messages=messages, rejected=rejected, tools=tools)


class _Placeholders:
    """What was found in one example, and what stands for it."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self.secrets: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, self.secrets[secret])
        for kind, pattern, holds in _RULES:
            text = "".join(self._pieces(text, kind, pattern, holds))
        return text

    def _pieces(self, text: str, kind: str, pattern: re.Pattern[str], holds: Callable[[str], bool]) -> Iterator[str]:
        at = end = 0
        while match := pattern.search(text, at):
            place = _place(match, holds)
            if place is None:
                at = match.start() + len(_GROUP.split(match.group(), maxsplit=1)[0]) + 1
                continue
            yield text[end : place[0]]
            yield self._name(kind, text[place[0] : place[1]])
            at = end = place[1]
        yield text[end:]

    def _name(self, kind: str, found: str) -> str:
        plain = re.sub(r"[\s().-]", "", found).casefold() if kind in ("card", "iban", "phone") else found.casefold()
        if (kind, plain) not in self._names:
            self.counts[kind] += 1
            self._names[kind, plain] = f"[{kind.upper()}_{self.counts[kind]}]"
            if kind in ("key", "password"):
                self.secrets[found] = self._names[kind, plain]
        return self._names[kind, plain]

    def within(self, value: Any) -> Any:
        """A message, or a part of it: texts, and whole numbers that are a card's."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._field(str(key), one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.within(one) for one in value]
        if isinstance(value, int) and not isinstance(value, bool) and _is_card(str(value)):
            return self._name("card", str(value))
        return value

    def _field(self, name: str, value: Any) -> Any:
        if name in ("role", "name"):
            return value
        if isinstance(value, str) and len(value) >= 6 and _PASSWORD.fullmatch(name) and _is_password(value):
            return value if _PLACEHOLDER.fullmatch(value) else self._name("password", value)
        return self.within(value)


def _place(match: re.Match[str], holds: Callable[[str], bool]) -> tuple[int, int] | None:
    """Where in a match stands what is looked for: numbers that follow each other may have been taken for one."""
    start, stop = match.span("it" if "it" in match.re.groupindex else 0)
    while not holds(match.string[start:stop]):
        shorter = list(_GROUP.finditer(match.string, start, stop))
        if not shorter or not match.re.match(match.string, match.start(), shorter[-1].start()):
            return None
        stop = shorter[-1].start()
    return start, stop


def _described(schema: Any, places: _Placeholders) -> Any:
    """A schema whose descriptions were scrubbed; its names and choices stay, as calls must match them."""
    if isinstance(schema, Mapping):
        return {
            key: places.text(one) if key == "description" and isinstance(one, str) else _described(one, places)
            for key, one in schema.items()
        }
    return [_described(one, places) for one in schema] if isinstance(schema, list | tuple) else schema


def scrub_text(text: str) -> tuple[str, Mapping[str, int]]:
    """A text with placeholders for what is personal or secret in it, and how many pieces there were by kind."""
    places = _Placeholders()
    return places.text(text), dict(places.counts)
