"""One-shot searches, in the order of tables, legends and help. They need PyTorch."""

from algorithms.one_shot.search import ONE_SHOT, OneShotSearch, register_one_shot
from algorithms.one_shot.selection import SELECTIONS, Selection
from algorithms.one_shot.perturbation import Perturbation
from algorithms.one_shot.rsps import Rsps
from algorithms.one_shot.darts import DartsFirstOrder, DartsSecondOrder
from algorithms.one_shot.gdas import Gdas
from algorithms.one_shot.setn import Setn
from algorithms.one_shot.enas import Enas
from algorithms.one_shot.tas import Tas
from algorithms.one_shot.fbnetv2 import FBNetV2
from algorithms.one_shot.tunas import TuNas
from algorithms.one_shot.gaea import Gaea
from algorithms.one_shot.single_darts import SingleDarts
from algorithms.one_shot.darts_sparsestmax import DartsSparsestmax
from algorithms.one_shot.pc_darts import PcDarts
from algorithms.one_shot.mdenas import MdeNasOneShot
from algorithms.one_shot.darts_pt import DartsPt, DartsPtFixed
from algorithms.one_shot.sdarts_rs import SdartsRs
from algorithms.one_shot.ms_darts import MsDarts

__all__ = [
    "ONE_SHOT",
    "SELECTIONS",
    "DartsFirstOrder",
    "DartsPt",
    "DartsPtFixed",
    "DartsSecondOrder",
    "DartsSparsestmax",
    "Enas",
    "FBNetV2",
    "Gaea",
    "Gdas",
    "MdeNasOneShot",
    "MsDarts",
    "OneShotSearch",
    "PcDarts",
    "Perturbation",
    "Rsps",
    "SdartsRs",
    "Selection",
    "Setn",
    "SingleDarts",
    "Tas",
    "TuNas",
    "register_one_shot",
]
