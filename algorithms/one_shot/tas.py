"""TAS: two widths of each layer at a time, their features stretched to the same width and mixed."""

from __future__ import annotations

from typing import ClassVar

import torch

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
    digits: ClassVar = {"epochs": 18, "batch": 32, "rate": 0.1, "arch_rate": 0.01}

    def _sample(self, purpose: str) -> WidthPairs:
        rows = self.log_odds.log_softmax(dim=1)[self.supernet.decisions]  # [module, width]
        noise = gumbel_noise(rows.shape, self.draws[purpose]).to(rows)
        logits = (rows + noise) / self.config.tau(self.epoch)  # eq. 3, without its softmax: [module, width]
        p = logits.detach().softmax(dim=1).cpu()
        drawn = torch.multinomial(p + FLOOR, 2, generator=self.draws[purpose])  # two distinct widths: [module, 2]
        weights = logits.gather(1, drawn.to(self.device)).softmax(dim=1)  # eq. 4, over the two sampled widths: [module, 2]
        return WidthPairs([((first, second), q) for (first, second), q in zip(drawn.tolist(), weights, strict=True)])
