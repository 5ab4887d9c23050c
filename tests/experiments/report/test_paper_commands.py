"""The options of `table` for a paper, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.make import RESULTS, command, output


def table(*options: object) -> str:
    return output("experiments", "table", "--results", RESULTS, "--space", "topology", *options)


def test_a_paper_table_is_written_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "table.tex"
    assert table("--layout", "paper", "--format", "latex", "--only", "random", "rea", "--only", "bohb", "--out", file) == ""
    lines = file.read_text().splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\midrule", lines.index(r"\midrule") + 1)]
    assert [line.split(" &")[0] for line in body] == ["RANDOM", "REA", "REA, population size 20", "BOHB, noise mean"]


def test_the_rows_are_in_the_order_of_the_names() -> None:
    text = table("--layout", "paper", "--only", "bohb", "random", "--against", "random")
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:4]] == ["BOHB, noise mean", "RANDOM"]
    assert "than RANDOM" in text


def test_all_data_sets_together() -> None:
    text = table("--layout", "aggregate", "--only", "random", "bohb", "--against", "random")
    assert "IQM (95 % interval)" in text
    assert "P(better than RANDOM)" in text
    csv = table("--layout", "aggregate", "--only", "random", "bohb", "--format", "csv").splitlines()
    assert len(csv) == 3


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--only", "mine"), "no stored run is of 'mine'; there are runs of bohb, bohb-reference, random, rea"),
        (("--layout", "paper", "--against", "mine"), "no row is named 'mine'; expected one of 'random', 'rea'"),
        (("--columns", "accuracy"), "unknown report column 'accuracy'; expected one of space, dataset"),
        (("--layout", "aggregate", "--columns", "seeds"), "--columns seeds with --layout aggregate; expected the layout"),
    ],
)
def test_what_is_not_there_is_named(options: tuple[str, ...], error: str) -> None:
    status, out, err = command("experiments", "table", "--results", RESULTS, "--space", "topology", *options)
    assert (status, out) == (2, "")
    assert error in err
    assert err.count("\n") == 1
