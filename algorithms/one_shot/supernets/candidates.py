"""Evaluation of many candidates on the same images with the same weights, faster than one after another.

The file of a supernet registers the evaluation of its candidates in `CANDIDATES`; other supernets evaluate them one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from algorithms.one_shot.supernets.base import Supernet
from benchmark_api.spaces import Architecture

CANDIDATES: dict[type[Supernet], Callable[[Any, Tensor], Callable[[Architecture], Tensor] | None]] = {}
"""For supernets of exactly one class: the maker of the function from an architecture to the logits [image, class] of some images
[image, channel, height, width]. It takes supernet and images; it returns None for supernets or images that it does not know.

Architectures may be evaluated in any order; successive ones share most in ascending order.
"""
