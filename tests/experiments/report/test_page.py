"""The HTML page: complete, self-contained, and rendered by a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.tables.table import Table
from experiments import store
from experiments.report import make_report
from experiments.report.checklist import Item, checklist
from experiments.runs import black_box as sweep
from experiments.settings import RunSettings
from plots.__main__ import draw

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def results(topology_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "results"
    for name, dataset, seeds in (("random", "cifar10", 6), ("rea", "cifar10", 6), ("random", "cifar100", 3)):
        search = BLACK_BOX[name]
        condition = sweep.condition_of(
            search, search.Config(), topology_table, RunSettings.of(topology_table, dataset, budget=2_000)
        )
        assert run_jobs(sweep.plan(condition, topology_table, folder, range(seeds)), processes=1) == []
    return folder


@pytest.fixture(scope="module")
def page(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, *figures = draw(results, tmp_path_factory.mktemp("figures"))
    assert path == results / "report.html"
    assert figures
    return path


class Outline(HTMLParser):
    """Which elements a page has, and that they are properly nested."""

    VOID = frozenset(["meta", "img"])

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: Path) -> Outline:
    parsed = Outline()
    parsed.feed(page.read_text())
    assert parsed.open == []
    return parsed


def test_it_needs_nothing_from_elsewhere(page: Path) -> None:
    found = outline(page).found
    assert not [tag for tag, _ in found if tag in ("script", "link", "iframe", "object")]
    sources = [value for _, attrs in found for name, value in attrs.items() if name in ("src", "href")]
    assert len(sources) > 10
    assert all(value and value.startswith(("#", "data:image/svg+xml;base64,")) for value in sources)
    assert "url(" not in page.read_text().partition("</style>")[0]


def test_its_links_lead_somewhere(page: Path) -> None:
    found = outline(page).found
    anchors = {attrs["id"] for _, attrs in found if "id" in attrs}
    targets = {(attrs["href"] or "")[1:] for tag, attrs in found if tag == "a"}
    assert targets == anchors
    assert {"table-1", "checklist", "settings", "environment", "provenance"} == anchors


def test_it_says_what_the_runs_were(page: Path, results: Path, topology_table: Table) -> None:
    text = page.read_text()
    (experiment,) = store.load(results, algorithm="rea")
    for fact in (topology_table.notice, topology_table.fingerprint, experiment.code_versions[0], "0 to 5, 6 seeds"):
        assert fact in text
    for name, value in experiment.machines[0]:
        assert f"{name} {value}" in text.replace("&#x27;", "'")
    for name, value in json.loads(experiment.hyperparameters).items():
        assert f"{name} {json.dumps(value)}" in text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 380])
def test_a_browser_renders_all_of_it(width: int, page: Path, tmp_path: Path) -> None:
    """A copy of the page, with a script that counts what has a size, and asks whether it is wider than the window."""
    count = """<script>addEventListener("load", () => {
        const images = [...document.images], tables = [...document.querySelectorAll("table")];
        document.title = JSON.stringify({images: images.length, shown: images.filter(i => i.complete && i.naturalWidth > 100
            && i.getBoundingClientRect().width > 100).length, tables: tables.length,
            rows: tables.filter(t => t.rows.length > 1 && t.getBoundingClientRect().height > 30).length,
            wide: document.documentElement.scrollWidth - innerWidth});
    });</script></body>"""
    copy = tmp_path / "report.html"
    copy.write_text(page.read_text().replace("</body>", count))
    options = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync --dump-dom"
    command = [str(CHROMIUM), *options.split(), f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    done = subprocess.run([*command, copy.as_uri()], capture_output=True, text=True, timeout=180, check=True)
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title is not None
    found = json.loads(title[1].replace("&quot;", '"'))
    expected = outline(page).found
    assert found["images"] == found["shown"] == sum(tag == "img" for tag, _ in expected) > 5
    assert found["tables"] == found["rows"] == sum(tag == "table" for tag, _ in expected)
    assert found["wide"] <= 0


# -- the checklist ---------------------------------------------------------------------------------------------------------------


def items(table: Table, experiments: list[store.Experiment]) -> dict[str, Item]:
    return {item.practice.split(" [")[0]: item for item in checklist([make_report(table, experiments)])}


def test_the_checklist_is_filled_from_the_runs(topology_table: Table, results: Path) -> None:
    found = items(topology_table, store.load(results))
    several = found["Several runs with different seeds, and their number reported"]
    assert several.followed
    assert several.evidence.startswith("3 to 6 runs of each method, seeds 0 to 2; 0 to 5; fewer than 5 runs")
    assert several.evidence.endswith(": random (budget=2000.0)")
    budget = found["The same budget for all methods that are compared"]
    assert budget.followed
    assert "topology, cifar10: 2,000 simulated seconds" in budget.evidence
    assert found["Compared with random search and with the mean architecture"].followed
    tuned = found["Hyperparameters stated, none tuned on the reported runs"]
    assert not tuned.followed  # the budget is not the default one
    assert "budget=2000.0" in tuned.evidence


def test_the_checklist_notices_what_is_not_done(topology_table: Table, results: Path, tmp_path: Path) -> None:
    search = BLACK_BOX["rea"]
    for budget in (1_000, 2_000):
        condition = sweep.condition_of(
            search, search.Config(), topology_table, RunSettings.of(topology_table, "cifar10", budget=budget)
        )
        run_jobs(sweep.plan(condition, topology_table, tmp_path, range(1)), processes=1)
    found = items(topology_table, store.load(tmp_path))
    assert not found["Several runs with different seeds, and their number reported"].followed
    assert not found["The same budget for all methods that are compared"].followed
    assert not found["Compared with random search and with the mean architecture"].followed
    (first, *_) = store.load(tmp_path)
    first.seconds[:] = np.linspace(first.budget, 2 * first.budget, len(first.seconds))
    late = items(topology_table, [first])["No evaluation begins after the budget is spent"]
    assert not late.followed
    assert late.evidence.startswith(f"{len(first.seconds) - 1} such evaluations")
