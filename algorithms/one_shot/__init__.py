"""One-shot searches, in the order of tables, legends and help. They need PyTorch."""

from algorithms.one_shot.search import ONE_SHOT, OneShotSearch, register_one_shot
from algorithms.one_shot.selection import SELECTIONS, Selection
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

__all__ = [
    "ONE_SHOT",
    "SELECTIONS",
    "DartsFirstOrder",
    "DartsSecondOrder",
    "DartsSparsestmax",
    "Enas",
    "FBNetV2",
    "Gaea",
    "Gdas",
    "OneShotSearch",
    "PcDarts",
    "Rsps",
    "Selection",
    "Setn",
    "SingleDarts",
    "Tas",
    "TuNas",
    "register_one_shot",
]
