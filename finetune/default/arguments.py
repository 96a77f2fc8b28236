"""The arguments of a tool family: what a schema says of them, which values they take, how those are said."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from finetune.default.pools import TYPES, Pools, Said, in_words
from finetune.errors import DatasetError

KINDS = ("int", "float", "pool", "choices", "bool", "list", "object", "numbers", "texts")
ABOUT = ("about", "optional", "default", "type", "say")
FEWEST_TEXTS = 12
# Texts that people put in quotes; a message always is.
QUOTED = {"song", "album", "film", "book", "painting", "game", "title", "topic", "message", "file_name", "event", "tag"}
PLACEHOLDER = re.compile(r"\{([\w.]*)\}")
ISO = "YYYY-MM-DD"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, or an inner one of an object, or the items of a list.

    Attributes:
        kind: one of `KINDS`.
        spec: what stands behind the kind in the file.
        inner: the arguments of an object; the items of a list under the name "of".
        say: words around the value, `{}` for the value; for an object, its inner arguments by name.
    """

    name: str
    kind: str
    spec: Any
    about: str = ""
    optional: bool = False
    default: Any = None
    type: str = ""
    say: str = ""
    inner: Mapping[str, Argument] = field(default_factory=dict)

    @property
    def json_type(self) -> str:
        """The type in the schema."""
        if self.type:
            return self.type
        if self.kind == "pool":
            return TYPES.get(self.spec, "string")
        if self.kind == "choices" and isinstance(self.spec, list) and isinstance(self.spec[0], int):
            return "integer"
        types = {"int": "integer", "float": "number", "bool": "boolean", "object": "object"}
        return types.get(self.kind, "array" if self.kind in ("list", "numbers") else "string")

    @property
    def speaks_plainly(self) -> bool:
        """Whether the value is what is said, so that the schema need not explain it."""
        return self.kind != "bool" and not (self.kind == "pool" and self.spec in {"date", "time", *TYPES})

    def draw(self, rng: Random, pools: Pools) -> Said:
        """A value of the schema's type and how it is said.

        An object without words of its own says nothing as a whole: its inner values are drawn one by one.
        """
        said: Said = getattr(self, f"_draw_{self.kind}")(rng, pools)
        if self.say and self.kind != "object":
            text = f"{said.value:,}" if self._may_be_grouped(said.value) and rng.random() < 0.6 else said.text
            said = Said(said.value, self.say.replace("{}", text))
        return Said(self._typed(said), said.text)

    def _may_be_grouped(self, value: Any) -> bool:
        """Whether it is a large whole number and no year, so that people write 1,200."""
        return self.kind == "int" and value >= 1000 and not self.may_be_year

    @property
    def may_be_year(self) -> bool:
        """Whether a whole number of this argument looks like a year."""
        return self.kind == "int" and self.spec[0] >= 1000 and self.spec[1] <= 2200

    def _typed(self, said: Said) -> Any:
        value = said.value
        if self.type == "string" and not isinstance(value, str):
            return said.text if self.kind == "pool" else str(value)
        if self.type in ("integer", "number") and isinstance(value, str):
            return int(value) if value.lstrip("-").isdigit() else float(value)
        return value

    def _draw_int(self, rng: Random, pools: Pools) -> Said:
        low, high = self.spec
        value = rng.randint(low, high)
        # Wide ranges are drawn by magnitude too: people name small numbers more often.
        if high > 100 * max(1, low) and rng.random() < 0.4:
            value = rng.randint(low, max(low, high // 20))
        elif high - low > 200 and rng.random() < 0.5:
            value = max(low, round(value, -1 if high < 2000 else -2))
        return Said(value, str(value))

    def _draw_float(self, rng: Random, pools: Pools) -> Said:
        low, high, decimals = self.spec
        value: float = round(rng.uniform(low, high), decimals)
        if rng.random() < 0.25 and low <= round(value) <= high and high - low > 3:
            value = round(value)
        value = int(value) if value == int(value) else value
        return Said(value, plain(value))

    def _draw_pool(self, rng: Random, pools: Pools) -> Said:
        return pools.draw(self.spec, rng)

    def _draw_texts(self, rng: Random, pools: Pools) -> Said:
        value = rng.choice(self.spec)
        return Said(value, value)

    def _draw_choices(self, rng: Random, pools: Pools) -> Said:
        value = rng.choice(list(self.spec))
        return Said(value, self.spec[value] if isinstance(self.spec, Mapping) else str(value))

    def _draw_bool(self, rng: Random, pools: Pools) -> Said:
        words = {key: text for key, text in self.spec.items() if text or not self.optional}
        key = rng.choice(sorted(words))
        return Said(key == "true", words[key])

    def _draw_list(self, rng: Random, pools: Pools) -> Said:
        wanted = rng.randint(*self.spec["count"])
        items: list[Said] = []
        for _ in range(8 * wanted):
            if len(items) == wanted:
                break
            one = self.inner["of"].draw(rng, pools)
            if all(one.value != other.value for other in items):
                items.append(one)
        return Said([one.value for one in items], enumerated([one.text for one in items], rng))

    def _draw_numbers(self, rng: Random, pools: Pools) -> Said:
        low, high, fewest, most, *rest = self.spec
        decimals = rest[0] if rest else 0
        values = [round(rng.uniform(low, high), decimals) for _ in range(rng.randint(fewest, most))]
        values = [int(value) if value == int(value) else value for value in values]
        texts = [plain(value) for value in values]
        if self.say.startswith("["):
            return Said(values, ", ".join(texts))
        if rng.random() < 0.15:
            return Said(values, f"[{', '.join(texts)}]")
        return Said(values, ", ".join(texts) if rng.random() < 0.2 else enumerated(texts, rng))

    def _draw_object(self, rng: Random, pools: Pools) -> Said:
        drawn = {name: inner.draw(rng, pools) for name, inner in self.inner.items() if f"{{{name}}}" in self.say}
        text = PLACEHOLDER.sub(lambda match: drawn[match[1]].text, self.say)
        return Said({name: said.value for name, said in drawn.items()}, text)

    def schema(self, described: bool, date: str = ISO) -> dict[str, Any]:
        """JSON schema.

        Args:
            described: whether to say what the argument means where its value is simply what is said.
            date: the form in which dates are wanted.
        """
        schema: dict[str, Any] = {"type": self.json_type}
        if self.kind == "choices":
            schema["enum"] = [self._typed(Said(value, str(value))) for value in self.spec]
        elif self.kind == "numbers":
            whole = not (len(self.spec) > 4 and self.spec[4])
            schema["items"] = {"type": "integer" if whole and self.spec_is_whole else "number"}
        elif self.kind == "list":
            schema["items"] = self.inner["of"].schema(described, date)
        elif self.kind == "object":
            schema["properties"] = {name: inner.schema(described, date) for name, inner in self.inner.items()}
            schema["required"] = [name for name, inner in self.inner.items() if not inner.optional]
        about = self._about(described, date)
        if about:
            schema["description"] = about
        return schema

    @property
    def spec_is_whole(self) -> bool:
        """Whether the bounds are whole numbers."""
        return all(isinstance(bound, int) for bound in self.spec)

    def _about(self, described: bool, date: str) -> str:
        parts = [self.about] if self.about and (described or not self.speaks_plainly) else []
        if self.kind == "pool" and self.json_type == "string":
            if self.spec == "date" and ISO not in self.about:
                parts.append(ISO)
            if self.spec == "time" and "HH" not in self.about and "hour" not in self.about:
                parts.append("HH:MM, 24 hours")
        text = ", ".join(part.rstrip(".") for part in parts).replace(ISO, date)
        if self.default is not None and described:
            value = str(self.default).lower() if isinstance(self.default, bool) else self.default
            text = f"{text} (default: {value})" if text else f"Default: {value}"
        return text

    def in_date_form(self, value: Any, form: str) -> Any:
        """The value with its dates in another form, where there are any in it."""
        if form == ISO:
            return value
        if self.kind == "pool" and self.spec == "date":
            day = datetime.date.fromisoformat(value)
            return form.replace("YYYY", f"{day:%Y}").replace("MM", f"{day:%m}").replace("DD", f"{day:%d}")
        if self.kind == "list":
            return [self.inner["of"].in_date_form(item, form) for item in value]
        if self.kind == "object":
            return {name: self.inner[name].in_date_form(item, form) for name, item in value.items()}
        return value


def plain(value: float) -> str:
    """A number in digits, never with an exponent."""
    return str(value) if isinstance(value, int) else f"{value:.10f}".rstrip("0").rstrip(".")


def enumerated(texts: list[str], rng: Random) -> str:
    """a, b and c."""
    if len(texts) < 2:
        return "".join(texts)
    comma = "," if len(texts) > 2 and rng.random() < 0.25 else ""
    return f"{', '.join(texts[:-1])}{comma} and {texts[-1]}"


def spoken_number(value: int, text: str, before: str, after: str, rng: Random) -> str:
    """A whole number in words, or with separators, where people would write it so."""
    if 2 <= value <= 12 and text == str(value) and rng.random() < 0.2:
        alone = re.search(r"(^|[a-z] )$", before) and re.match(r"( [a-z]|[.,?!]|$)", after)
        return in_words(value) if alone else text
    if value >= 1000 and text == str(value) and rng.random() < 0.35:
        return f"{value:,}"
    return text


def parse_argument(name: str, table: Any, pools: Pools, where: str) -> Argument:
    """Read one argument of a file.

    Raises:
        DatasetError: it has no kind or several, or a kind's figures do not make sense.
    """
    if not isinstance(table, Mapping):
        raise DatasetError(f'{where}: the argument "{name}" is no table.')
    where = f'{where}, argument "{name}"'
    kinds = [key for key in table if key in KINDS]
    unknown = [key for key in table if key not in (*KINDS, *ABOUT)]
    if len(kinds) != 1 or unknown:
        found = ", ".join([*kinds, *unknown]) or "nothing"
        raise DatasetError(f"{where}: needs exactly one of {', '.join(KINDS)}, beside {', '.join(ABOUT)}; has {found}.")
    kind, spec = kinds[0], table[kinds[0]]
    wrong = _wrong(kind, spec, table, pools)
    if wrong:
        raise DatasetError(f"{where}: {wrong}.")
    inner: dict[str, Argument] = {}
    if kind == "list":
        inner["of"] = parse_argument("of", spec["of"], pools, where)
    elif kind == "object":
        inner = {key: parse_argument(key, one, pools, where) for key, one in spec.items()}
    about = {key: table[key] for key in ABOUT if key in table}
    return Argument(name, kind, spec, inner=inner, **about)


def _wrong(kind: str, spec: Any, table: Mapping[str, Any], pools: Pools) -> str:
    """What is wrong with the figures of a kind, or nothing."""
    if table.get("type", "string") not in ("string", "number", "integer"):
        return f'type "{table["type"]}" is none of string, number, integer'
    lengths = {"int": (2,), "float": (3,), "numbers": (4, 5)}
    if kind in lengths:
        good = isinstance(spec, list) and len(spec) in lengths[kind] and spec[0] < spec[1]
        return "" if good else f"{kind} wants {' or '.join(map(str, lengths[kind]))} numbers, the low one first"
    if kind == "pool":
        return "" if spec in pools else f'there is no pool "{spec}"'
    if kind == "texts":
        good = isinstance(spec, list) and len(set(spec)) >= FEWEST_TEXTS
        return "" if good else f"texts wants at least {FEWEST_TEXTS} different ones"
    if kind == "bool":
        good = isinstance(spec, Mapping) and set(spec) == {"true", "false"} and any(spec.values())
        return "" if good else 'bool wants words for true and false, of which one may be ""'
    if kind == "choices":
        return "" if isinstance(spec, list | Mapping) and len(spec) > 1 else "choices wants at least two"
    if kind == "list":
        good = isinstance(spec, Mapping) and set(spec) == {"of", "count"} and spec["count"][0] <= spec["count"][1]
        return "" if good else "list wants of = {a kind} and count = [fewest, most]"
    return "" if isinstance(spec, Mapping) and spec else "object wants a table of arguments"
