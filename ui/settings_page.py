"""Settings: models, documents, tools and keys, kept in the user's ratchet.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from agent.phrasing import counted, shown_path
from ui.app_desk import attempt, errors_shown, get_desk, show_outcome
from ui.app_library import apply_settings
from ui.labels import label_of
from ui.settings_fields import GROUPS, KEYS, PERMISSIONS, SettingField, differing, fields_of, key_is_set, loosened
from ui.settings_file import BACKUP, SettingsFile, read_settings_file, save

if TYPE_CHECKING:
    from agent.config import Settings

_SAID = "settings-said"
_ALL = "All settings"


def page() -> None:
    """Draw the page."""
    st.title("Settings")
    file = read_settings_file()
    settings = _now(file)
    show_outcome(_SAID)
    if file.why_not:
        st.warning(label_of(file.why_not, 1000))
    else:
        where = "They are kept in" if file.exists else "They will be kept in"
        st.caption(f"{where} {label_of(shown_path(file.path), 200)}; its comments stay, and so does the file before.")
    if settings != get_desk().settings:
        _offer_to_apply()
    tabs = st.tabs([*GROUPS, "Keys", _ALL])
    for group, tab in zip(GROUPS, tabs, strict=False):
        with tab:
            _group(file, settings, group)
            if group == "Model":
                _models_here()
            elif group == "Tools":
                _single_tools(file, settings)
    with tabs[-2]:
        _keys(file, settings)
    with tabs[-1]:
        _everything(settings)


def _now(file: SettingsFile) -> Settings:
    """The settings as the file has them, which are used from the next start on."""
    from agent.config import settings_of

    return settings_of(file.text, file.path) if not file.why_not else get_desk().settings


def _offer_to_apply() -> None:
    with st.container(border=True, key="settings-apply-box"):
        st.write("What is saved differs from what is in use.")
        st.button("Use it now", key="settings-apply", type="primary", on_click=_apply)
        st.caption("Otherwise from the next start on. An answer in progress is broken off, and given anew.")


def _apply() -> None:
    attempt(_SAID, apply_settings, "In use now.")


def _group(file: SettingsFile, settings: Settings, group: str) -> None:
    fields = {field.key: field for field in fields_of(group, settings)}
    st.write(GROUPS[group][0])
    with st.form(f"settings-{group}", border=False):
        for field in fields.values():
            _widget(file, field)
        asked = st.form_submit_button("Save", type="primary", key=f"settings-save-{group}", disabled=bool(file.why_not))
    if asked:
        entered = {key: st.session_state[_key(fields[key])] for key in fields if key not in file.decided}
        _save(file, settings, differing(fields, entered))


def _models_here() -> None:
    """What could be written as the model."""
    found = ", ".join(label_of(spec) for spec in get_desk().models())
    st.caption(f"Found on this computer: {found}. Others are named ollama:NAME, openai:NAME or local:PATH of a GGUF.")


def _key(field: SettingField) -> str:
    """Of a widget, which is another one as soon as something else holds: none shows what is not so."""
    return f"settings-{field.key}-{field.value}"


def _widget(file: SettingsFile, field: SettingField) -> None:
    """The widget of a setting; its state is the value entered."""
    decided = field.key in file.decided
    shared: dict[str, Any] = {"key": _key(field), "disabled": bool(file.why_not) or decided}
    shared["help"] = label_of(f"{field.meaning}. {field.key}; default: {field.default!r}.", 400)
    label = f"{field.label} (decided by a variable)" if decided else field.label
    if field.kind == "switch":
        st.toggle(label, value=field.value, **shared)
    elif field.kind == "choice":
        at = field.choices.index(field.value)
        st.selectbox(label, field.choices, index=at, format_func=lambda each: PERMISSIONS.get(each, each), **shared)
    elif field.kind == "text":
        st.text_input(label, value=field.value, **shared)
    else:
        number = int if field.kind == "whole" else float
        least, most = (None if limit is None else number(limit) for limit in (field.least, field.most))
        st.number_input(label, value=number(field.value), min_value=least, max_value=most, **shared)


def _save(file: SettingsFile, settings: Settings, changes: Mapping[str, Any]) -> None:
    """Write the changes, and say so on the page as it is drawn next."""
    if not changes:
        st.info("Nothing was changed.")
        return
    with errors_shown():
        save(file, changes)
        said = f"Saved: {counted(len(changes), 'setting')}."
        if file.exists:
            said += f" The file before is {file.path.name}{BACKUP}."
        if loose := loosened(changes, settings):
            said += f" From now on these run without asking, until a document or page is in play: {', '.join(loose)}."
        if "knowledge.embedder" in changes:
            said += " Documents have to be embedded anew: see Upkeep on the page Documents."
        st.session_state[_SAID] = said
        st.rerun()


def _single_tools(file: SettingsFile, settings: Settings) -> None:
    """Permissions of single tools, which go before those of their kind."""
    from ui.tables import table_html

    st.subheader("Single tools")
    if st.session_state.get("settings-tools-listed"):
        with st.spinner("Looking at the tools"):
            rows, names = _tools(settings)
        st.html(table_html("Tools", ("Tool", "Kind", "Now", "From", "What it does"), rows))
    else:
        names = sorted(settings.tools.policy)
        st.button("List the tools", key="settings-list", on_click=_list_tools)
    if not names:
        st.caption("A single tool may be allowed more, or less, than its kind. List the tools to choose one.")
        return
    name = st.selectbox("Tool", names, key="settings-tool-name")
    now, options = settings.tools.policy.get(name, "kind"), ["kind", *PERMISSIONS]
    with st.form("settings-tool", border=False):
        may = st.selectbox(
            "What it may do",
            options,
            index=options.index(now),
            format_func=lambda each: PERMISSIONS.get(each, "As its kind"),
            key=f"settings-tool-may-{name}-{now}",
        )
        asked = st.form_submit_button("Save for this tool", disabled=bool(file.why_not))
    if asked:
        _save(file, settings, {} if may == now else {f"tools.policy.{name}": None if may == "kind" else may})


def _list_tools() -> None:
    st.session_state["settings-tools-listed"] = True


def _tools(settings: Settings) -> tuple[list[tuple[str, ...]], list[str]]:
    """A row for each tool that a chat has, and their names; opens a conversation, which may load the model."""
    from agent.calls.toolbox import policy_of
    from agent.phrasing import one_line

    desk, policy = get_desk(), policy_of(settings)
    box = desk.session(str(st.session_state.get("thread") or desk.new_thread())).toolbox
    rows: list[tuple[str, ...]] = [
        (tool.name, tool.risk, PERMISSIONS[policy.of(tool)], tool.origin, one_line(tool.tool.description, 100))
        for tool in box.tools.values()
    ]
    rows += [(name, "", "not there", "", why) for name, why in box.unavailable.items()]
    return rows, sorted(box.tools)


def _keys(file: SettingsFile, settings: Settings) -> None:
    """Secrets: entered once, and never shown again."""
    st.write(
        "A key is written into your settings file, which only you can read, and is never shown again: not here, "
        "not in a log, not to a model."
    )
    for key, (label, meaning) in KEYS.items():
        st.subheader(label)
        st.caption(f"{meaning} {_state(file, settings, key)}")
        off = bool(file.why_not) or key in file.decided
        with st.form(f"settings-form-{key}", border=False, clear_on_submit=True):
            entered = st.text_input(
                f"New {label[0].lower()}{label[1:]}",
                type="password",
                autocomplete="off",
                key=f"settings-{key}-{file.mark}",  # so that what was entered is not kept
                disabled=off,
                help="The field is empty even when a key is set.",
            )
            with st.container(horizontal=True):
                keep = st.form_submit_button("Save key", key=f"settings-keep-{key}", disabled=off)
                forget = st.form_submit_button(
                    "Forget key", key=f"settings-forget-{key}", disabled=off or not file.holds(key)
                )
        if keep and not entered.strip():
            st.info("Enter a key first.")
        elif keep or forget:
            _save(file, settings, {key: entered.strip() if keep else None})


def _state(file: SettingsFile, settings: Settings, key: str) -> str:
    if not key_is_set(settings, key):
        return "No key is set."
    if key in file.decided:
        return "A key is set, by a variable of the environment."
    return "A key is set." if file.holds(key) else "A key is set, by the variable of another program."


def _everything(settings: Settings) -> None:
    """Every setting there is, secrets masked."""
    from agent.config import describe
    from ui.tables import table_html

    st.write(
        "What cannot be changed above is changed in the file itself: it can start programs, such as plug-ins and MCP "
        "servers, or move your data."
    )
    rows = [
        (key, value, "set" if source == "set" else "default", why) for key, value, source, why in describe(settings)
    ]
    st.html(table_html("All settings", ("Setting", "Value", "From", "Meaning"), rows))
