"""The HTML page: complete, self-contained, and rendered by a real browser."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.tables.table import Table
from experiments import store
from experiments.report import FORMATS, PAPER_FORMATS, make_report, paper_table
from experiments.report.checklist import AUTHOR, Item, checklist
from experiments.report.html import write_page
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
        assert run_jobs(sweep.BlackBoxJob.plan(condition, topology_table, folder, range(seeds)), processes=1) == []
    return folder


@pytest.fixture(scope="module")
def page(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, *figures = draw(results, tmp_path_factory.mktemp("figures"))
    assert path == results / "report.html"
    assert figures
    return path


class Outline(HTMLParser):
    """Which elements a page has, and that they are properly nested."""

    VOID = frozenset(["meta", "img", "br"])

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
    assert not [tag for tag, _ in found if tag in ("link", "iframe", "object")]
    assert [attrs for tag, attrs in found if tag == "script"] == [{"type": "application/json", "id": "data"}, {}]
    sources = [value for _, attrs in found for name, value in attrs.items() if name in ("src", "href")]
    assert len(sources) > 10
    assert all(value and value.startswith(("#", "data:image/webp;base64,", "data:text/")) for value in sources)
    assert "url(" not in page.read_text().partition("</style>")[0]
    assert page.stat().st_size < 3_000_000
    for word in ("http://", "https://", "fetch(", "import(", "XMLHttpRequest"):
        assert word not in page.read_text().replace("http://www.w3.org/2000/svg", "")


def test_figures_have_captions_and_text_alternatives(page: Path) -> None:
    found = outline(page).found
    images = [attrs for tag, attrs in found if tag == "img"]
    assert all(attrs["alt"] and attrs["width"] and attrs["loading"] == "lazy" for attrs in images)
    assert sum(tag == "figcaption" for tag, _ in found) == sum(tag == "figure" for tag, _ in found) > len(images) > 5
    (anytime,) = (attrs["alt"] or "" for attrs in images if (attrs["alt"] or "").startswith("Accuracy of the incumbent"))
    assert re.search(r"CIFAR-10, final means in percent: (RANDOM|REA) \d\d\.\d\d, (RANDOM|REA) \d\d\.\d\d\.", anytime)
    heads = [attrs for tag, attrs in found if tag == "th"]
    assert all(attrs["scope"] in ("row", "col") for attrs in heads)


def test_it_begins_with_who_wins(page: Path, results: Path, topology_table: Table) -> None:
    text = page.read_text()
    (row,) = (row for row in make_report(topology_table, store.load(results)).datasets[1].rows)
    summary = text.partition('<section id="summary">')[2].partition("</section>")[0]
    assert (
        f"<b>CIFAR-100: RANDOM</b>, {row.reached.mean:.2f} % test accuracy (the only one of black-box searches, n = 3)" in summary
    )
    assert "best mean of 2 black-box searches, 95 % interval" in summary
    assert "Significantly better" in summary or "No significant difference" in summary


def test_it_holds_its_numbers_as_csv_and_latex(page: Path, results: Path, topology_table: Table) -> None:
    links = {attrs["download"]: attrs["href"] or "" for tag, attrs in outline(page).found if tag == "a" and "download" in attrs}
    stem = topology_table.path.stem
    texts = {name: base64.b64decode(url.partition("base64,")[2]).decode() for name, url in links.items()}
    report = make_report(topology_table, store.load(results))
    assert texts[f"{stem}.csv"] == FORMATS["csv"]([report])
    assert texts[f"{stem}.tex"] == PAPER_FORMATS["latex"]([paper_table(report)])


def test_names_cannot_leave_their_place(topology_table: Table, results: Path, tmp_path: Path) -> None:
    (experiment,) = store.load(results, algorithm="rea")
    name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&quot;"
    page = write_page(tmp_path / "page.html", [make_report(topology_table, [replace(experiment, algorithm=name)])], {})
    found = outline(page).found
    assert sum(tag == "script" for tag, _ in found) == 2
    assert not [attrs for tag, attrs in found if tag == "img"]
    data = page.read_text().partition('id="data">')[2].partition("</script>")[0]
    assert json.loads(data)["charts"][0]["series"][0]["name"].startswith(name)


def test_its_links_lead_somewhere(page: Path) -> None:
    found = outline(page).found
    anchors = {attrs["id"] for _, attrs in found if "id" in attrs}
    targets = {(attrs["href"] or "")[1:] for tag, attrs in found if tag == "a" and "download" not in attrs}
    assert targets == {"summary", "table-1", "checklist", "settings", "environment", "provenance"}
    assert targets <= anchors


def test_it_says_what_the_runs_were(page: Path, results: Path, topology_table: Table) -> None:
    text = page.read_text()
    (experiment,) = store.load(results, algorithm="rea")
    for fact in (topology_table.notice, topology_table.fingerprint, experiment.code_versions[0], "0 to 5, 6 seeds"):
        assert fact in text
    for name, value in experiment.machines[0]:
        assert f"{name} {value}" in text.replace("&#x27;", "'")
    for name, value in json.loads(experiment.hyperparameters).items():
        assert f"{name} {json.dumps(value)}" in text


READER = Path(__file__).with_name("reader.js")


WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def read(page: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """What a reader finds at each width: the page in a frame, with a script that clicks, points and types."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    folder = tmp_path_factory.mktemp("browser")
    (folder / "inner.html").write_text(page.read_text().replace("<head>", f"<head><script>{READER.read_text()}</script>", 1))
    outer = folder / "outer.html"
    outer.write_text(
        f"""<title></title><script>
        const widths = {[*WIDTHS]}, found = {{}};
        const next = () => {{
          document.querySelector("iframe")?.remove();
          const frame = document.createElement("iframe");
          Object.assign(frame, {{ src: "inner.html", width: widths[0], height: 900, style: "border: 0" }});
          document.body.append(frame);
        }};
        addEventListener("message", (event) => {{
          found[widths.shift()] = JSON.parse(event.data);
          if (widths.length) next();
          else document.title = JSON.stringify(found);
        }});
        addEventListener("load", next);
        </script><body></body>"""
    )
    options = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync --dump-dom"
    options += " --allow-file-access-from-files --virtual-time-budget=40000 --window-size=1400,1000"
    command = [str(CHROMIUM), *options.split(), f"--user-data-dir={folder / 'profile'}", outer.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title is not None
    return {int(width): found for width, found in json.loads(unescape(title[1])).items()}


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_a_reader_sees_it_in_a_browser(width: int, page: Path, read: dict[int, dict[str, Any]]) -> None:
    found, expected = read[width], outline(page).found
    assert found["errors"] == []
    assert found["images"] == sum(tag == "img" for tag, _ in expected) > 5
    assert found["tables"] == sum(tag == "table" for tag, _ in expected)
    assert found["wide"] <= 0
    assert found["cut"] == []  # no text of a chart
    assert found["colors"] == ["rgb(255, 255, 255)", "rgb(21, 24, 28)"]


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_a_reader_uses_its_charts(width: int, read: dict[int, dict[str, Any]]) -> None:
    found = read[width]
    assert (found["lines"], found["hidden"], found["again"], found["pressed"]) == (2, 1, 2, "false")
    assert found["alone"] == [1, "true", "false"]
    assert (found["none"], found["every"]) == (0, 2)
    assert found["linear"]
    assert found["scale"] == "linear time"
    assert re.fullmatch(r"[\d,.]+ s((RANDOM|REA)\d\d\.\d\d(\d\d\.\d\d to \d\d\.\d\d)?)+", found["tip"])
    assert found["left"]
    assert found["focused"]
    assert re.match(r"2,000 s: (RANDOM|REA) \d\d\.\d\d, ", found["spoken"])
    assert float(found["before"].partition(" s")[0].replace(",", "")) < 2_000
    assert (found["read"], found["escaped"]) == (True, True)
    assert re.search(r"mean \d\d\.\d\d.*quartiles .* to .*n = 6", found["row"])


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_a_reader_uses_its_tables(width: int, page: Path, topology_table: Table, read: dict[int, dict[str, Any]]) -> None:
    found = read[width]
    assert found["up"][:-4] == sorted(found["up"][:-4])
    assert found["down"][:3] == found["up"][:3][::-1]
    assert found["sorted"] == "descending"
    numbers = [float(text.partition(" ")[0]) for text in found["numbers"][:3]]
    assert numbers == sorted(numbers, reverse=True)
    assert found["last"] == ["optimum", "space mean"]  # references stay below
    assert found["filtered"] == ["REA"]
    stem = topology_table.path.stem
    assert found["file"] == f"{stem}-accuracies.csv"
    header, *lines = csv.reader(io.StringIO(found["csv"]))
    assert header == found["head"]
    assert [line[0] for line in lines] == ["REA"]  # as filtered
    names = [attrs["download"] for tag, attrs in outline(page).found if tag == "a" and "download" in attrs]
    assert found["downloads"] == [[name, True] for name in names]
    assert {f"{stem}.csv", f"{stem}.tex"} <= {*names}


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_a_reader_sees_what_was_found_and_needs_no_mouse(width: int, read: dict[int, dict[str, Any]]) -> None:
    found = read[width]
    assert found["dialog"].startswith("|")
    assert found["drawn"] > 100
    assert found["other"][0] == found["other"][1]
    assert (found["inside"], found["closed"], found["returned"]) == (True, True, True)
    assert (found["unnamed"], found["unreachable"]) == (0, 0)


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
        run_jobs(sweep.BlackBoxJob.plan(condition, topology_table, tmp_path, range(1)), processes=1)
    found = items(topology_table, store.load(tmp_path))
    assert not found["Several runs with different seeds, and their number reported"].followed
    assert not found["The same budget for all methods that are compared"].followed
    assert not found["Compared with random search and with the mean architecture"].followed
    (first, *_) = store.load(tmp_path)
    first.seconds[:] = np.linspace(first.budget, 2 * first.budget, len(first.seconds))
    late = items(topology_table, [first])["No evaluation begins after the budget is spent"]
    assert not late.followed
    assert late.evidence.startswith(f"{len(first.seconds) - 1} such evaluations")


def test_what_concerns_a_method_of_ones_own_is_left_to_its_author(topology_table: Table, results: Path) -> None:
    experiments = [replace(experiment, budget=20_000.0) for experiment in store.load(results, dataset="cifar10")]
    names = ("Hyperparameters stated, none tuned on the reported runs", "Code and seeds released")
    found = items(topology_table, experiments)
    assert [found[name].followed for name in names] == [True, True]
    found = items(topology_table, [*experiments, replace(experiments[0], algorithm="mine")])
    assert [found[name].followed for name in names] == [AUTHOR, AUTHOR]
    assert all("mine" in found[name].evidence and "author's to say" in found[name].evidence for name in names)


def test_the_same_schedule_for_search_and_report_is_a_no(topology_table: Table, results: Path) -> None:
    (item,) = (
        item for name, item in items(topology_table, store.load(results)).items() if name.startswith("Schedule of the search")
    )
    same = topology_table.search_schedule == topology_table.report_schedule
    assert item.followed is not same
