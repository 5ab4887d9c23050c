"""Architectures of a table, to take along: as a network, as a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark_api.commands.printing import architecture_index
from benchmark_api.spaces.drawing import architecture_figure, draw_architecture
from benchmark_api.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmark_api.training.candidate import Candidate

AnyTable = Table | str | Path
"""A table, its file, or the name of an embedded one."""


def open_table(table: AnyTable) -> Table:
    """Return an open table."""
    return table if isinstance(table, Table) else Table(table)


def network(
    table: AnyTable, index: int | str, dataset: str | None = None, *, data: Path | str | None = None, seed: int | None = None
) -> Candidate:
    """Return the network of an architecture of a table, a `torch.nn.Module` from images to logits.

    >>> net = network("nats-topology", 1462, "cifar100")
    >>> net.params, net.flops, net.recipe.epochs
    (1537396, 220125540, 200)

    Its method `fit` trains it with the table's own recipe, `export` makes a program of `torch.export`.

    Args:
        table: the table, its file, or nats-topology, digits-topology or digits-size.
        index: official index, or string.
        dataset: dataset key that the table reports; by default the first of its datasets.
        data: folder of the data set's files, for training; digits need none.
        seed: seed of the training and of the initial weights; None for that of the table's first trial (777).

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: unknown architecture or dataset, or the space defines no networks.
    """
    from benchmark_api.training.candidate import Candidate

    opened = open_table(table)
    found = architecture_index(opened.space, str(index))
    return Candidate.of(opened, found, dataset, data=None if data is None else Path(data), seed=seed)


def draw(table: AnyTable, index: int | str, ax: Axes | None = None) -> Axes:
    """Draw an architecture of a table as a graph; return the axes.

    >>> draw("nats-topology", 1462).figure.savefig("cell.pdf")

    Args:
        table: as for `network`.
        index: official index, or string.
        ax: empty axes to draw on; None for a figure of its own.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: unknown architecture, or the space has no drawing.
    """
    space = open_table(table).space
    found = architecture_index(space, str(index))
    if ax is None:
        return architecture_figure(space, found).axes[0]
    draw_architecture(ax, space, found)
    return ax
