"""What comes from outside, read through a declared schema, once: JSON, plain names, and texts.

A schema is a type of msgspec, such as a `msgspec.Struct` whose fields are annotated with bounds. msgspec decodes no JSON here: it
takes the last of two equal names, and text in other encodings than UTF-8 has to be named as such. It needs 10 ms to import, where
pydantic needs 100; measured for the start of a command, `python -X importtime -m benchmark_api info TABLE`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import msgspec

SchemaT = TypeVar("SchemaT")

Text = Annotated[str, msgspec.Meta(max_length=10_000)]
"""A text of bounded length; what it may hold beyond letters is shown escaped (`benchmark_api.text`)."""

_SCHEDULE = re.compile(r"(?=.*[1-9])[0-9]{1,6}")  # "01" is an official one


def is_schedule(text: str) -> bool:
    """Whether a text names a schedule: its epochs, a positive integer below a million in ASCII digits."""
    return bool(_SCHEDULE.fullmatch(text))


def parse_json(text: bytes | str) -> Any:
    """Return the value of a JSON text in UTF-8, with every name of an object given once and all numbers finite.

    Raises:
        ValueError: it is none; the message is one line.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value = _DECODER.decode(decoded)
        if "\\ud" in decoded or "\\uD" in decoded:
            json.dumps(value, ensure_ascii=False).encode()  # refuses half a surrogate pair, which no output can show
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({str(error).splitlines()[0]:.200})") from error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, refused if it has a name twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"it has {twice!r:.80} twice")
    return found


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse_constant)


def checked(value: Any, schema: type[SchemaT], what: str) -> SchemaT:
    """Return a parsed value as an instance of a schema.

    Args:
        value: of JSON types.
        schema: a type of msgspec.
        what: names the value in the message.

    Raises:
        ValueError: the value is another one; the message names the place, what was found and what is expected.
    """
    try:
        instance: SchemaT = msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        found, _, place = str(error).replace("`", "").partition(" - at $")
        raise ValueError(f"{what}: {found}{', at ' if place else ''}{place.removeprefix('.')}") from error
    except RecursionError as error:
        raise ValueError(f"{what}: nested too deeply") from error
    return instance


@contextmanager
def named(where: object) -> Iterator[None]:
    """Prefix the messages of ValueErrors with the place of what was read."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
