"""Results in the pages of algorithms: what a block has, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.__main__ import main
from plots.pages import BEGIN, END, write_results


def run(results: Path, *arguments: str) -> None:
    main(["run", *arguments, "--table", "digits-topology", "--dataset", "digits", "--jobs", "1", "--results", str(results)])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    run(folder, "random", "--seeds", "5", "--budget", "50")
    run(folder, "rea", "--seeds", "5")
    run(folder, "rea", "--seeds", "5", "--population-size", "4")
    run(folder, "reinforce", "--seeds", "2", "--learning-rate", "0.5")
    return folder


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "algorithms").mkdir()
    for name in ("random", "rea", "reinforce"):
        (tmp_path / "algorithms" / f"{name}.md").write_text(f"# {name}\n\nText.\n")
    return tmp_path


def page(docs: Path, name: str) -> str:
    return (docs / "algorithms" / f"{name}.md").read_text()


def test_a_block_has_the_runs_with_default_settings(results: Path, docs: Path) -> None:
    files = write_results(results, docs)
    assert sorted(file.name for file in files) == ["random.md", "random.png", "rea.md", "rea.png"]
    text = page(docs, "rea")
    assert text.startswith("# rea\n\nText.\n\n" + BEGIN)
    (row,) = (line for line in text.splitlines() if line.startswith("| digits-"))
    table, dataset, measure, accuracy, interval, runs, published, random, mean = (cell.strip() for cell in row.split("|")[1:-1])
    assert (table, dataset, measure, runs, published, mean) == ("digits-topology", "digits", "test accuracy", "5", "", "55.80")
    low, high = map(float, interval.split(" to "))
    assert low < float(accuracy.split(" ± ")[0]) < high
    assert f"| {random} ± " in page(docs, "random")
    assert (docs / "figures" / "algorithms" / "rea.png").read_bytes().startswith(b"\x89PNG")
    assert page(docs, "reinforce") == "# reinforce\n\nText.\n"


def test_a_block_is_replaced_where_it_is(results: Path, docs: Path) -> None:
    path = docs / "algorithms" / "rea.md"
    path.write_text(f"# rea\n\n{BEGIN}\nold \\1\n{END}\n\nAfter.\n")
    write_results(results, docs, ["rea"])
    once = path.read_text()
    assert once.startswith(f"# rea\n\n{BEGIN}\n| table ")
    assert once.endswith(f"{END}\n\nAfter.\n")
    write_results(results, docs, ["rea"])
    assert path.read_text() == once
    assert page(docs, "random") == "# random\n\nText.\n"


def test_results_that_are_not_there(results: Path, docs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results with default settings of bohb, reinforce"):
        write_results(results, docs, ["reinforce", "bohb"])
    with pytest.raises(FileNotFoundError):
        write_results(tmp_path / "nowhere", docs)
    (docs / "algorithms" / "rea.md").unlink()
    with pytest.raises(FileNotFoundError, match=r"rea\.md"):
        write_results(results, docs, ["rea"])
