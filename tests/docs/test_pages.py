"""Pages of documentation: links, the index, and the defaults that pages of algorithms state."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.alpha import RelaxedConfig
from tests.helpers.documents import ROOT, read

PAGES = [path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("results/*.md")]]
SEARCHES = {**BLACK_BOX, **ONE_SHOT}


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", read(str(page))):
        target = (ROOT / page.parent / path).resolve() if path else ROOT / page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"


def test_the_index_lists_all_searches_in_their_order() -> None:
    rows = re.findall(r"^\| \[`(.+)`\]\(algorithms/(.+)\.md\) \| (.+) \| (.+) \| (.+) \|$", read("docs/README.md"), re.MULTILINE)
    expected = [(name, name, search.title, "both", "black-box") for name, search in BLACK_BOX.items()]
    expected += [(name, name, search.title, search.space, "one-shot") for name, search in ONE_SHOT.items()]
    assert rows == expected


@pytest.mark.parametrize("name", SEARCHES)
def test_every_algorithm_has_a_page_with_its_defaults(name: str) -> None:
    search = SEARCHES[name]
    page = read(f"docs/algorithms/{name}.md")
    assert page.startswith("# ")
    assert f"(`{name}`)" in page.splitlines()[0]
    assert "## Deviations" in page
    assert "## Result" in page
    assert f"(../../{search.__module__.replace('.', '/')}.py)" in page
    shared = set() if name in BLACK_BOX else {field.name for field in fields(RelaxedConfig)}
    assert_states(page, asdict(search.Config()), shared)


@pytest.mark.parametrize("name", SEARCHES)
def test_pages_of_algorithms_have_the_same_parts(name: str) -> None:
    page = read(f"docs/algorithms/{name}.md")
    assert re.findall(r"^#+ (.*)$", page, re.MULTILINE)[1:] == ["Deviations", "Result"]
    source, _, rest = page.partition("\nCode: ")
    assert re.search(r"^Paper: .+?\b(19|20)\d\d\b", source, re.MULTILINE | re.DOTALL), "no paper with its year"
    if fields(SEARCHES[name].Config):
        assert re.search(r"^\| hyperparameter \| ours \| .+ \|$", rest, re.MULTILINE), (
            "no table of hyperparameters beside a source"
        )
    deviations, _, result = rest.partition("## Deviations\n\n")[2].partition("## Result\n")
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", deviations, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers or re.match("None|Those of", deviations), "neither numbered deviations nor the word that there are none"
    assert re.search("published", result, re.IGNORECASE), "nothing about published results"
    assert re.search(rf"\bmake (?:[\w+-]+ )*{re.escape(name)}(?![\w+-])", result), "no command"


def test_no_page_is_of_no_algorithm() -> None:
    assert {path.stem for path in (ROOT / "docs" / "algorithms").iterdir()} == set(SEARCHES)


def test_shared_hyperparameters_are_stated() -> None:
    assert_states(read("docs/weight-sharing.md"), asdict(RelaxedConfig()))


def assert_states(page: str, defaults: dict[str, object], optional: Collection[str] = ()) -> None:
    """Check that the rows of a page that begin with hyperparameters have these defaults in their second column, and no others.

    Args:
        page: the page.
        defaults: the hyperparameters.
        optional: hyperparameters that the page may leave out.
    """
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    stated = {}  # a row may have several names, and their values in the same order
    for names, ours, *_ in rows:
        found = re.findall(r"`(\w+)`", names)
        stated |= dict(zip(found, re.split(r", (?=\d)", ours) if len(found) > 1 else [ours], strict=True))
    assert defaults.keys() - set(optional) <= stated.keys() <= defaults.keys()
    for hyperparameter in stated:
        assert re.match(rf"{re.escape(shown(defaults[hyperparameter]))}(?![\w.])", stated[hyperparameter]), hyperparameter


def shown(value: object) -> str:
    """Return a default as pages write it."""
    if value == 1 / 3:
        return "0.3333"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
