"""Results folder: finished runs as Parquet files, one row per run.

    results/SPACE/DATASET/ALGORITHM-XXXXXXXX/seeds-00000-00024.parquet

An experiment is all runs of one condition, which is everything a run depends on besides its seed and the version of the code.
XXXXXXXX is a hash of the condition. Names of folders and files only locate: every fact is in the rows, and a file whose rows do
not belong where it lies is refused. A file is written under a temporary name, synced and renamed, so a file that exists is whole.

The columns are the fields of the kind's condition, then `seed` (int64), `code_version` (string) and `wall_seconds` (float64),
then a list for each column that the kind's experiment declares (`experiments.store.kinds`). The string "manifest" of a file's
metadata is JSON: kind, schema version, interpreter, platform, libraries, path of the table.
"""

from benchmark_api.jobs.job import failure_path
from experiments.store.caution import read_caution, write_caution
from experiments.store.kinds import (
    BLACK_BOX_RUNS,
    ONE_SHOT_RUNS,
    RANKINGS,
    Condition,
    Experiment,
    OneShotCondition,
    OneShotExperiment,
    RankingCondition,
    SupernetRanking,
)
from experiments.store.read import (
    MixedCodeWarning,
    StoredPiece,
    StoreError,
    failures,
    files_below,
    last_line,
    load,
    load_searches,
    stored_pieces,
)
from experiments.store.schema import KINDS, SAME_RESULT, AnyCondition, AnyExperiment, Column, Kind
from experiments.store.write import (
    PIECE_SEEDS,
    SUPERNET_SUFFIX,
    claim,
    kept_supernet_path,
    missing_pieces,
    piece_path,
    supernet_path,
    write_piece,
)

__all__ = [
    "BLACK_BOX_RUNS", "KINDS", "ONE_SHOT_RUNS", "PIECE_SEEDS", "RANKINGS", "SAME_RESULT", "SUPERNET_SUFFIX",
    "AnyCondition", "AnyExperiment", "Column", "Condition", "Experiment", "Kind", "MixedCodeWarning", "OneShotCondition",
    "OneShotExperiment", "RankingCondition", "StoreError", "StoredPiece", "SupernetRanking", "claim", "failure_path",
    "failures", "files_below", "kept_supernet_path", "last_line", "load", "load_searches", "missing_pieces", "piece_path",
    "read_caution", "stored_pieces", "supernet_path", "write_caution", "write_piece",
]  # fmt: skip
