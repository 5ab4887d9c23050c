"""Commands that print: `list`, `table`, `fronts`, `speedup`, `status` and `verify`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from algorithms.black_box import BLACK_BOX
from benchmark_api.bounds import at_least, between
from benchmark_api.commands.options import Option, Several, flat
from benchmark_api.commands.printing import print_line
from benchmark_api.ending import tell
from benchmark_api.jobs.files import whole_file
from experiments import store
from experiments.analysis.trajectories import Readout
from experiments.commands.options import ResultsOptions, SeedCount, StoredTableOptions, given
from experiments.settings import LAST_SEED, MAX_SEEDS

if TYPE_CHECKING:
    from experiments.report import Report


@dataclass(frozen=True, kw_only=True)
class ListCommand:
    """List the searches with their papers and default hyperparameters."""

    examples: ClassVar[tuple[str, ...]] = ("list", "list --names black-box")

    names: Option[str] = None
    """Print only the names of `black-box` or `one-shot` searches, of black-box searches that can do with full trainings
    (`full-training`), or of the one-shot searches of a space (topology, size)."""

    def __call__(self) -> int:
        if self.names in ("black-box", "full-training"):
            every = self.names == "black-box"
            wanted = [name for name, search in BLACK_BOX.items() if every or search.without_fidelities(1) is not None]
            print("\n".join(wanted))
            return 0
        from algorithms.one_shot import ONE_SHOT

        if self.names is not None:
            names = [name for name, search in ONE_SHOT.items() if self.names in ("one-shot", search.space)]
            if not names:
                known = "black-box, full-training, one-shot or the space of a one-shot search"
                raise ValueError(f"names must be {known}, got {self.names!r}")
            print("\n".join(names))
            return 0
        searches: list[tuple[Any, str]] = [(search, "black-box, topology and size space") for search in BLACK_BOX.values()]
        searches += [(search, f"one-shot, {search.space} space") for search in ONE_SHOT.values()]
        for search, kind in searches:
            defaults = ", ".join(f"{option}={value}" for option, value in asdict(search.Config()).items())
            print(f"{search.name}\n  {search.title}, {kind}\n  {search.paper}\n  {defaults or 'no hyperparameters'}")
        return 0


@dataclass(frozen=True, kw_only=True)
class TableCommand(StoredTableOptions):
    """Print the stored results next to the published table, with intervals and significance; or a table for a paper."""

    examples: ClassVar[tuple[str, ...]] = ("table", "table --layout paper --against mine --format latex --out table.tex")

    space: Option[str] = None
    """Only this search space (topology, size)."""
    dataset: Option[str] = None
    """Only this dataset."""
    report_on: Option[str] = None
    """Datasets, joined by commas, on which architectures found on others are reported as well (transfer)."""
    format: Literal["markdown", "latex", "csv"] = "markdown"
    """Output format."""
    layout: Literal["report", "paper", "aggregate"] = "report"
    """Everything (`report`), methods x datasets with the best in bold (`paper`), or interquartile means over all datasets with
    stratified bootstrap intervals (`aggregate`)."""
    only: Several = ()
    """Only these searches, e.g. rea, or configurations, e.g. "rea (population_size=20)"; a paper's rows have this order."""
    against: Option[str] = None
    """Test every other row against this search, with Holm's correction over these tests alone."""
    columns: Several = ()
    """Only these columns, by their names in CSV, e.g. test_mean test_regret."""
    out: Option[Path] = None
    """File to write instead of printing."""
    protocol: Readout = "step"
    """Final value of a run: the incumbent at the budget (`step`), or the value read by the paper's script (`reference`)."""

    def __call__(self) -> int:
        from experiments.report.loading import load_reports  # only the commands that need it wait for it

        filters = given(space=self.space, dataset=self.dataset)
        others = self.report_on.split(",") if self.report_on else []
        reports, left_out = load_reports(self.results, self.table, flat(self.only), self.protocol, filters, others)
        text = self._text(reports)
        if self.out is None:
            print(text, end="")
        else:
            with whole_file(self.out) as file:
                file.write(text.encode())
        if left_out:
            tell(f"left out: {', '.join(left_out)} (several objectives): `fronts` prints them")
        return 0

    def _text(self, reports: Sequence[Report]) -> str:
        """The table in its layout and format."""
        from experiments.report import AGGREGATE_FORMATS, FORMATS, PAPER_FORMATS, aggregate_table, check_baseline, paper_table

        if self.against is not None:
            check_baseline(reports, self.against)
        columns, order = flat(self.columns), flat(self.only)
        if self.layout == "paper":
            return PAPER_FORMATS[self.format]([paper_table(report, self.against, columns, order) for report in reports])
        if self.layout == "aggregate":
            if columns:
                raise ValueError(f"--columns {' '.join(columns)} with --layout aggregate; expected the layout report or paper")
            return AGGREGATE_FORMATS[self.format]([aggregate_table(report, self.against) for report in reports])
        return FORMATS[self.format](reports, self.against, columns)


