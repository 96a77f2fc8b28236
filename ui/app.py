"""The workbench: `streamlit run ui/app.py`, or `make ui`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

# Group → title, module with a function `page`, icon, address.
PAGES = {
    "": [("Chat", "ui.chat_page", ":material/chat:", "")],
    "Your data": [
        ("Documents", "ui.documents_page", ":material/folder_open:", "documents"),
        ("Memory", "ui.memory_page", ":material/bookmark:", "memory"),
    ],
    "Getting better": [
        ("Improve", "ui.improve_page", ":material/trending_up:", "improve"),
        ("Quality", "ui.quality_page", ":material/monitoring:", "quality"),
        ("Arena", "ui.arena_page", ":material/compare_arrows:", "arena"),
    ],
    "System": [
        ("Settings", "ui.settings_page", ":material/tune:", "settings"),
        ("About", "ui.about_page", ":material/info:", "about"),
    ],
}


def find_packages() -> None:
    """Import `ui` from the folder that holds it.

    Streamlit puts the folder of the script itself first, where `markdown.py` would pass for the package Markdown.
    """
    here = Path(__file__).resolve().parent
    if str(here.parent) not in sys.path:
        sys.path.insert(0, str(here.parent))
    # One entry at a time: Streamlit changes the list on other threads, and one made anew would lose what they move.
    for entry in sys.path.copy():
        if entry and Path(entry).resolve() == here:
            with contextlib.suppress(ValueError):
                sys.path.remove(entry)


def pages() -> dict[str, list[Page]]:
    """The pages by group, each imported when it is first opened."""
    import streamlit as st

    return {
        group: [
            st.Page(opens(module), title=title, icon=icon, url_path=address, default=not address)
            for title, module, icon, address in listed
        ]
        for group, listed in PAGES.items()
    }


def opens(module: str) -> Callable[[], None]:
    """A function that draws the page of a module, and what can be understood of an error in its place."""

    def draw() -> None:
        from ui.app_desk import errors_shown

        with errors_shown():
            import_module(module).page()

    return draw


def main() -> None:
    """Draw the page that the address names, and the conversations beside it."""
    import streamlit as st

    st.set_page_config(
        page_icon=str(Path(__file__).with_name("icon.svg")),  # late, browsers would fetch one from elsewhere
        layout="centered",
        menu_items={"About": "Ratchet answers from your own documents, on your own machine, with citations."},
    )
    find_packages()
    from knowledge.errors import RatchetError
    from ui import sidebar
    from ui.app_desk import get_desk, show_error
    from ui.render import stylesheet

    st.html(stylesheet())
    st.html(Path(__file__).with_name("workbench.css"))
    groups = pages()
    chosen = st.navigation(groups, position="hidden")  # its own list would be none to a screen reader
    st.set_page_config(page_title=f"{chosen.title} · Ratchet")
    if chosen.url_path:  # tables want more room than talk, yet not all of a very wide screen
        st.set_page_config(layout="wide")
        st.html("<style>.stMainBlockContainer { max-width: 72rem; margin-inline: auto; }</style>")
    sidebar.list_pages(groups)
    try:
        sidebar.draw(get_desk(), groups[""][0], chosen)
    except RatchetError as error:
        show_error(error)
        st.stop()
    chosen.run()


if __name__ == "__main__":
    main()
