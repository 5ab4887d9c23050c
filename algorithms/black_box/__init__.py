"""Black-box searches, in the order of tables, legends and help."""

from algorithms.black_box.base import (
    BLACK_BOX,
    BlackBoxSearch,
    Evaluation,
    NoConfig,
    Query,
    ResultsPending,
    SearchFinished,
    register,
)
from algorithms.black_box.random_search import RandomSearch
from algorithms.black_box.regularized_evolution import RegularizedEvolution
from algorithms.black_box.reinforce import Reinforce
from algorithms.black_box.local_search import LocalSearch
from algorithms.black_box.hyperband import Hyperband, SuccessiveHalving
from algorithms.black_box.bohb import BOHB
from algorithms.black_box.bohb_reference import BOHBReference
from algorithms.black_box.asha import ASHA
from algorithms.black_box.bananas import BANANAS
from algorithms.black_box.nasbowl import NASBOWL
from algorithms.black_box.autoshrink import AutoShrink
from algorithms.black_box.mdenas import MdeNas
from algorithms.black_box.early_stopping import EarlyStopping, RandomSRM, ReinforceSRM
from algorithms.black_box.f_hyperband import FHyperband
from algorithms.black_box.mobster import MOBSTER
from algorithms.black_box.nsga2 import NSGA2
from algorithms.black_box.mo_rea import MultiObjectiveEvolution
from algorithms.black_box.mo_local_search import ParetoLocalSearch

__all__ = [
    "ASHA",
    "BANANAS",
    "BLACK_BOX",
    "BOHB",
    "MOBSTER",
    "NASBOWL",
    "NSGA2",
    "AutoShrink",
    "BOHBReference",
    "BlackBoxSearch",
    "EarlyStopping",
    "Evaluation",
    "FHyperband",
    "Hyperband",
    "LocalSearch",
    "MdeNas",
    "MultiObjectiveEvolution",
    "NoConfig",
    "ParetoLocalSearch",
    "Query",
    "RandomSRM",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "ReinforceSRM",
    "ResultsPending",
    "SearchFinished",
    "SuccessiveHalving",
    "register",
]
