"""BANANAS: Bayesian optimisation with an ensemble of networks on path encodings.

White et al., BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search, AAAI 2021, arXiv
1910.11858, algorithm 1, and its authors' code (naszilla/naszilla).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from algorithms.black_box.base import register
from algorithms.black_box.predictor_guided import PredictorGuidedConfig, PredictorGuidedSearch
from algorithms.black_box.predictors.base import Predictor
from algorithms.black_box.predictors.encodings import Encoding, OneHot, Ordinal, Paths
from algorithms.black_box.predictors.ensembles import Forest, Networks
from benchmark_api.bounds import at_least, positive
from benchmark_api.spaces import TopologySpace


@register
class BANANAS(PredictorGuidedSearch):
    """An ensemble of networks on the path encoding, independent Thompson sampling, and mutations of the best architectures."""

    name = "bananas"
    title = "BANANAS"
    paper = "White et al., BANANAS: Bayesian Optimization with Neural Architectures for NAS, AAAI 2021, arXiv 1910.11858"
    libraries = ("scikit-learn",)  # of the forest
    reproduce_seeds = 30

    @dataclass(frozen=True)
    class Config(PredictorGuidedConfig):
        """Hyperparameters of BANANAS."""

        encoding: Literal["paths", "one-hot", "ordinal"] | None = None
        """Encoding; by default paths in the topology space, ordinal where choices are ordered, and one-hot elsewhere."""

        predictor: Literal["networks", "forest"] = "networks"
        """Ensemble of networks, or a random forest of 100 trees."""

        members: Annotated[int, at_least(2)] = 5
        """Networks of the ensemble (M)."""

        layers: Annotated[int, at_least(1)] = 2
        """Hidden layers of a network."""

        width: Annotated[int, at_least(1)] = 20
        """Units of a hidden layer."""

        fit_epochs: Annotated[int, at_least(1)] = 150
        """Passes over the trained architectures at each fit."""

        fit_rate: Annotated[float, positive] = 0.01
        """Learning rate of the networks."""

    config: Config

    def make_encoding(self) -> Encoding:
        usual = "paths" if isinstance(self.space, TopologySpace) else "ordinal" if self.space.ordinal else "one-hot"
        encodings: dict[str, type[Encoding]] = {"paths": Paths, "one-hot": OneHot, "ordinal": Ordinal}
        return encodings[self.config.encoding or usual](self.space)

    def make_predictor(self) -> Predictor:
        config = self.config
        if config.predictor == "forest":
            return Forest(self.rng)
        return Networks(config.members, config.layers, config.width, config.fit_epochs, config.fit_rate, self.rng)
