"""Documents into a collection: uploaded, from a folder of this computer, or from the web."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from agent.phrasing import counted
from ui.app_desk import errors_shown
from ui.ingesting import Work, keeping
from ui.ingesting import adding as work_of

if TYPE_CHECKING:
    from ui.library import Library

KINDS = "PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, Markdown, text, HTML, CSV, mail, notebooks, code, ZIP"


def draw(library: Library, collection: str) -> None:
    """Three ways to add documents."""
    upload, folder, web = st.tabs(["Upload", "Folder or file", "Web pages"])
    with upload:
        _upload(library, collection)
    with folder:
        _folder(library, collection)
    with web:
        _web(library, collection)


def _upload(library: Library, collection: str) -> None:
    form = _form("documents-upload")
    with st.form(form, border=False):
        files = st.file_uploader("Files to add", accept_multiple_files=True, key=f"{form}-files")
        st.caption(f"{KINDS} and more. Copies are kept in Ratchet's own folder.")
        asked = st.form_submit_button("Add files", icon=":material/upload:", type="primary")
    if asked and not files:
        st.info("Choose one or more files first.")
    elif asked:
        uploads = [(file.name, file.getvalue()) for file in files]
        work = keeping(library.within(collection), uploads)
        _start(library, collection, "documents-upload", f"Adding {counted(len(uploads), 'file')}", work)


def _folder(library: Library, collection: str) -> None:
    form = _form("documents-folder")
    with st.form(form, border=False):
        named = st.text_input(
            "Folder or file on this computer",
            key=f"{form}-name",
            placeholder="~/Documents/manuals",
            help="All below it is read, nothing is copied. A look for changes notices what changes there.",
        ).strip()
        asked = st.form_submit_button("Add folder", icon=":material/folder_open:", type="primary")
    if asked and not named:
        st.info("Name a folder or a file first.")
    elif asked:
        _start(library, collection, "documents-folder", f"Adding {named}", work_of(library.within(collection), [named]))


def _web(library: Library, collection: str) -> None:
    form = _form("documents-web")
    with st.form(form, border=False):
        text = st.text_area(
            "Addresses, one in a line", key=f"{form}-text", placeholder="https://example.org/handbook.html", height=100
        )
        private = st.checkbox(
            "Also from this computer and its network",
            key=f"{form}-private",
            help="Without this, addresses that lead into your own network are refused.",
        )
        asked = st.form_submit_button("Add web pages", icon=":material/language:", type="primary")
    addresses = addresses_in(text)
    if asked and not addresses:
        st.info("Write the address of a web page first.")
    elif asked:
        work = work_of(library.within(collection), addresses, allow_private=private)
        _start(library, collection, "documents-web", f"Adding {counted(len(addresses), 'web page')}", work)


def addresses_in(text: str) -> list[str]:
    """The addresses a person wrote, each once; https:// is put before those that say nothing else."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return list(dict.fromkeys(line if "://" in line else f"https://{line}" for line in lines))


def _form(name: str) -> str:
    """The key of a form: another one, with empty fields, once what was entered has been taken."""
    return f"{name}-{st.session_state.get(name, 0)}"


def _start(library: Library, collection: str, form: str, title: str, work: Work) -> None:
    with errors_shown():
        library.jobs.start(library.within(collection), title, work)
        st.session_state[form] = st.session_state.get(form, 0) + 1
        st.rerun()
