"""Supernets: one network per space that holds all candidates, with weights that the candidates share."""

from algorithms.one_shot.supernets.base import ForwardMode, Supernet, build_supernet, initialized
from algorithms.one_shot.supernets.size import SizeSupernet, WidthMasks, WidthPairs, stretch
from algorithms.one_shot.supernets.size_candidates import WidthEvaluator
from algorithms.one_shot.supernets.size_stack import StackedSize
from algorithms.one_shot.supernets.topology import MixedCell, Mixture, Paths, TopologySupernet
from algorithms.one_shot.supernets.topology_stack import StackedTopology

__all__ = [
    "ForwardMode",
    "MixedCell",
    "Mixture",
    "Paths",
    "SizeSupernet",
    "StackedSize",
    "StackedTopology",
    "Supernet",
    "TopologySupernet",
    "WidthEvaluator",
    "WidthMasks",
    "WidthPairs",
    "build_supernet",
    "initialized",
    "stretch",
]
