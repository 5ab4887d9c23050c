"""The field's best practices, checked on the stored runs.

Sources: Lindauer & Hutter, Best Practices for Scientific Research on NAS, JMLR 21(243), 2020, arXiv 1909.02453 [L]; Yang et al.,
NAS Evaluation is Frustratingly Hard, ICLR 2020, arXiv 1912.12522 [Y]; Li & Talwalkar, Random Search and Reproducibility for
NAS, UAI 2019, arXiv 1902.07638 [R]; Dong & Yang, NAS-Bench-201, ICLR 2020, arXiv 2001.00326, its rules for users [N].
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from experiments.analysis.statistics import MIN_RUNS
from experiments.report.formatting import span
from experiments.report.measures import TEST
from experiments.report.numbers import Report, Row
from experiments.store import AnyExperiment

AUTHOR: Literal["author"] = "author"
"""Mark of a practice that runs cannot prove: the author of a method has to say whether it is followed."""

Followed = bool | Literal["author"] | None


class Item(NamedTuple):
    """One line of the checklist.

    Attributes:
        practice: the practice and its sources.
        followed: whether the runs follow it; None where it holds for every run of this project; `AUTHOR` where only the author of
            a method that is not of this project can say.
        evidence: what the runs did.
    """

    practice: str
    followed: Followed
    evidence: str


class Evidence:
    """Stored runs as practices need them: datasets and rows of some reports, black-box experiments, and one-shot rows."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self.datasets = [dataset for report in reports for dataset in report.datasets]
        self.rows = [row for dataset in self.datasets for row in dataset.rows]
        self.black_box = [row.experiment for row in self.rows if row.experiment.kind.simulated]
        self.one_shot = [row for row in self.rows if not row.experiment.kind.simulated]
        self.own = [row for row in self.rows if not _of_this_project(row.experiment)]
        self.project = [row for row in self.rows if _of_this_project(row.experiment)]


def _of_this_project(experiment: AnyExperiment) -> bool:
    """Whether the code of a search is this project's; not so where it is unknown here."""
    search = experiment.search_class()
    return search is not None and search.__module__.partition(".")[0] == "algorithms"


def checklist(reports: Sequence[Report]) -> list[Item]:
    """Check all practices on the experiments of some reports."""
    evidence = Evidence(reports)
    return [Item(practice, *check(evidence)) for practice, check in PRACTICES.items()]


def _several_seeds(evidence: Evidence) -> tuple[bool, str]:
    runs = [row.reached.runs for row in evidence.rows]
    few = [row for row in evidence.rows if row.reached.runs < MIN_RUNS]
    return min(runs) > 1, (
        f"{span(runs)} runs of each method, seeds {_ranges(evidence.rows)}; fewer than {MIN_RUNS} runs, so neither "
        f"interval nor test: {_names(few) or 'none'}"
    )


def _same_budget(evidence: Evidence) -> tuple[bool, str]:
    budgets: defaultdict[tuple[str, str, str], set[tuple[float, int]]] = defaultdict(set)
    for experiment in evidence.black_box:
        budget = experiment.budget, getattr(experiment, "workers", 1)
        budgets[experiment.space, experiment.dataset, experiment.table_title].add(budget)
    texts = [
        f"{space}, {dataset}: {' or '.join(_budget(*budget) for budget in sorted(found))} simulated seconds"
        for (space, dataset, _), found in budgets.items()
    ]
    return all(len(found) == 1 for found in budgets.values()), "; ".join(texts) or "no black-box run"


def _budget(seconds: float, workers: int) -> str:
    return f"{seconds:,.0f}" if workers == 1 else f"{seconds:,.0f} × {workers} workers"


def _budget_kept(evidence: Evidence) -> tuple[bool, str]:
    bound = [e for e in evidence.black_box if not getattr(e.search_class(), "ignores_budget", False)]
    late = sum(map(_evaluations_past_the_budget, bound))
    return not late, f"{late} such evaluations; searches published without a budget (bohb-reference) are cut at it"


def _validation_only(evidence: Evidence) -> tuple[bool, str]:
    tested = [of for of in evidence.datasets if of.measure is TEST]
    untested = sorted({of.dataset for of in evidence.datasets if of.measure is not TEST})
    splits = {of.table.test_split(of.dataset, of.table.report_schedule) for of in tested}
    text = "searches are given x-valid alone"
    if splits:
        text += f"; reported on {' and '.join(sorted(splits))}"
    if untested:
        text += (
            f"; {', '.join(untested)}: the table has no test accuracies; held-out trials are reported, trainings that the run "
            "did not see, on the same images of x-valid"
        )
    return not untested and all("x-valid" not in split for split in splits), text


