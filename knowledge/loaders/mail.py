"""E-mail: single messages (.eml) and mailboxes (.mbox), with the attachments whose types can be read.

RFC 5322 and 2045-2047 for messages, RFC 4155 for mailboxes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

from knowledge.errors import DocumentError
from knowledge.loaders.extract import MB, Bomb, File, Part, not_read
from knowledge.loaders.inside import parts_of_member, readable
from knowledge.loaders.reading import guarded
from knowledge.loaders.webpage import declared_charset, page_text
from knowledge.text import as_declared, decode, sanitize

MAX_MESSAGE_BYTES = 64 * MB
MAX_MAILBOX_BYTES = 256 * MB
MAX_SECTIONS = 1_000
_HEADERS = ("From", "To", "Subject", "Date")
_TIME = re.compile(rb"\d:\d\d")


def load_message(file: File) -> Iterator[Part]:
    """A message as "message 1", then its readable attachments, "message 1, attachment NAME"."""
    failures: list[str] = []
    yield from _message(file.read(MAX_MESSAGE_BYTES), file, "message 1", failures)
    yield from not_read(failures)


def load_mailbox(file: File) -> Iterator[Part]:
    """Every message of a mailbox in its order, with attachments."""
    failures: list[str] = []
    with file.open(MAX_MAILBOX_BYTES) as stream:
        for number, data in enumerate(_messages(stream, file.name), start=1):
            try:
                yield from guarded(_message(data, file, f"message {number}", failures), file)
            except Bomb:
                raise
            except DocumentError as error:
                failures.append(f"Message {number}: {error.what}")
    yield from not_read(failures)


def _messages(stream: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The messages between "From " lines, which stand at the start of the file or after an empty line.

    Where the first of them tells the time, as RFC 4155 has it, a line that does not is one of somebody's text.
    """
    lines: list[bytes] = []
    size, after_blank, inside, timed = 0, True, False, False
    for line in stream:
        if after_blank and line.startswith(b"From ") and (not timed or _TIME.search(line)):
            timed = timed or (not inside and bool(_TIME.search(line)))
            if inside:
                yield b"".join(lines)
            lines, size, inside = [], 0, True
        elif inside:
            lines.append(line[1:] if line.lstrip(b">").startswith(b"From ") and line.startswith(b">") else line)
            size += len(line)
            if size > MAX_MESSAGE_BYTES:
                raise DocumentError(f"{name} has a message of more than {MAX_MESSAGE_BYTES // MB} MB.")
        elif line.strip():
            raise DocumentError(f"{name} is not a mailbox: it does not begin with a From line.")
        after_blank = not line.strip()
    if inside:
        yield b"".join(lines)


def _message(data: bytes, file: File, part: str, failures: list[str]) -> Iterator[Part]:
    message = message_from_bytes(data, policy=policy.compat32)
    sections = _sections(message, file.name)
    head = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    body = _body(sections, f"The text of {part} in {file.name}", failures)
    attachments = [(section, _file_name(section)) for section in sections if _is_attachment(section)]
    if attachments:
        head.append(f"Attachments: {', '.join(name for _, name in attachments)}")
    if not head and not body:
        raise DocumentError(f"{file.name} is not an e-mail: it has neither headers nor a body.")
    yield Part("\n".join(head) + "\n\n" + body, part=part)
    for section, name in attachments:
        if readable(name):
            member = file.member(name, _content(section))
            yield from parts_of_member(member, f"{part}, attachment {name}", failures)


def _sections(message: Message, name: str) -> list[Message]:
    """The leaves of the message's tree, in order; a forwarded message counts as one leaf's content.

    Of alternatives (RFC 2046, section 5.1.4), the plain text is taken and what says the same otherwise is left out.
    """
    leaves: list[Message] = []
    waiting = [(message, False)]
    while waiting:
        section, said = waiting.pop()
        inner = section.get_payload() if section.is_multipart() else None
        if isinstance(inner, list) and section.get_content_maintype() != "message":
            parts = [part for part in inner if isinstance(part, Message)]
            plain = [part for part in parts if _is_plain(part)] if _is_choice(section) else []
            waiting += reversed([(part, said or bool(plain) and part not in plain) for part in parts])
        elif not said or _is_attachment(section):
            leaves.append(section)
        if len(leaves) + len(waiting) > MAX_SECTIONS:
            raise DocumentError(f"{name} has a message of more than {MAX_SECTIONS:,} sections.")
    return leaves


def _is_choice(section: Message) -> bool:
    return section.get_content_type() == "multipart/alternative"


def _is_plain(section: Message) -> bool:
    return section.get_content_type() == "text/plain" and bool(_content(section).strip())


def _is_attachment(section: Message) -> bool:
    return bool(section.get_filename()) or section.get_content_type() == "message/rfc822"


def _file_name(section: Message) -> str:
    name = sanitize(_decoded(str(section.get_filename() or "message.eml")))
    return " ".join(name.replace("\\", "/").rpartition("/")[2].split()) or "unnamed"


def _content(section: Message) -> bytes:
    inner = section.get_payload()
    if isinstance(inner, list):  # message/rfc822
        return b"\n".join(part.as_bytes() for part in inner if isinstance(part, Message))
    data = section.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _body(sections: list[Message], name: str, failures: list[str]) -> str:
    """All sections of text that are no attachments, those in HTML as text.

    Text of an unknown kind counts as plain (RFC 2046, section 4.1.4), and so does the payload of a section that
    announces several and has none: its boundary is missing.
    """
    shown = [section for section in sections if not _is_attachment(section)]
    kinds = ("text", "multipart")
    texts = [_text(section, name, failures) for section in shown if section.get_content_maintype() in kinds]
    return "\n\n".join(filter(None, texts))


def _text(section: Message, name: str, failures: list[str]) -> str:
    data = _content(section)
    is_page = section.get_content_type() == "text/html"
    declared = str(section.get_content_charset("") or "") or (declared_charset(data) if is_page else "")
    try:
        text = decode(data, name, declared) if data.strip() else ""
    except DocumentError as error:
        failures.append(error.what)
        return ""
    return page_text(text) if is_page else text.replace("\r\n", "\n").strip("\n")


def _header(message: Message, name: str) -> str:
    found = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
    return " ".join(_decoded(_unescaped(str(found))).split())


def _unescaped(value: str) -> str:
    """A header with the bytes above ASCII that the parser has kept: UTF-8 (RFC 6532), or else what mailers wrote."""
    if value.isascii():
        return value
    data = value.encode("utf-8", "surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return as_declared(data, "latin-1")


def _decoded(value: str) -> str:
    """A header with its encoded words (RFC 2047) read."""
    words = []
    try:
        pieces = decode_header(value)
    except (ValueError, AssertionError, MessageError):  # a broken encoded word stays as it is written
        return value
    for word, charset in pieces:
        words.append(_in_charset(word, charset or "utf-8") if isinstance(word, bytes) else word)
    return "".join(words)


def _in_charset(word: bytes, charset: str) -> str:
    try:
        return as_declared(word, charset) or word.decode(charset, errors="replace")
    except (LookupError, ValueError):
        return word.decode("latin-1")
