"""Reports: full-training accuracies of the chosen architectures, next to the published table."""

from experiments.report.aggregates import AGGREGATE_FORMATS, aggregate_table, aggregates
from experiments.report.baseline import check_baseline
from experiments.report.fronts import FrontReport, FrontRow, front_reports
from experiments.report.fronts_text import FRONT_FORMATS, front_values
from experiments.report.loading import only, tables_of
from experiments.report.measures import look_up
from experiments.report.numbers import DatasetReport, Report, Row, make_report, notice_of
from experiments.report.paper import PAPER_FORMATS, paper_table
from experiments.report.rankings import Ranked, epochs_of, over_epochs, ranked, ranking_tables
from experiments.report.speedup import speedup_text
from experiments.report.text import FORMATS

__all__ = [
    "AGGREGATE_FORMATS", "FORMATS", "FRONT_FORMATS", "PAPER_FORMATS", "DatasetReport", "FrontReport", "FrontRow", "Ranked",
    "Report", "Row", "aggregate_table", "aggregates", "check_baseline", "epochs_of", "front_reports", "front_values",
    "look_up", "make_report", "notice_of", "only", "over_epochs", "paper_table", "ranked", "ranking_tables", "speedup_text",
    "tables_of",
]  # fmt: skip
