"""What only the browser can do: put a text on the clipboard, and scroll to what has appeared."""

from __future__ import annotations

from streamlit.components.v2 import component

_HTML = '<button type="button"></button><span role="status"></span>'
_CSS = """
:host { display: block; }
button { font: inherit; font-size: 0.875rem; color: var(--st-text-color); background: transparent; border: 0;
  padding: 0.3rem 0; border-radius: var(--st-button-radius, 0.5rem); cursor: pointer;
  min-height: 2.5rem; white-space: nowrap; }
button:hover { color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""
# The text is data and only ever written to the clipboard. Without a secure address the clipboard is out of reach, and
# the browser's old command for it is used.
_JS = """
export default function ({ parentElement, data }) {
  const button = parentElement.querySelector("button");
  const status = parentElement.querySelector("span");
  const say = (text) => {
    button.textContent = text;
    status.textContent = text;
    setTimeout(() => { button.textContent = data.label; status.textContent = ""; }, 1500);
  };
  const byCommand = () => {
    const area = document.createElement("textarea");
    area.value = data.text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.appendChild(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    button.focus();
    return done;
  };
  button.textContent = data.label;
  button.onclick = async () => {
    let done = true;
    try { await navigator.clipboard.writeText(data.text); } catch (error) { done = byCommand(); }
    say(done ? "Copied" : "Not copied");
  };
}
"""


_SHOW = """
export default function ({ parentElement }) {
  (parentElement.host || parentElement).scrollIntoView({ block: "end", behavior: "smooth" });
}
"""


def copy_button(text: str, *, key: str, label: str = "Copy") -> None:
    """A button that copies a text as it is."""
    mount = component("ratchet_copy", html=_HTML, css=_CSS, js=_JS)
    mount(key=key, data={"text": text, "label": label}, height="content", width="content")


def scroll_here(key: str) -> None:
    """Scroll so far that what stands above is seen, once for each key."""
    component("ratchet_show", js=_SHOW)(key=f"show-{key}", height="content")
