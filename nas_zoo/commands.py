"""The commands that draw, which are imported when they are asked for: matplotlib takes a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark_api.commands.command_line import Command, CommandLine

ABOUT = {
    "plots": "Draw the figures of a results folder as PNG and PDF, and write its report page.",
    "report": "Write the report page of a results folder: report.html, one file with all tables and figures.",
}


def commands(words: Sequence[str]) -> Mapping[str, Command]:
    """Return the commands by name, for the words after the program's name: of the overview, without words, only their texts."""
    if not words:
        return {name: Command(None, about) for name, about in ABOUT.items()}
    from plots.__main__ import PlotsCommand, ReportCommand

    return {"plots": Command.of(PlotsCommand), "report": Command.of(ReportCommand)}


PLOTS = CommandLine(prog="nas-zoo", about="Draw results.", groups={"Draw results": (*ABOUT,)}, commands=commands)
