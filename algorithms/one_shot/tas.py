"""TAS: two widths of each layer at a time, their features stretched to the same width and mixed."""

from __future__ import annotations

import torch

from algorithms.one_shot.gdas import gumbel_noise
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.size_search import SizeSearch, TemperedSizeConfig
from algorithms.one_shot.supernets.topology import WidthRule

FLOOR = 1e-7
"""Added to probabilities, so that two different widths can be drawn whatever they are."""


@register_one_shot
class Tas(SizeSearch):
    """Section 3.2 of the paper: the search for the width, by channel-wise interpolation; there is no search for the depth."""

    name = "tas"
    title = "TAS"
    paper = "Dong & Yang, Network Pruning via Transformable Architecture Search, NeurIPS 2019, arXiv 1905.09717"

    Config = TemperedSizeConfig
    config: TemperedSizeConfig

    def _sample(self, purpose: str) -> WidthRule:
        rows = self.alpha.log_softmax(dim=1)[self.decisions]  # [module, width]
        noise = gumbel_noise(rows.shape, self.draws[purpose]).to(rows)
        logits = (rows + noise) / self.config.tau(self.epoch)  # eq. 3
        p = logits.detach().softmax(dim=1).cpu()
        drawn = torch.multinomial(p + FLOOR, 2, replacement=False, generator=self.draws[purpose])  # [module, 2]
        weights = logits.gather(1, drawn.to(self.device)).softmax(dim=1)  # eq. 4: over the two that were drawn
        return WidthRule(pairs=[((first, second), q) for (first, second), q in zip(drawn.tolist(), weights, strict=True)])
