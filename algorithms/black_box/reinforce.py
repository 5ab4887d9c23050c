"""REINFORCE: a policy of independent softmaxes, one per decision, trained by the policy gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from algorithms.black_box.base import BlackBoxSearch, Query, register
from benchmark_api.spaces import Architecture

Array = npt.NDArray[np.float64]


@register
class Reinforce(BlackBoxSearch):
    """One sample and one Adam step per evaluation; a moving average of the rewards is the baseline.

    The reward is the accuracy in percent, unscaled; there is no entropy term. The result is the best architecture of the
    history, not the most probable one of the final policy.
    """

    name = "reinforce"
    title = "REINFORCE"
    paper = "Williams, Simple Statistical Gradient-Following Algorithms, Machine Learning 8, 1992, doi 10.1007/BF00992696"

    @dataclass(frozen=True)
    class Config:
        """Hyperparameters of REINFORCE.

        Raises:
            ValueError: a value is out of range.
        """

        learning_rate: float = 0.01
        """Step size of Adam."""

        beta1: float = 0.9
        """Decay of Adam's average of the gradients."""

        beta2: float = 0.999
        """Decay of Adam's average of the squared gradients."""

        baseline_momentum: float = 0.9
        """Weight of the past in the moving average of the rewards."""

        init_scale: float = 1e-3
        """Standard deviation of the initial logits."""

        def __post_init__(self) -> None:
            if not self.learning_rate > 0:
                raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
            for field in ("beta1", "beta2", "baseline_momentum"):
                if not 0 <= getattr(self, field) < 1:
                    raise ValueError(f"{field} must be in [0, 1), got {getattr(self, field)}")
            if not self.init_scale >= 0:
                raise ValueError(f"init_scale must not be negative, got {self.init_scale}")

    config: Config

    def _start(self) -> None:
        cardinalities = np.array(self.space.cardinalities)
        shape = (len(cardinalities), int(cardinalities.max()))
        self.logits = self.config.init_scale * self.rng.standard_normal(shape)  # [decision, choice]
        self.logits[np.arange(shape[1]) >= cardinalities[:, None]] = -np.inf  # choices that a shorter decision lacks
        self._adam = Adam(shape, self.config.learning_rate, self.config.beta1, self.config.beta2)
        self._reward_average, self._weight = 0.0, 0.0  # bias-corrected: both decay alike

    def _propose(self) -> Query:
        cumulative = self.policy().cumsum(axis=1)  # [decision, choice]
        # Inverse transform; scaled by the last column, which rounding may leave below 1.
        threshold = self.rng.random(len(cumulative)) * cumulative[:, -1]
        return Query(tuple((cumulative <= threshold[:, None]).sum(axis=1).tolist()))

    def _observe(self, query: Query, accuracy: float) -> None:
        reward = max(accuracy, 0.0)  # a failed evaluation earns the lowest accuracy there is
        momentum = self.config.baseline_momentum
        self._reward_average = momentum * self._reward_average + (1 - momentum) * reward
        self._weight = momentum * self._weight + (1 - momentum)
        baseline = self._reward_average / self._weight  # it contains the current reward, as in the reference
        self.logits -= self._adam.step(self.loss_gradient(query.architecture, reward - baseline))

    def policy(self) -> Array:
        """Probabilities of the choices, [decision, choice]; rows sum to 1."""
        exponentials = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities

    def loss_gradient(self, architecture: Architecture, advantage: float) -> Array:
        """Gradient of -advantage · log p(architecture) with respect to the logits, [decision, choice]."""
        gradient = self.policy()
        gradient[np.arange(len(architecture)), architecture] -= 1.0  # softmax - onehot
        gradient *= advantage
        return gradient


class Adam:
    """Kingma & Ba, ICLR 2015, Algorithm 1 (arXiv 1412.6980), epsilon 1e-8.

    Args:
        shape: of the parameters.
        learning_rate: step size.
        beta1: decay of the average of the gradients.
        beta2: decay of the average of the squared gradients.
    """

    def __init__(self, shape: tuple[int, ...], learning_rate: float, beta1: float, beta2: float) -> None:
        self._learning_rate, self._beta1, self._beta2 = learning_rate, beta1, beta2
        self._mean = np.zeros(shape)
        self._square = np.zeros(shape)
        self._steps = 0

    def step(self, gradient: Array) -> Array:
        """What to subtract from the parameters."""
        self._steps += 1
        self._mean += (1 - self._beta1) * (gradient - self._mean)
        self._square += (1 - self._beta2) * (gradient * gradient - self._square)
        root = np.sqrt(self._square / (1 - self._beta2**self._steps)) + 1e-8
        step: Array = self._learning_rate / (1 - self._beta1**self._steps) * self._mean / root
        return step
