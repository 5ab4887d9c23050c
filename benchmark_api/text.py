"""Text from outside: which names may be parts of paths, and how a text is shown on a terminal.

What would move the cursor, change colours or turn around lines is shown, not sent.
"""

from __future__ import annotations

import re

MAX_NAME = 200
"""Largest length of a name that may become a part of a path, characters."""

_NO_NAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|^[.\- ]| $")


def is_plain_name(text: str) -> bool:
    """Whether a text may become a part of a path: it cannot leave a folder, hide, or be taken for an option."""
    return 0 < len(text) <= MAX_NAME and not _NO_NAME.search(text)


class ExplainedError(ValueError):
    """Wrong input, explained on several lines; texts from outside in it must have been shown."""


def is_utf_8(path: str) -> bool:
    """Whether a path can be written as UTF-8; Python gives other names of files halves of surrogate pairs."""
    return not any("\ud800" <= letter <= "\udfff" for letter in path)


def shown(text: str, keep: str = "") -> str:
    r"""Return a text with every character that is not printable as an escape of Python, e.g. an escape character as `\x1b`.

    Args:
        text: any text.
        keep: characters that stay, such as the ends of lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
