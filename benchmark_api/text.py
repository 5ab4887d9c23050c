"""Text from outside on a terminal: what would move the cursor, change colours or turn around lines is shown, not sent."""

from __future__ import annotations


def shown(text: str, keep: str = "") -> str:
    r"""Return a text with every character that is not printable as an escape of Python, e.g. an escape character as `\x1b`.

    Args:
        text: any text.
        keep: characters that stay, such as the ends of lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
