"""Reports: full-training accuracies of the chosen architectures, next to the published table."""

from experiments.report.fronts import FrontReport, FrontRow, front_reports
from experiments.report.fronts_text import FRONT_FORMATS
from experiments.report.lookup import tables_of
from experiments.report.measures import look_up
from experiments.report.numbers import DatasetReport, Report, Row, make_report, notice_of
from experiments.report.rankings import Ranked, epochs_of, over_epochs, ranked, ranking_tables
from experiments.report.speedup import speedup_text
from experiments.report.text import FORMATS

__all__ = [
    "FORMATS", "FRONT_FORMATS", "DatasetReport", "FrontReport", "FrontRow", "Ranked", "Report", "Row", "epochs_of",
    "front_reports", "look_up", "make_report", "notice_of", "over_epochs", "ranked", "ranking_tables", "speedup_text",
    "tables_of",
]  # fmt: skip
