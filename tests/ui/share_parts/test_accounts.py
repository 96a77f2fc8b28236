"""Who may log in: nobody by default, and nobody with a weak password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("gradio")


from agent.errors import ConfigError
from tests.ui.share_parts.served import PASSWORD
from ui import share
from ui.share_parts.accounts import Accounts, generated, read_accounts


def test_there_is_no_server_without_somebody_who_may_log_in() -> None:
    for nobody in ({}, {"guest": ""}, {"guest": "short"}, {"": PASSWORD}, {"a b": PASSWORD}):
        with pytest.raises(ConfigError):
            Accounts(nobody)


def test_passwords_are_made_up_where_none_are_given() -> None:
    first, made_up = share.passwords_for([], None)
    second, _ = share.passwords_for(["anna", "ben"], None)
    assert made_up and list(first) == ["guest"] and list(second) == ["anna", "ben"]
    everything = [*first.values(), *second.values(), *generated(["x"] * 1).values()]
    assert len(set(everything)) == 4
    assert all(re.fullmatch(r"(?:[a-z2-9]{4}-){4}[a-z2-9]{4}", password) for password in everything)


def test_an_accounts_file_must_be_private_and_well_formed(tmp_path: Path) -> None:
    path = tmp_path / "accounts.txt"
    path.write_text(f"# who\n\nanna: {PASSWORD}\nben:{PASSWORD}:2\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="Others can read"):
        read_accounts(path)
    path.chmod(0o600)
    assert read_accounts(path) == {"anna": PASSWORD, "ben": f"{PASSWORD}:2"}
    for wrong in ("anna", "anna:x\nanna:y"):
        path.write_text(wrong)
        with pytest.raises(ConfigError):
            read_accounts(path)
