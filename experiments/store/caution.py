"""Caution of a results folder: a line that every title of a table, figure or page of its runs repeats."""

from __future__ import annotations

from pathlib import Path

from benchmark_api.jobs.files import whole_file

NAME = "caution.txt"
LONGEST = 400
"""Most characters that are read."""


def write_caution(results: Path, text: str) -> None:
    """Give a results folder a caution."""
    results.mkdir(parents=True, exist_ok=True)
    with whole_file(results / NAME) as file:
        file.write(f"{text}\n".encode())


def read_caution(results: Path) -> str:
    """Return the caution of a results folder, one line of printable characters; empty for none."""
    path = results / NAME
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        text = file.read(LONGEST).decode(errors="replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
