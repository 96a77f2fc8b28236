"""The page that asks who one is: plain HTML without a script, so that nothing of Gradio is shown before."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: log in</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; font: 16px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }}
main {{ max-width: 24rem; margin: 12vh auto 0; padding: 0 1.25rem; }}
h1 {{ font-size: 1.4rem; }}
label {{ display: block; margin: 1rem 0 .25rem; font-weight: 600; }}
input {{ box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; border: 1px solid GrayText;
  border-radius: .4rem; background: Field; color: FieldText; }}
button {{ margin-top: 1.25rem; width: 100%; padding: .7rem; font: inherit; font-weight: 600; border: 0;
  border-radius: .4rem; background: #1d4ed8; color: #fff; cursor: pointer; }}
input:focus-visible, button:focus-visible {{ outline: 3px solid #60a5fa; outline-offset: 2px; }}
.problem {{ padding: .6rem .8rem; border-left: 4px solid #b91c1c;
  background: color-mix(in srgb, #b91c1c 12%, Canvas); }}
.aside {{ margin-top: 1.5rem; font-size: .9rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{problem}<form method="post" action="login">
<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button>
</form>
<p class="aside">Ask the person who sent you this address for the user name and password. That person can read what you
write here. Other visitors cannot.</p>
</main>
</body>
</html>
"""
WRONG = "That user name and password do not belong together."


def login_page(title: str, problem: str = "") -> bytes:
    """The page; `problem` is said above the form."""
    shown = f'<p class="problem" role="alert">{escape(problem)}</p>\n' if problem else ""
    return _PAGE.format(title=escape(title), problem=shown).encode("utf-8", "replace")


def too_many(seconds: float) -> str:
    """What somebody is told who has to wait before the next attempt."""
    return f"Too many wrong passwords. Wait {max(1, round(seconds))} seconds, then try again."
