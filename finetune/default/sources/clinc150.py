"""CLINC150: requests served by tools without arguments, small talk, and requests that no tool serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from finetune.default.public_data import chance_of, read_json, tool_schema
from finetune.default.sources.boxes import STYLES, answered, asked, called
from finetune.schema import Example

# Intents that need no value of the user's, as tools; the words are ours.
SERVED: Mapping[str, str] = {
    "flip_coin": "Toss a coin: heads or tails",
    "next_song": "Skip to the next song",
    "what_song": "Name the song that is playing",
    "find_phone": "Make the user's lost phone ring",
    "credit_score": "Look up the user's credit score",
    "next_holiday": "Date of the next public holiday",
    "current_location": "Where the user is right now",
    "date": "Today's date",
    "mpg": "Fuel economy of the user's car",
    "tire_pressure": "Air pressure of the car's tires",
    "gas": "Fuel level of the car's tank",
    "gas_type": "Which fuel the user's car takes",
    "last_maintenance": "When the car was last serviced",
    "payday": "When the user gets paid next",
    "income": "The user's salary or wages",
    "pto_balance": "Days of vacation the user has left",
    "pto_used": "Days of vacation the user has taken",
    "todo_list": "Show the to-do list",
    "shopping_list": "Show the shopping list",
    "reset_settings": "Restore the factory settings",
    "whisper_mode": "Speak in a whisper from now on",
    "repeat": "Say the last answer again",
    "tell_joke": "Tell a joke",
    "sync_device": "Connect the device with the user's phone",
    "report_fraud": "Report a fraudulent charge",
    "rewards_balance": "Reward points on the user's card",
    "order_checks": "Order new checkbooks",
    "direct_deposit": "Help to set up direct deposit of pay",
    "w2": "Find the W-2 tax form",
    "jump_start": "Guide to starting a car with a dead battery",
}
CHAT = frozenset(
    "greeting goodbye thank_you how_old_are_you what_is_your_name who_made_you are_you_a_bot where_are_you_from"
    " what_are_your_hobbies do_you_have_pets meaning_of_life maybe what_can_i_ask_you".split()
)
_PER_INTENT = 36
# A request for one may be taken for a request for the other.
_ALIKE = (
    {"gas", "gas_type"},
    {"gas", "mpg"},
    {"pto_balance", "pto_used"},
    {"payday", "income"},
    {"next_song", "what_song"},
)


def examples(data: Path, seed: int) -> Iterator[Example]:
    """Boxes of two to seven tools with eight requests: four for the tools, four for none of them."""
    chance = chance_of(f"clinc150-{seed}")
    known = read_json(data / "train" / "clinc150" / "data_full.json")
    by_intent: dict[str, list[str]] = {}
    for text, intent in known["train"]:
        by_intent.setdefault(intent, []).append(text)
    served = [(text, intent) for intent in SERVED for text in chance.sample(by_intent[intent], _PER_INTENT)]
    idle = [(text, "") for text, _ in known["oos_train"] + known["oos_val"]]
    idle += [(text, "chat") for intent in sorted(CHAT) for text in chance.sample(by_intent[intent], _PER_INTENT)]
    chance.shuffle(served)
    chance.shuffle(idle)
    for number in range(len(served) // 5):
        group, mine = f"clinc150:box{number}", served[number * 5 : number * 5 + 5]
        away, style = mine[-1][1], chance.choice(STYLES)
        names = {intent for _, intent in mine[:-1]} | set(chance.sample(sorted(SERVED), chance.randint(0, 3)))
        names -= {away} | {one for pair in _ALIKE if away in pair for one in pair}
        order = chance.sample(sorted(names), len(names))
        box = tuple(tool_schema(style(name), SERVED[name], {}, ()) for name in order)
        requests = mine + [idle[(number * 3 + step) % len(idle)] for step in range(3 if number * 3 < len(idle) else 0)]
        for text, intent in requests if box else ():
            if intent in names:
                yield called(asked(text), [(style(intent), {})], box, f"clinc150:train#{intent}", group)
            else:
                yield answered(text, "", box, f"clinc150:train#{intent or 'oos'}", group)
