"""What a server answered to a call, as text for the model and files for the user."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.mcp_servers.wording import bounded, harmless, one_line

MOST_TEXT = 20_000  # characters
MOST_IMAGES = 8
_MAGIC = {
    "image/png": (b"\x89PNG\r\n\x1a\n", ".png"),
    "image/jpeg": (b"\xff\xd8\xff", ".jpg"),
    "image/gif": (b"GIF8", ".gif"),
    "image/webp": (b"RIFF", ".webp"),
}


def read(result: Mapping[str, Any], artifacts: Path | None) -> tuple[str, dict[str, Any]]:
    """Text, and an artifact whose `files` are the images, written into `artifacts` under names of our own.

    Args:
        result: a `CallToolResult` as plain JSON.
        artifacts: where images go; without it they are only mentioned.
    """
    parts: list[str] = []
    files: list[dict[str, str]] = []
    for block in result.get("content") or []:
        match block:
            case {"type": "text", "text": str(text)} | {"resource": {"text": str(text)}}:
                parts.append(text)
            case {"type": "image", "data": str(data)}:
                parts.append(_image(data, artifacts, files))
            case {"type": "resource_link", "uri": uri}:
                parts.append(f"[a resource: {one_line(str(uri))}]")
            case {"type": str(kind)}:
                parts.append(f"[{one_line(kind, 40)} that cannot be shown]")
    structured = result.get("structuredContent")
    if structured is not None and not any(part.strip() for part in parts):
        parts.append(json.dumps(structured, ensure_ascii=False, indent=1))
    text = shortened("\n".join(parts)) or "(no text)"
    return text, {"files": files} if files else {}


def failure(result: Mapping[str, Any]) -> str:
    """What a result that is an error says."""
    texts = [str(block.get("text", "")) for block in result.get("content") or []]
    return bounded("\n".join(texts), 1000) or "it gave no reason"


def shortened(text: str) -> str:
    """The beginning of a long text, saying so."""
    seen = harmless(text)
    if len(seen) <= MOST_TEXT:
        return seen.strip()
    return f"{seen[:MOST_TEXT].strip()}\n(first {MOST_TEXT:,} of {len(seen):,} characters)"


def _image(data: str, artifacts: Path | None, files: list[dict[str, str]]) -> str:
    """Write an image and say where it is; what it is, its first bytes tell, not the server."""
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return "[an image that cannot be read]"
    kind = next((kind for kind, (magic, _) in _MAGIC.items() if content.startswith(magic)), None)
    if kind is None or artifacts is None or len(files) >= MOST_IMAGES:
        return "[an image that is not shown]"
    name = f"mcp-{uuid.uuid4().hex}{_MAGIC[kind][1]}"
    artifacts.mkdir(parents=True, exist_ok=True)
    path = artifacts / name
    with path.open("xb") as file:
        file.write(content)
    files.append({"name": name, "media_type": kind, "path": str(path)})
    return f"[image {name}]"
