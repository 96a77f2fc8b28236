"""Tool calls of the bundled model: the product's way against free text that is parsed, before any fine-tuning.

Each question of `tool_items` is put three ways to the same model. Ratchet's way is the product's own code: the tool
nearest to the question, arguments limited to what the question says, a grammar that admits only valid calls, and no
call where no tool is near. The second leaves out the first two, so that the grammar alone remains. The third is how
agents without constrained decoding do it: a system prompt with the tools as JSON schemas asks for a JSON object in
<tool_call> tags, and what the model writes is parsed; a bare JSON object or one with "parameters" counts, too.

A call is right when the tool and every argument are: texts compared without case, numbers by value.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.config import load_settings
from agent.errors import ModelError
from agent.tool_choice import ToolIndex, choose_offer
from benchmarks.measure import Table, arguments, machine, publish, summarize
from benchmarks.tool_items import Item, load
from finetune.evaluation.statistics import wilson
from tools.spec import ToolSpec

SETS = {"seal_tools": "Seal-Tools", "snips": "SNIPS", "none": "no tool needed"}
WAYS = ("Ratchet", "grammar alone", "free text")
ANSWER_TOKENS = 128
BLOCK = 10
Call = tuple[str, dict[str, Any]]

_SYSTEM = """You are a function calling assistant. \
You are given the signatures of functions inside <tools></tools> tags. \
Call a function when it helps with the user's request. Do not make up values for its arguments. \
When no function helps, answer in your own words.
<tools>
{tools}
</tools>
For a function call, write a JSON object with the function's name and arguments inside <tool_call></tool_call> tags:
<tool_call>
{{"name": "the function's name", "arguments": {{"argument": "value"}}}}
</tool_call>"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question put one way; `broken`: a call was begun that is not valid or did not end."""

    way: str
    set: str
    id: str
    chosen: bool
    exact: bool
    broken: bool
    seconds: float
    name: str
    arguments: Mapping[str, Any]


def main() -> None:
    """Put every question every way and print the rates; what was measured before is not measured again."""
    parser = arguments(__doc__)
    parser.add_argument("--limit", type=int, default=60, help="questions per set; 0 for all")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="the ways to put questions; default: all")
    parser.add_argument("--results", type=Path, help="keep outcomes in this file and go on from there")
    parser.add_argument("--seconds", type=float, default=0, help="stop after so many seconds; 0 for never")
    given = parser.parse_args()
    outcomes = _kept(given.results)
    facts = machine()
    done = {(outcome.way, outcome.set, outcome.id) for outcome in outcomes}
    began = time.monotonic()
    ways = _ways()
    for name, item, way in _turns(given.limit, given.ways):
        if (way, name, item.id) in done:
            continue
        if given.seconds and time.monotonic() - began > given.seconds:
            print("stopped early; run again to go on", file=sys.stderr)
            break
        outcomes.append(_measured(way, name, item, ways[way]))
        if given.results:
            with given.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(outcomes[-1]), ensure_ascii=False) + "\n")
    publish(facts, {"outcomes": outcomes}, [_table(name, outcomes) for name in SETS], given.json)


def _kept(results: Path | None) -> list[Outcome]:
    if results is None or not results.is_file():
        return []
    return [Outcome(**json.loads(line)) for line in results.read_text(encoding="utf-8").splitlines()]


def _turns(limit: int, ways: Sequence[str]) -> Iterator[tuple[str, Item, str]]:
    """Questions and ways in turn, so that a run cut short has as many of each.

    A block of one set goes one way before it goes the next: then each way finds what it has put before in the model's
    prompt cache, as it would in use.
    """
    columns = {name: load(name, limit) for name in SETS}
    for start in range(0, max(map(len, columns.values())), BLOCK):
        for name, items in columns.items():
            for way in ways:
                for item in items[start : start + BLOCK]:
                    yield name, item, way


