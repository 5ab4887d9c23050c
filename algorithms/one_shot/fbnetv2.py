"""FBNetV2: features of the full width, times the mean of all widths' masks under a Gumbel softmax."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from algorithms.one_shot.gdas import gumbel_noise
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.size_search import TemperedSizeSearch
from algorithms.one_shot.supernets import WidthMasks


@register_one_shot
class FBNetV2(TemperedSizeSearch):
    """Section 3.1 of the paper, channel masking; its search for the resolution is left out."""

    name = "fbnetv2"
    title = "FBNetV2"
    paper = "Wan et al., FBNetV2: Differentiable NAS for Spatial and Channel Dimensions, CVPR 2020, arXiv 2004.05565"
    digits: ClassVar = {"epochs": 18, "batch": 32, "rate": 0.1, "arch_rate": 0.01}

    def _sample(self, purpose: str) -> WidthMasks:
        rows = self.supernet.of_modules(self.log_odds)  # [module, width]
        noise = self.drawn(purpose, partial(gumbel_noise, rows.shape)).to(rows)
        g = ((rows + noise) / self.config.tau(self.epoch)).softmax(dim=1)  # Gumbel softmax of section 3.1: [module, width]
        return WidthMasks(g @ self.supernet.constants(g)[0])  # sum of g_i times mask i: [module, channel]
