"""Texts as every model and protocol can take them."""


def encodable(text: str) -> str:
    """The text with halves of surrogate pairs joined, and U+FFFD for those that stand alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def presentable(text: str) -> str:
    """An encodable text that is not blank: some servers have no vector for nothing."""
    return encodable(text) if text.strip() else "."
