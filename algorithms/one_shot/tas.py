"""TAS: two widths of each layer at a time, their features stretched to the same width and mixed."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from algorithms.one_shot.gdas import gumbel_noise
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.size_search import TemperedSizeSearch
from algorithms.one_shot.supernets import WidthPairs

FLOOR = 1e-7
"""Added to every probability so that two distinct widths can always be sampled."""


@register_one_shot
class Tas(TemperedSizeSearch):
    """Section 3.2 of the paper: the search for the width, by channel-wise interpolation; there is no search for the depth."""

    name = "tas"
    title = "TAS"
    paper = "Dong & Yang, Network Pruning via Transformable Architecture Search, NeurIPS 2019, arXiv 1905.09717"
    samples = True
    digits: ClassVar = {"epochs": 18, "batch": 32, "rate": 0.1, "arch_rate": 0.01}

    def _sample(self, purpose: str) -> WidthPairs:
        rows = self.supernet.of_modules(self.log_odds.log_softmax(dim=1))  # [module, width]
        noise = self.drawn(purpose, partial(gumbel_noise, rows.shape)).to(rows)
        logits = (rows + noise) / self.config.tau(self.epoch)  # eq. 3, without its softmax: [module, width]
        p = logits.detach().softmax(dim=1)
        drawn = self._drawn_without_replacement(p + FLOOR, 2, purpose)  # two distinct widths: [module, 2]
        weights = logits.gather(1, drawn).softmax(dim=1)  # eq. 4, over the two sampled widths: [module, 2]
        return WidthPairs(drawn, weights)
