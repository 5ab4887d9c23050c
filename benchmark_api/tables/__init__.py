"""Tables of measured architectures, and the evaluator that answers a search from one."""

from benchmark_api.tables.table import Table
from benchmark_api.tables.writer import TableWriter

__all__ = ["Table", "TableWriter"]
