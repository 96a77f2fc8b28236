"""Personal data and secrets become placeholders, the same wherever they stand; figures and names of versions stay."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.dataset.privacy import Scrubber, scrub_text
from finetune.schema import Example
from tests.finetune.dataset.samples import example

TOKEN = "ghp_" + "a1B2" * 9
SECRETS = {
    "bob.smith@acme.org": "email",
    "+49 89 12345678": "phone",
    "(555) 123-4567": "phone",
    "555-123-4567": "phone",
    "DE89 3704 0044 0532 0130 00": "iban",
    "GB82WEST12345698765432": "iban",
    "4111 1111 1111 1111": "card",
    "5500-0055-5555-5559": "card",
    "203.0.114.7": "ip",
    "2001:db8:85a3::8a2e:370:7334": "ip",
    TOKEN: "key",
    "-----BEGIN PRIVATE KEY-----\n" + "MIIB" * 12: "key",  # cut off
    "3782 822463 10005": "card",
    "AKIA" + "ABCDEFGH12345678": "key",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh12": "key",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nabc=\n-----END RSA PRIVATE KEY-----": "key",
}
HARMLESS = [
    "4111 1111 1111 1112",  # Luhn's check fails
    "DE88 3704 0044 0532 0130 00",
    "user@example.com",
    "127.0.0.1",
    "v1.2.3.4",
    "2024-01-15 10:30:45",
    "1,234,567.89",
    "3.14159265358979",
    "12:30:45",
    "std::mem::swap and x[::2]",
    "The password is required.",
    "17*23 = 391",
    "-----BEGIN PRIVATE KEY----- is how such a file begins",
    "ISBN 978-3-16-148410-0",
    "999.999.999.999",
    "0000 0000 0000 0000",
]


@pytest.mark.parametrize(("secret", "kind"), SECRETS.items(), ids=list(SECRETS.values()))
def test_what_is_personal_is_taken_out(secret: str, kind: str) -> None:
    text, found = scrub_text(f"Please use {secret}, then call me.")
    assert text == f"Please use [{kind.upper()}_1], then call me."
    assert found == {kind: 1}


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert scrub_text(f"It says {text} there.") == (f"It says {text} there.", {})


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("password: hunter2x", "password: [PASSWORD_1]"),
        ('{"api_key": "abc-123-def"}', '{"api_key": "[PASSWORD_1]"}'),
        ("postgres://bob:s3cr3t@db.host/x", "postgres://[KEY_1]@db.host/x"),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwx", "Authorization: Bearer [KEY_1]"),
    ],
)
def test_a_secret_is_known_by_what_stands_before_it(text: str, scrubbed: str) -> None:
    assert scrub_text(text)[0] == scrubbed


@settings(max_examples=100, deadline=None)
@given(
    parts=st.lists(st.sampled_from([*SECRETS, *HARMLESS, "hello", "the pump"]), max_size=8),
    glue=st.sampled_from([" ", ", ", "\n", "; "]),
)
def test_no_secret_survives_between_others_and_a_second_pass_changes_nothing(parts: list[str], glue: str) -> None:
    text, found = scrub_text(glue.join(parts))
    for secret in SECRETS:
        assert secret not in text
    if glue != " ":  # numbers that only a blank parts may be read as one
        assert sum(found.values()) == len({part for part in parts if part in SECRETS} - _same(parts))
    assert scrub_text(text) == (text, {})


def _same(parts: list[str]) -> set[str]:
    """One of two ways to write the same number."""
    both = {"(555) 123-4567", "555-123-4567"}
    return {"555-123-4567"} if both <= set(parts) else set()


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_can_be_scrubbed_twice(text: str) -> None:
    once, _ = scrub_text(text)
    assert scrub_text(once)[0] == once


def test_one_address_has_one_placeholder_in_the_whole_example() -> None:
    made = Example(
        (
            {
                "role": "user",
                "content": "Write to Bob@acme.org",
                "passages": ["Bob is bob@acme.org, Eve eve@acme.org."],
            },
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"name": "mail", "arguments": {"to": ["bob@acme.org"]}}],
            },
            {"role": "tool", "name": "mail", "content": "Sent to bob@acme.org"},
            {"role": "assistant", "content": "Sent to bob@acme.org, not eve@acme.org."},
        ),
        source="turn:1",
        rejected={"role": "assistant", "content": "bob@acme.org?"},
    )
    scrubber = Scrubber()
    clean = scrubber(made)
    assert clean.messages[0]["content"] == "Write to [EMAIL_1]"
    assert clean.messages[0]["passages"] == ["Bob is [EMAIL_1], Eve [EMAIL_2]."]
    assert clean.messages[1]["tool_calls"][0]["arguments"] == {"to": ["[EMAIL_1]"]}
    assert clean.messages[3]["content"] == "Sent to [EMAIL_1], not [EMAIL_2]."
    assert clean.rejected == {"role": "assistant", "content": "[EMAIL_1]?"}
    assert scrubber.report.kinds == {"email": 2}
    assert scrubber.report.examples == {"turn:1": {"email": 2}}
    assert "acme" not in json.dumps([clean.to_json(), scrubber.report.examples])


def test_a_password_that_gives_itself_away_once_is_taken_out_everywhere() -> None:
    call = {"name": "log_in", "arguments": {"user": "bob", "password": "hunter2x"}}
    made = Example(
        (
            {"role": "user", "content": "Log in as bob with hunter2x"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
        )
    )
    clean = Scrubber()(made)
    assert clean.messages[0]["content"] == "Log in as bob with [PASSWORD_1]"
    assert clean.messages[1]["tool_calls"][0]["arguments"] == {"user": "bob", "password": "[PASSWORD_1]"}


def test_a_card_given_as_a_number_is_found() -> None:
    call = {"name": "pay", "arguments": {"card": 4111111111111111, "amount": 25, "sure": True}}
    made = Example(({"role": "user", "content": "Pay 25"}, {"role": "assistant", "content": "", "tool_calls": [call]}))
    assert Scrubber()(made).messages[1]["tool_calls"][0]["arguments"] == {
        "card": "[CARD_1]",
        "amount": 25,
        "sure": True,
    }


def test_an_example_without_any_is_the_same_object_and_not_in_the_report() -> None:
    made, scrubber = example("What is 17*23?", "391"), Scrubber()
    assert scrubber(made) is made
    assert scrubber.report.examples == {}


def test_tools_stay_equal_beside_different_questions() -> None:
    tool = {
        "type": "function",
        "function": {"name": "m", "description": "Mails ops@acme.org.", "parameters": {"properties": {}}},
    }
    scrubber = Scrubber()
    asked = [Example(example(f"Write to {name}@acme.org", "ok").messages, (tool,)) for name in ("ann", "ops")]
    first, second = (scrubber(one) for one in asked)
    assert first.tools == second.tools
    assert first.tools[0]["function"]["description"] == "Mails [EMAIL_1]."


def test_hostile_text_takes_no_time() -> None:
    for text in (
        "1 " * 50_000,
        "a@" * 50_000,
        "1-" * 50_000,
        "a:" * 50_000,
        "+1 2" * 20_000,
        "-----BEGIN PRIVATE KEY-----" * 3_000,
    ):
        scrub_text(text)
