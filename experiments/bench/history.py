"""What the bench has measured, run after run: one JSON file each, and two of them compared.

Machines are noisy, and two histories may be of different ones. So a comparison shows beside each row of ours what became of
its counterpart, and calls a row slower only if it is so by more than counterparts are on the whole.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmark_api.jobs.files import whole_file
from experiments.bench.rows import Figure, Row

FORMAT = 1


@dataclass(frozen=True)
class History:
    """One run of the bench.

    Attributes:
        when: the time it began, ISO 8601 in UTC.
        code: the version of the code.
        machine: what it ran on, with the versions of libraries.
        settings: what was measured on.
        load: mean number of runnable processes in the minute before it began.
        rows: all lines, in the order they were measured.
    """

    when: str
    code: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    load: float
    rows: tuple[Row, ...]

    def write(self, folder: Path) -> Path:
        """Write a file named after the time."""
        path = folder / f"{datetime.fromisoformat(self.when).astimezone(timezone.utc):%Y%m%dT%H%M%S%f}.json"
        with whole_file(path) as file:
            file.write(json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode())
        return path

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no history of the bench, or one of another format.
        """
        try:
            facts = json.loads(path.read_bytes())
            if (found := facts.pop("format")) != FORMAT:
                raise ValueError(f"its format is {found}, expected {FORMAT}")
            rows = tuple(
                Row(**{**row, "ours": Figure(**row["ours"]), "other": row["other"] and Figure(**row["other"])})
                for row in facts.pop("rows")
            )
            return cls(**facts, rows=rows)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a history of the bench ({error!r})") from error

    def table(self) -> str:
        """All rows as a Markdown table, after a line about the machine."""
        facts = {**{name: value for name, value in self.machine.items() if name != "platform"}, "load before": f"{self.load:.1f}"}
        about = ", ".join(f"{name} {value}" for name, value in facts.items())
        lines = [["what", "ours", "counterpart", "ratio", "which"], ["---"] * 5, *(row.cells() for row in self.rows)]
        return "\n".join([f"{self.machine['platform']}, {about}, code {self.code}\n", *map(_line, lines)])


@dataclass(frozen=True)
class Change:
    """What became of a row from one history to a later one.

    Attributes:
        old: the row; None if it is new.
        new: the row; None if it is no longer measured.
        slower: whether it counts as slower (or larger).
    """

    old: Row | None
    new: Row | None
    slower: bool = False

    def cells(self) -> list[str]:
        """The row of the printed table."""
        present = self.new or self.old
        assert present is not None
        old, new = ("" if row is None else row.ours.text(row.unit) for row in (self.old, self.new))
        if self.old is None or self.new is None:
            return [present.what, old, new, "", "", "new" if self.old is None else "no longer measured"]
        control = _control(self.old, self.new)
        ours = f"{self.new.gain(self.new.ours, self.old.ours):.2f}×"
        return [present.what, old, new, ours, "" if control is None else f"{control:.2f}×", "SLOWER" if self.slower else ""]


@dataclass(frozen=True)
class Comparison:
    """Two histories, row by row.

    Attributes:
        old: the former one.
        new: the later one.
        control: how many times faster counterparts are in the later one, median over rows; 1 if none is in both.
        changes: of every row.
    """

    old: History
    new: History
    control: float
    changes: tuple[Change, ...]

    @classmethod
    def of(cls, old: History, new: History, threshold: float) -> Comparison:
        """Compare; a row is slower if its median and its best repeat take `threshold` times as long as they did.

        Both are divided by the control first if that is slower. A moment in which the machine was busy spoils a median sooner
        than the best of all repeats.

        Raises:
            ValueError: the threshold is not above 1.
        """
        if not threshold > 1:
            raise ValueError(f"threshold must be above 1, got {threshold}")
        former, later = ({(row.what, row.unit): row for row in history.rows} for history in (old, new))
        pairs = [(former.get(row), later.get(row)) for row in former | later]
        both = [(a, b) for a, b in pairs if a is not None and b is not None and b.timed]
        controls = [control for a, b in both if (control := _control(a, b)) is not None]
        control = statistics.median(controls) if controls else 1.0

        def slower(a: Row, b: Row) -> bool:
            bound = (min(1.0, control) if b.timed else 1.0) / threshold
            return max(b.gain(b.ours, a.ours), b.gain(b.best, a.best)) < bound

        changes = tuple(Change(a, b, a is not None and b is not None and slower(a, b)) for a, b in pairs)
        return cls(old, new, control, changes)

    @property
    def slower(self) -> int:
        """The number of rows that are slower."""
        return sum(change.slower for change in self.changes)

    def text(self) -> str:
        """All rows as a Markdown table of how many times better they are, after what else has changed."""
        lines = [["what", "old", "new", "ours", "counterpart", ""], ["---"] * 6, *(change.cells() for change in self.changes)]
        notes = [
            f"old: {self.old.when}, code {self.old.code}, load before {self.old.load:.1f}",
            f"new: {self.new.when}, code {self.new.code}, load before {self.new.load:.1f}",
            *self._differences(),
            f"counterparts are {self.control:.2f}× as fast as they were (median)",
        ]
        return "\n".join([*notes, "", *map(_line, lines)])

    def _differences(self) -> Iterator[str]:
        for name in ("machine", "settings"):
            old, new = getattr(self.old, name), getattr(self.new, name)
            for fact in sorted(old.keys() | new.keys()):
                if old.get(fact) != new.get(fact):
                    yield f"the {name} changed: {fact} was {old.get(fact)}, is {new.get(fact)}"


def _control(old: Row, new: Row) -> float | None:
    """How many times better the counterpart has become."""
    if old.other is None or new.other is None or old.counterpart != new.counterpart:
        return None
    return new.gain(new.other, old.other)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
