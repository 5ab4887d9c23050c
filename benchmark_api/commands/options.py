"""Arguments that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from benchmark_api.bounds import at_most
from benchmark_api.jobs.options import MAX_JOBS

NumberT = TypeVar("NumberT", int, float)

OPTIONS = ConstructorRegistry()
"""Rules by which tyro makes options of types."""


@OPTIONS.primitive_rule
def decimal_number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Return how numbers are read: as decimal ones in ASCII. Python also takes 1_000, and digits of other scripts."""
    if info.type not in (int, float):
        return None
    kind: Any = info.type
    kinds = (int,) if kind is int else (int, float)
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=kind.__name__.upper(),
        instance_from_str=lambda texts: _number(texts[0], kind),
        is_instance=lambda value: isinstance(value, kinds) and not isinstance(value, bool),
        str_from_instance=lambda value: [str(value)],
    )


TablePath = tyro.conf.Positional[
    Annotated[Path, tyro.conf.arg(metavar="TABLE", help="Table file, or nats-topology, digits-topology, digits-size.")]
]
OutPath = Annotated[Path, tyro.conf.arg(metavar="OUT")]


ValueT = TypeVar("ValueT")
Option = Annotated[ValueT | None, tyro.conf.DisallowNone, tyro.conf.arg(help_behavior_hint="")]
"""An option that need not be given, whose text says what holds then; `Option[int]`, with the default None."""


def default(text: str, metavar: str) -> Any:
    """Return the mark of an option whose default, None, stands for something else."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {text})", metavar=metavar)


CheckName = Annotated[
    str | None, default("none", "NAME"), tyro.conf.arg(help="Benchmark whose statistics to compare: nats-size.")
]
Jobs = Annotated[
    Annotated[int, at_most(MAX_JOBS)] | None, default("one per core", "INT"), tyro.conf.arg(help="Number of processes.")
]
Several = tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]]
"""An option with several texts, which may be given several times."""


def flat(given: Several) -> list[str]:
    """Return all texts of an option that has several and may be given several times, each once."""
    return list(dict.fromkeys(text for texts in given for text in texts))


Pairs = Annotated[Several, tyro.conf.arg(metavar="NAME=VALUE ...")]


def pairs_of(given: Several, option: str) -> dict[str, str]:
    """Return the values of `NAME=VALUE` by name.

    Raises:
        ValueError: a text is of another form, or a name is there twice.
    """
    pairs: dict[str, str] = {}
    for text in (text for texts in given for text in texts):
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{option} {text}; expected NAME=VALUE")
        if name in pairs:
            raise ValueError(f"{option} has {name} twice; expected one value")
        pairs[name] = value
    return pairs


def numbers_of(given: Several, option: str) -> dict[str, float]:
    """Return the values of `NAME=NUMBER` by name.

    Raises:
        ValueError: a text is of another form, or a name is there twice.
    """
    return {name: _named_number(text, f"{option} {name}") for name, text in pairs_of(given, option).items()}


def _named_number(text: str, option: str) -> float:
    try:
        return _number(text, float)
    except ValueError:
        raise ValueError(f"{option}={text}; expected a number after '='") from None


def _number(text: str, kind: Callable[[str], NumberT]) -> NumberT:
    if not text.isascii() or "_" in text:
        raise ValueError(f"{text} is no number")
    return kind(text)
