"""`python -m ui.share`: the chat as a web page for others, behind a login.

Visitors may ask and rate; they have no tool that acts, no memory, and no conversation but their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agent.cli.exit_codes import examples
from agent.cli.output import prepare_streams
from agent.errors import ConfigError, RatchetError

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.share_parts.gate import Door
    from ui.share_parts.serving import Place

GUEST = "guest"
TITLE = "Ask our documents"
_EXAMPLES = examples(
    "python -m ui.share",
    "python -m ui.share --share --user anna --user ben",
    "python -m ui.share --collection handbook --strict --title 'Ask the handbook'",
    "python -m ui.share --accounts accounts.txt --host 0.0.0.0 --port 8080",
    "python -m ui.share --embed https://intranet.example.org",
)

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=_EXAMPLES)
def share(  # noqa: PLR0913 - each parameter is an option that the user sees
    public: Annotated[bool, typer.Option("--share", help="Make a public address too (gradio.live, one week).")] = False,
    user: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Who may log in; again for more.")] = None,
    accounts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Lines name:password, readable by you alone.")
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: the first free from 7860.")] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="A host name of this server, behind a proxy.")
    ] = None,
    embed: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="A site whose pages may show the chat.")
    ] = None,
    questions: Annotated[int, typer.Option(min=1, max=600, help="Questions per minute and visitor.")] = 10,
    title: Annotated[str, typer.Option(help="Shown above the chat.")] = TITLE,
    collection: Annotated[str | None, typer.Option(metavar="NAME", help="The documents to answer from.")] = None,
    model: Annotated[str | None, typer.Option(metavar="SPEC", help="Such as ollama:llama3.2.")] = None,
    strict: Annotated[
        bool | None, typer.Option("--strict/--no-strict", help="Only sentences the documents support.")
    ] = None,
    home: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where Ratchet keeps its data.")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Use this ratchet.toml.")] = None,
) -> None:
    """Share a chat about your documents with others, as a web page with a login.

    Whoever logs in can read, by asking, everything in the collection. Tools that run code, use databases, files or the
    network are off, whatever your settings say. Without --user or --accounts there is one account, "guest"; passwords
    that you do not give are made up and printed once. Ctrl-C ends it.
    """
    from agent.config import load_settings
    from ui.share_parts.serving import Place

    try:
        own = load_settings(
            {
                "home": home.expanduser().absolute() if home else None,
                "model": {"name": model},
                "knowledge": {"collection": collection, "strict": strict},
            },
            file=config_file,
        )
        passwords, made_up = passwords_for(user or [], accounts)
        door = door_for(title, name or [], embed or [])
        run(own, passwords, (door, Place(host, port, public), questions), announce=made_up)
    except RatchetError as error:
        from agent.cli.output import print_error

        print_error(error.what, error.kept, error.fix)
        raise typer.Exit(error.exit_code) from error


def passwords_for(users: list[str], accounts: Path | None) -> tuple[dict[str, str], bool]:
    """The password of everybody who may log in, and whether they were made up just now.

    Raises:
        ConfigError: both ways of naming people were used, or the file is not usable.
    """
    from ui.share_parts.accounts import generated, read_accounts

    if accounts is None:
        return generated(users or [GUEST]), True
    if users:
        raise ConfigError("Choose one of --user and --accounts.", kept="Nothing was shared.")
    return read_accounts(accounts), False


def door_for(title: str, names: list[str], origins: list[str]) -> Door:
    """What the gate has to know.

    Raises:
        ConfigError: an origin is not one.
    """
    from ui.share_parts.gate import Door
    from ui.share_parts.rules import origin_of

    embedders = {text: origin_of(text) for text in origins}
    for text, origin in embedders.items():
        if origin is None:
            raise ConfigError(
                f'"{text}" is not a site.', kept="Nothing was shared.", fix="Write it as https://example.org."
            )
    return Door(title, {name.lower() for name in names}, frozenset(filter(None, embedders.values())))


def run(own: Settings, passwords: Mapping[str, str], how: tuple[Door, Place, int], *, announce: bool) -> None:
    """Serve until Ctrl-C.

    Args:
        own: the owner's settings; visitors get a confined copy.
        passwords: by name; at least one.
        how: what the gate knows, where to serve, and the questions per minute and visitor.
        announce: print the passwords.

    Raises:
        RatchetError: nobody may log in, or the server cannot be started.
    """
    from ui.desk import Desk
    from ui.share_parts.accounts import Accounts
    from ui.share_parts.confined import confined
    from ui.share_parts.following import Following
    from ui.share_parts.host import Host
    from ui.share_parts.limits import TokenBuckets
    from ui.share_parts.page import build_page
    from ui.share_parts.serving import close, serve, stay_open
    from ui.share_parts.visitors import Reception

    door, place, questions = how
    known = Accounts(passwords)  # first of all: without them there is nothing to start
    desk = Desk(confined(own))
    try:
        host = Host(Reception(desk, own.database), TokenBuckets(questions, questions))
        page = build_page(host, door.title)
        local, public = serve(page, known, door, place, [Following(host).route])
        try:
            _announce(local, public, passwords if announce else {})
            if not own.index_folder.is_dir():
                print(
                    "There are no documents in the collection yet: add some with `ratchet ingest FOLDER`.", flush=True
                )
            desk.session(desk.new_thread()).warm()  # so that the first visitor does not wait for the model
            stay_open()
        finally:
            desk.close()  # ends the answers that pages still follow, or the server would wait for them
            close(page)
    finally:
        desk.close()


def _announce(local: str, public: str, passwords: Mapping[str, str]) -> None:
    print(f"The chat is at {local}", flush=True)
    if public:
        print(f"and, for everybody with a password, at {public}", flush=True)
    for user, password in passwords.items():
        print(f"  user {user}   password {password}", flush=True)
    print("Whoever logs in can read, by asking, all documents of the collection. Ctrl-C ends it.", flush=True)


def main() -> NoReturn:
    """Run the command."""
    prepare_streams()
    app(prog_name="python -m ui.share")
    raise SystemExit(0)


if __name__ == "__main__":
    main()
