"""FBNetV2: features of the full width, times the mean of the masks of all widths under a Gumbel softmax."""

from __future__ import annotations

from algorithms.one_shot.gdas import gumbel_noise
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.size_search import SizeSearch, TemperedSizeConfig
from algorithms.one_shot.supernets.topology import WidthRule


@register_one_shot
class FBNetV2(SizeSearch):
    """Section 3.1 of the paper, channel masking; its search for the resolution is left out."""

    name = "fbnetv2"
    title = "FBNetV2"
    paper = "Wan et al., FBNetV2: Differentiable NAS for Spatial and Channel Dimensions, CVPR 2020, arXiv 2004.05565"

    Config = TemperedSizeConfig
    config: TemperedSizeConfig

    def _sample(self, purpose: str) -> WidthRule:
        rows = self.alpha[self.decisions]  # [module, width]
        noise = gumbel_noise(rows.shape, self.draws[purpose]).to(rows)
        weights = ((rows + noise) / self.config.tau(self.epoch)).softmax(dim=1)
        return WidthRule(masks=weights @ self.supernet.candidates.to(weights))
