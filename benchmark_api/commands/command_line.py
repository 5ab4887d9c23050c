"""A command line of several commands: overview, plugins, version, unknown names, errors and exit statuses."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

import tyro
from tyro.constructors import ConstructorRegistry

from benchmark_api.bounds import check_fields
from benchmark_api.commands.options import OPTIONS
from benchmark_api.ending import WRONG, answer
from benchmark_api.plugins import add_plugin, load_plugins
from benchmark_api.registry import unknown
from benchmark_api.text import shown


@dataclass(frozen=True)
class Command:
    """A command: what tyro makes of its words is called without arguments, and returns the exit status or None.

    Attributes:
        parsed: type or union of types that tyro makes, usually a dataclass whose fields are the options.
        about: description in its help; its first sentence is the command's line in the overview.
        examples: words after the program's name, one example each.
    """

    parsed: Any
    about: str
    examples: Sequence[str] = ()

    @classmethod
    def of(cls, kind: type) -> Command:
        """Return the command of a dataclass, described by its docstring and its class attribute `examples`."""
        return cls(kind, inspect.getdoc(kind) or "", getattr(kind, "examples", ()))

    def help_text(self, prog: str) -> str:
        """Return the description with the examples, as the program's help shows it."""
        examples = "\n".join(f"  {prog} {example}" for example in self.examples)
        return f"{self.about}\n\nexamples:\n{examples}" if examples else self.about

    @property
    def summary(self) -> str:
        """First sentence of the description."""
        return re.split(r"(?<=\.)\s", " ".join(self.about.split()), maxsplit=1)[0]


@dataclass(frozen=True)
class CommandLine:
    """A program with commands.

    Attributes:
        prog: how the program is called.
        about: description in the overview.
        groups: names of commands by the heading that the overview has them under.
        commands: returns all commands by name, for the words after the program's name.
        examples: words after the program's name, for the overview.
        interrupted: message after Ctrl-C.
        failures: errors, besides those of wrong input, that are reported without a traceback; exit status 1.
        config: tyro's markers for all commands.
        registry: rules by which tyro makes options of types.
    """

    prog: str
    about: str
    groups: Mapping[str, Sequence[str]]
    commands: Callable[[Sequence[str]], Mapping[str, Command]]
    examples: Sequence[str] = ()
    interrupted: str = "interrupted; files that are there are whole"
    failures: tuple[type[Exception], ...] = ()
    config: tuple[Any, ...] = ()
    registry: ConstructorRegistry = OPTIONS

    @property
    def names(self) -> list[str]:
        """Names of all commands."""
        return [name for names in self.groups.values() for name in names]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run a command and return the exit status: 0, 1 for a failure, 2 for wrong input, 128 and more after a signal."""
        words = [*(sys.argv[1:] if arguments is None else arguments)]
        warnings.formatwarning = lambda message, *_args, **_kwargs: shown(f"warning: {message}") + "\n"
        return answer(lambda: self._command(words), self.interrupted, *self.failures)

    def _command(self, words: list[str]) -> Callable[[], int | None]:
        """Return what the words after the program's name ask for."""
        for plugin in _take(words, "--module"):
            add_plugin(plugin)
        load_plugins()
        first = words[0] if words else ""
        if first in ("", "-h", "--help"):
            return lambda: _printed(self.overview(), status=0 if first else WRONG)
        if first == "--version":
            return lambda: _printed(f"nas-zoo {version('nas-zoo')}")
        options: Any = {"config": self.config, "registry": self.registry}
        call: Callable[[], int | None]
        if first.startswith("-"):  # tyro's own options, such as that for shell completion, are of the whole program
            call = tyro.cli(self.parser(words), args=words, prog=self.prog, **options)
        elif first not in self.names:
            raise ValueError(unknown("command", first, self.names))
        else:
            command, prog = self.commands(words)[first], f"{self.prog} {first}"
            call = tyro.cli(command.parsed, args=words[1:], prog=prog, description=command.help_text(self.prog), **options)
        check_fields(call)
        return call

    def parser(self, words: Sequence[str]) -> Any:
        """Return the union of all commands for tyro."""
        found: Any = None
        for name, command in self.commands(words).items():
            parsed = command.parsed
            one: Any = Annotated[parsed, tyro.conf.subcommand(name, description=command.help_text(self.prog))]
            found = one if found is None else found | one
        return found

    def overview(self) -> str:
        """Return the commands under their headings, the options of all, and examples."""
        commands, width = self.commands(()), min(shutil.get_terminal_size().columns, 120)
        column = 4 + max(map(len, self.names))

        def line(name: str, text: str) -> str:
            return textwrap.fill(text, width, initial_indent=f"  {name:<{column - 2}}", subsequent_indent=" " * column)

        parts = [f"usage: {self.prog} COMMAND [OPTIONS]", textwrap.fill(self.about, width)]
        for heading, names in self.groups.items():
            parts.append("\n".join([f"{heading}:", *(line(name, commands[name].summary) for name in names)]))
        options = {
            "--module FILE.py": "Add a search, space, importer or report column of your own; also a module's name, and several.",
            "--version": "Print the version.",
            "COMMAND --help": "Print the options of a command.",
        }
        parts.append("\n".join(["options:", *(f"  {name:<18}{text}" for name, text in options.items())]))
        if self.examples:
            parts.append("\n".join(["examples:", *(f"  {self.prog} {example}" for example in self.examples)]))
        return "\n\n".join(parts)


def _printed(text: str, status: int = 0) -> int:
    print(text)
    return status


def _take(words: list[str], option: str) -> list[str]:
    """Remove an option with a value from some words, wherever it stands; return its values.

    Raises:
        ValueError: the last one has no value.
    """
    values = []
    for at in reversed(range(len(words))):
        if words[at].startswith(f"{option}="):
            values.append(words.pop(at).partition("=")[2])
        elif words[at] == option:
            if at + 1 == len(words):
                raise ValueError(f"{option} has no value: expected a file or a module")
            values.append(words.pop(at + 1))
            del words[at]
    return values[::-1]