def _ways() -> dict[str, Callable[[Item], Call | None]]:
    """Each way: item → the call, or None for no call; ValueError for a call that is not valid."""
    from agent.embedder import build_embedder
    from agent.models.bundled import prepare
    from agent.models.local import LocalChatModel

    settings = load_settings()
    model = LocalChatModel(path=prepare(settings.models_folder), max_tokens=ANSWER_TOKENS)
    nearest = ToolIndex(build_embedder(settings))

    def product(item: Item) -> Call | None:
        specs = {spec.name: spec for spec in map(_spec, item.tools)}
        offer = choose_offer(specs, item.question, small=True, nearest=nearest)
        return _called(model, offer.schemas, item, must=offer.must) if offer else None

    def grammar(item: Item) -> Call | None:
        return _called(model, item.tools, item, must=False)

    def free(item: Item) -> Call | None:
        tools = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in item.tools)
        answer = model.invoke([("system", _SYSTEM.format(tools=tools)), ("human", item.question)])
        return parse(answer.text, [tool["function"]["name"] for tool in item.tools])

    return dict(zip(WAYS, (product, grammar, free), strict=True))


def _spec(schema: Mapping[str, Any]) -> ToolSpec:
    from langchain_core.tools import StructuredTool

    function = schema["function"]
    tool = StructuredTool(
        name=function["name"],
        description=function["description"],
        args_schema=function["parameters"],
        func=lambda **_: "",
    )
    return ToolSpec(tool, "read", origin="mcp benchmark")


def _called(model: Any, schemas: Sequence[dict[str, Any]], item: Item, *, must: bool) -> Call | None:
    bound = model.bind_tools(list(schemas), tool_choice="any" if must else None)
    # Where the model declines it would go on to answer; that is not measured here.
    calls = bound.invoke(item.question, max_tokens=1).tool_calls
    return (calls[0]["name"], calls[0]["args"]) if calls else None


def parse(text: str, names: Sequence[str]) -> Call | None:
    """The first tool call that a text spells, in tags or bare; None when it spells none.

    Raises:
        ValueError: a call was begun and is not valid JSON, or names no tool.
    """
    tagged = re.search(r"<tool_call>(.*?)(?:</tool_call>|\Z)", text, re.DOTALL)
    within = tagged[1] if tagged else text
    for match in re.finditer(r"\{", within):
        try:
            call, _ = json.JSONDecoder().raw_decode(within, match.start())
        except ValueError:
            continue
        if isinstance(call.get("function"), dict):
            call = call["function"]
        given = call.get("arguments", call.get("parameters", {}))
        given = json.loads(given) if isinstance(given, str) else given
        if call.get("name") in names and isinstance(given, dict):
            return call["name"], given
    if tagged or '"name"' in text:
        raise ValueError(text)
    return None


def _measured(way: str, name: str, item: Item, put: Callable[[Item], Call | None]) -> Outcome:
    began = time.perf_counter()
    broken, call = False, None
    try:
        call = put(item)
    except (ValueError, ModelError):  # of a constrained way: a call that did not end
        broken = True
    seconds = time.perf_counter() - began
    called, given = call or ("", {})
    chosen = not broken and called == item.name
    exact = chosen and _same(given, item.arguments or {})
    return Outcome(way, name, item.id, chosen, exact, broken, seconds, called, given)


def _same(given: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    filled = {key: value for key, value in given.items() if value not in ("", None)}
    return set(filled) == set(right) and all(_plain(filled[key]) == _plain(value) for key, value in right.items())


def _plain(value: Any) -> str | float:
    text = re.sub(r"\s+", " ", str(value)).strip(" \"'.").casefold()
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text


def _table(name: str, outcomes: Sequence[Outcome]) -> Table:
    head = ("way", "right tool", "right call", "invalid", "seconds", "n")
    if name == "none":
        head = ("way", "no call", "wrong call", "invalid", "seconds", "n")
    rows = []
    for way in WAYS:
        own = [outcome for outcome in outcomes if outcome.way == way and outcome.set == name]
        count = len(own)
        calls = sum(outcome.exact if name != "none" else bool(outcome.name) for outcome in own)
        cells = (sum(outcome.chosen for outcome in own), calls, sum(outcome.broken for outcome in own))
        seconds = summarize(outcome.seconds for outcome in own).show(2)
        rows.append((way, *(rate(part, count) for part in cells), seconds, count))
    return Table(SETS[name], head, rows)


def rate(part: int, whole: int) -> str:
    """A rate in per cent with its 95 % interval (Wilson 1927): "92 (87–95)"."""
    if not whole:
        return "–"
    found = wilson(part, whole)
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f}–{100 * found.high:.0f})"


if __name__ == "__main__":
    main()
