from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.errors import DocumentError
from knowledge.text import as_declared, decode, sanitize

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\x1b[31mred\x1b[0m b", "ared b"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGk=\x07copied", "copied"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1bcreset", "reset"),
        ("unfinished \x1b[", "unfinished "),
        ("bell\x07 back\x08space nul\x00", "bell backspace nul"),
        ("user\u202etxt.exe\u202c", "usertxt.exe"),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("\ufeffmark", "mark"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        ("tab\tkept\u2028 page\x0cbreak", "tab\tkept  page break"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("emoji 👩‍🚀 and עברית stay", "emoji 👩‍🚀 and עברית stay"),
    ],
)
def test_sanitize_removes_what_drives_a_terminal(raw: str, clean: str) -> None:
    assert sanitize(raw) == clean


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b[]\x9b\x9d0;mhA\x07\r\n"))))
def test_sanitize_is_complete_and_stable(text: str) -> None:
    once = sanitize(text)
    assert not FORBIDDEN.search(once)
    assert sanitize(once) == once
    once.encode("utf-8")


def test_an_unterminated_escape_does_not_swallow_the_document() -> None:
    assert sanitize("\x1b]0;" + "word " * 200_000) == "0;" + "word " * 200_000
    assert sanitize("\x1b]" * 200_000) == ""


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("naïve café".encode(), "naïve café"),
        (b"\xef\xbb\xbfmarked", "marked"),
        ("über".encode("utf-16"), "über"),
        ("über".encode("utf-32"), "über"),
        (b"\xfe\xff" + "über".encode("utf-16-be"), "über"),
    ],
)
def test_decode_reads_unicode(data: bytes, text: str) -> None:
    assert decode(data, "file.txt") == text


def test_decode_recognises_older_encodings() -> None:
    text = "Der große Müller aß über fünfzig süße Äpfel und Öl in der Küche. " * 20
    assert decode(text.encode("cp1252"), "file.txt") == text
    russian = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20
    assert decode(russian.encode("cp1251"), "file.txt") == russian
    assert decode(russian.encode("koi8-r"), "page.html", "koi8-r") == russian


def test_an_encoding_that_shows_late_is_recognised() -> None:
    text = "plain words in no tongue at all\n" * 10_000 + "Der große Müller aß süße Äpfel und Öl in der Küche.\n" * 40
    assert decode(text.encode("cp1252"), "file.txt") == text


def test_a_label_means_what_its_users_write() -> None:
    text = "“Quoted” – it’s a fine œuvre"
    assert decode(text.encode("cp1252"), "a.html", "iso-8859-1") == text
    assert decode(b"\x81 caf\xe9", "a.html", "iso-8859-1") == "\x81 caf\xe9"  # no byte of Windows-1252
    assert decode("①会議".encode("cp932"), "a.html", "shift_jis") == "①会議"


def test_seven_bit_encodings_are_not_taken_for_ascii() -> None:
    assert decode("会議は明日です。".encode("iso-2022-jp"), "a.eml", "iso-2022-jp") == "会議は明日です。"
    assert decode(b"1 + 1 is two", "a.eml", "utf-7x") == "1 + 1 is two"


def test_utf8_is_utf8_however_many_replacement_characters_it_holds() -> None:
    text = "a\ufffd" * 50 + " na\xefve"
    assert decode(text.encode(), "file.txt") == text


@pytest.mark.parametrize("declared", ["punycode", "idna", "unicode_escape", "undefined", "zlib", "x\0y", "no-such"])
def test_codecs_that_are_no_encodings_are_not_used(declared: str) -> None:
    assert as_declared(b"a\\u00e9-b", declared) == ""


@pytest.mark.parametrize("text", ["ding \x07 dong", "caf\xe9 ferm\xe9 \x07", "\x1b[1mferm\xe9 le soir\x1b[0m \x07\x08"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_bell_in_a_short_text_does_not_make_it_binary(text: str, encoding: str) -> None:
    plain = text.translate(dict.fromkeys(b"\x07\x08"))
    assert decode(plain.encode(encoding), "log.txt")  # it is recognised without them
    assert len(decode(text.encode(encoding), "log.txt")) == len(text)


def test_one_damaged_character_does_not_turn_the_rest_into_noise() -> None:
    data = ("Žluťoučký kůň úpěl ďábelské ódy. " * 50).encode()
    text = decode(data[:100] + b"\xff" + data[100:], "file.txt")
    assert text.count("\ufffd") <= 2
    assert text.count("ďábelské") >= 49


@pytest.mark.parametrize(
    "data", [b"", b" \n\t ", bytes(range(256)) * 20, b"\x7fELF" + b"\0" * 500, b"\xff\xfe\x00\xd8\x00"]
)
def test_decode_refuses_what_is_no_text(data: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        decode(data, "file.bin")
    assert "file.bin" in caught.value.what


@given(st.binary(max_size=600))
def test_decode_gives_text_or_one_error(data: bytes) -> None:
    try:
        text = decode(data, "any")
    except DocumentError:
        return
    sanitize(text).encode("utf-8")