def _two_schedules(evidence: Evidence) -> tuple[bool, str]:
    schedules = {(of.dataset, of.table.search_schedule, of.table.report_schedule) for of in evidence.datasets}
    return all(short != long for _, short, long in schedules), "; ".join(
        f"{name}: searched at {short}, reported at {long} epochs" for name, short, long in sorted(schedules)
    )


def _random_search(evidence: Evidence) -> tuple[bool, str]:
    present = [any(row.experiment.algorithm == "random" for row in dataset.rows) for dataset in evidence.datasets]
    return all(present), f"random search on {sum(present)} of {len(present)} datasets; the space's mean is a row of every table"


def _hyperparameters(evidence: Evidence) -> tuple[Followed, str]:
    changed = [row for of in evidence.datasets for row in of.rows if row.experiment.deviations(of.table)]
    text = "stored with every run"
    if evidence.project:
        text += "; of this project's methods the defaults, which are the sources' and are listed in docs/algorithms"
    if changed:
        text += f", except: {_names(changed)}"
    if any(row.experiment.dataset == "digits" for row in evidence.one_shot):
        text += "; one-shot searches on digits have shorter schedules, chosen on other seeds (docs/weight-sharing.md)"
    if evidence.own:
        text += f"; how those of {_names(evidence.own)} were chosen is their author's to say"
    return (AUTHOR if evidence.own and not changed else not changed), text


def _no_special_regularisation(evidence: Evidence) -> tuple[Followed, str]:
    if not evidence.one_shot:
        return None, "no method trains a network here"
    own = [row for row in evidence.one_shot if row in evidence.own]
    text = "of this project's methods: weight decay is the same for all weights, and there is no other regularisation"
    if own:
        return AUTHOR, f"{text}; that of {_names(own)} is its author's to say"
    return None, text


def _looked_up(evidence: Evidence) -> tuple[None, str]:
    return None, f"all accuracies are of {', '.join(sorted({dataset.table.title for dataset in evidence.datasets}))}"


def _cost(evidence: Evidence) -> tuple[None, str]:
    return None, f"simulated seconds for {len(evidence.black_box)} rows, measured wall seconds for {len(evidence.one_shot)}"


def _same_machine(evidence: Evidence) -> tuple[bool, str]:
    machines = {machine for row in evidence.rows for machine in row.experiment.machines}
    timed = {machine for row in evidence.one_shot for machine in row.experiment.machines}
    combinations = "one combination" if len(machines) == 1 else f"{len(machines)} combinations"
    return len(timed) <= 1, f"{combinations} of machine and libraries, listed under environment"


def _released(evidence: Evidence) -> tuple[Followed, str]:
    versions = sorted({version for row in evidence.rows for version in row.experiment.code_versions})
    text = f"code versions, one for each search, seed, configuration and table are stored with every run: {', '.join(versions)}"
    if evidence.own:
        return AUTHOR, f"{text}; whether the code of {_names(evidence.own)} is released is its author's to say"
    return not any("not installed" in version for version in versions), f"this project; {text}"


PRACTICES: Mapping[str, Callable[[Evidence], tuple[Followed, str]]] = {
    "Several runs with different seeds, and their number reported [L, N]": _several_seeds,
    "The same budget for all methods that are compared [L, Y]": _same_budget,
    "No evaluation begins after the budget is spent": _budget_kept,
    "Chosen by validation accuracy, test accuracy looked up once at the end [L]": _validation_only,
    "Schedule of the search distinguished from that of the report [L]": _two_schedules,
    "Compared with random search and with the mean architecture [Y, R]": _random_search,
    "Hyperparameters stated, none tuned on the reported runs [L]": _hyperparameters,
    "No regularisation for a particular operation [N]": _no_special_regularisation,
    "Accuracies looked up in the table, not trained anew with other settings [N]": _looked_up,
    "Cost reported, simulated and measured time separately [L]": _cost,
    "The same hardware and software for what is compared by time [L]": _same_machine,
    "Code and seeds released [L]": _released,
}
"""The checks of all practices, in their order on the page: whether the runs follow it, as in `Item`, and what they did."""


def _names(rows: Iterable[Row]) -> str:
    return ", ".join(sorted({row.label for row in rows}))


def _ranges(rows: Iterable[Row]) -> str:
    """Seeds of all rows as text: "0 to 499; 777, 888, 999"."""
    found = set()
    for row in rows:
        seeds = row.experiment.seeds.tolist()
        consecutive = len(seeds) > 1 and seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        found.add(f"{seeds[0]} to {seeds[-1]}" if consecutive else ", ".join(map(str, seeds)))
    return "; ".join(sorted(found))


def _evaluations_past_the_budget(experiment: AnyExperiment) -> int:
    """Number of evaluations of all runs that began when the budget was already spent."""
    return int((experiment.starts >= experiment.budget).sum())