@dataclass(frozen=True, kw_only=True)
class FrontsCommand(StoredTableOptions):
    """Print how far the fronts that black-box searches found are from the exact front of accuracy against metrics."""

    examples: ClassVar[tuple[str, ...]] = ("fronts --objectives params",)

    space: Option[str] = None
    """Only this search space (topology, size)."""
    dataset: Option[str] = None
    """Only this dataset."""
    objectives: Several = ()
    """Metrics that are the objectives besides accuracy, e.g. latency@pixel3, or several of them; by default those of the stored
    searches with several objectives."""
    format: Literal["markdown", "latex", "csv"] = "markdown"
    """Output format."""

    def __call__(self) -> int:
        from experiments.report import FRONT_FORMATS, front_reports, tables_of

        experiments = store.load(self.results, **given(space=self.space, dataset=self.dataset))
        if not experiments:
            raise ValueError(f"{self.results} holds no such run")
        groups = [front_reports(table, group, self.objectives) for table, group in tables_of(experiments, self.table)]
        if not any(groups):
            raise ValueError(f"no search in {self.results} has several objectives; name some for all searches with --objectives")
        print(FRONT_FORMATS[self.format]([reports for reports in groups if reports]), end="")
        return 0


@dataclass(frozen=True, kw_only=True)
class SpeedupCommand(StoredTableOptions):
    """Print how much less simulated time a search takes than another one to reach the mean accuracy that the latter ends with."""

    examples: ClassVar[tuple[str, ...]] = (
        "speedup --algorithm bohb --baseline random",
        "speedup --algorithm random+srm --baseline random --after 50",
    )

    algorithm: str
    """The search."""
    baseline: str
    """The other search; its mean final accuracy is the target."""
    dataset: Option[str] = None
    """Only this dataset."""
    after: Annotated[int, at_least(0)] = 0
    """Print the speed-up without the first trainings of each run, too, e.g. the burn-in of early stopping."""

    def __call__(self) -> int:
        from experiments.report import speedup_text, tables_of

        found = store.load(self.results, **given(dataset=self.dataset))
        found = [experiment for experiment in found if experiment.algorithm in (self.algorithm, self.baseline)]
        lines = [
            speedup_text(table, experiment, baseline, self.after)
            for table, experiments in (tables_of(found, self.table) if found else ())
            for baseline in experiments
            for experiment in experiments
            if (experiment.algorithm, baseline.algorithm) == (self.algorithm, self.baseline)
            if (experiment.dataset, experiment.schedule, experiment.budget)
            == (baseline.dataset, baseline.schedule, baseline.budget)
        ]
        if not lines:
            what = f"{self.algorithm} and {self.baseline} on the same table, dataset, schedule and budget"
            raise ValueError(f"{self.results} holds no runs of {what}")
        print("\n".join(lines))
        return 0


@dataclass(frozen=True, kw_only=True)
class StatusCommand(ResultsOptions):
    """Show the stored, missing and failed seeds of each experiment."""

    examples: ClassVar[tuple[str, ...]] = ("status --seeds 100",)

    seeds: SeedCount = 500
    """Number of seeds wanted; they count from 0."""

    def __call__(self) -> int:
        searches, supernets = store.load(self.results), store.load(self.results, store.ONE_SHOT_RUNS)
        failures = store.failures(self.results)
        under_way = [path for path in store.files_below(self.results, store.SUPERNET_SUFFIX) if not _finished(path)]
        if not (searches or supernets or failures or under_way):
            raise ValueError(f"{self.results} holds no run")
        for experiment in searches:
            missing = store.missing_pieces(experiment.seeds.tolist(), range(self.seeds), block=max(self.seeds, 1))
            ranges = ", ".join(f"{seeds.start}-{seeds.stop - 1}" if len(seeds) > 1 else f"{seeds.start}" for seeds in missing)
            state = f"missing {ranges}" if missing else "complete"
            name = experiment.label(None)  # the table may be elsewhere
            print_line(f"{experiment.space} {experiment.dataset} {name}: {len(experiment.seeds)} runs, {state}")
        for trained in supernets:
            seeds = ", ".join(map(str, trained.seeds))
            print_line(f"{trained.space} {trained.dataset} {trained.label(None)}: {len(trained.seeds)} runs, seeds {seeds}")
        for path in under_way:
            print_line(f"under way: {path}")
        for path in failures:
            print_line(f"failed: {path}: {store.last_line(path)}")
        return 0


def _finished(supernet: Path) -> bool:
    """Whether the runs of a stored supernet are stored, too."""
    return Path(str(supernet).removesuffix(store.SUPERNET_SUFFIX) + ".parquet").exists()


@dataclass(frozen=True, kw_only=True)
class VerifyCommand(StoredTableOptions):
    """Check a results folder: read every file, repeat a sample of the runs, and compare bit for bit."""

    examples: ClassVar[tuple[str, ...]] = ("verify --sample 5",)

    sample: Annotated[int, between(0, MAX_SEEDS)] = 2
    """Number of runs of each experiment to repeat."""
    one_shot: bool = False
    """Also repeat runs of one-shot searches, which trains supernets."""
    seed: Annotated[int, between(0, LAST_SEED)] = 0
    """Seed of the sample."""
    data: Option[Path] = None
    """Folder with the dataset's files, for one-shot searches; digits need none."""

    def __call__(self) -> int:
        from experiments.verify import verify

        problems, findings = 0, 0
        for finding in verify(self.results, self.sample, self.one_shot, self.seed, self.table, self.data):
            problems, findings = problems + bool(finding.problem), findings + 1
            print_line(f"{finding.what}: {finding.problem or 'ok'}{f' ({finding.checked})' if finding.checked else ''}")
        if problems:
            tell(f"error: {problems} problems in {self.results}")
        if not findings:
            raise ValueError(f"{self.results} holds no run to verify")
        return 1 if problems else 0
