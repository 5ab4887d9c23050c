"""Import of files of columns: CSV, Parquet, JSON, JSON lines, and pickles of plain data, by a mapping of their columns."""

from benchmark_api.importers.columns.importer import ColumnsImporter
from benchmark_api.importers.columns.mapping import PRESETS, ColumnMapping, load_mapping, parse_mapping

__all__ = ["PRESETS", "ColumnMapping", "ColumnsImporter", "load_mapping", "parse_mapping"]
