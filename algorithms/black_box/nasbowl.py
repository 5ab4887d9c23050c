"""NAS-BOWL: Bayesian optimisation with a Weisfeiler-Lehman kernel.

Ru et al., Interpretable Neural Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman Kernels, ICLR 2021, arXiv
2006.07556, and its authors' code (xingchenwan/nasbowl).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from algorithms.black_box.acquisition import AcquisitionName
from algorithms.black_box.base import register
from algorithms.black_box.predictor_guided import PredictorGuidedConfig, PredictorGuidedSearch
from algorithms.black_box.predictors.base import Predictor
from algorithms.black_box.predictors.encodings import Encoding, OneHot, Ordinal
from algorithms.black_box.predictors.weisfeiler_lehman import WeisfeilerLehman
from benchmark_api.bounds import at_least, between, positive


@register
class NASBOWL(PredictorGuidedSearch):
    """A Gaussian process with a kernel on architectures, and expected improvement."""

    name = "nasbowl"
    title = "NAS-BOWL"
    paper = "Ru et al., Interpretable NAS via Bayesian Optimisation with Weisfeiler-Lehman Kernels, ICLR 2021, arXiv 2006.07556"
    reproduce_seeds = 30

    @dataclass(frozen=True)
    class Config(PredictorGuidedConfig):
        """Hyperparameters of NAS-BOWL."""

        batch: Annotated[int, at_least(1)] = 1
        """Architectures that are chosen by one model; the paper has 5."""

        acquisition: AcquisitionName = "ei"
        """Independent Thompson sampling, expected improvement, mean plus half a deviation, or mean."""

        random_share: Annotated[float, between(0, 1)] = 0.5
        """Share of the candidates that are random."""

        kernel: Literal["wl", "hamming", "ordinal"] = "wl"
        """Weisfeiler-Lehman, share of equal decisions, or similarity of ordered choices."""

        iterations: Annotated[int, between(0, 3)] = 2
        """Iterations of the Weisfeiler-Lehman kernel (h)."""

        max_noise: Annotated[float, positive] = 1.0
        """Largest ratio of the variances of noise and signal."""

    config: Config

    def make_encoding(self) -> Encoding:
        if self.config.kernel == "wl":
            return WeisfeilerLehman(self.space, self.config.iterations)
        return OneHot(self.space) if self.config.kernel == "hamming" else Ordinal(self.space)

    def make_predictor(self) -> Predictor:
        from algorithms.black_box.predictors.gaussian_process import GaussianProcess  # it imports SciPy

        return GaussianProcess(self.config.max_noise)
