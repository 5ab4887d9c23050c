"""REINFORCE: a policy of independent softmaxes, one per decision, trained by the policy gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register
from algorithms.multinomial import inverse_transform
from benchmark_api.bounds import Bounded, at_least, between, positive
from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray


@register
class Reinforce(BlackBoxSearch):
    """One sample and one Adam step per evaluation, with a moving average of the rewards as baseline.

    The update is that of section 4 of the paper, (r - b) ∂ ln g / ∂w, with Adam as optimiser. The reward is the accuracy in
    percent, unscaled; there is no entropy term. The result is the best architecture of the history, not the most probable one
    of the final policy. Sequential: a gradient belongs to the policy that drew the sample.
    """

    name = "reinforce"
    title = "REINFORCE"
    paper = "Williams, Simple Statistical Gradient-Following Algorithms, Machine Learning 8, 1992, doi 10.1007/BF00992696"

    @dataclass(frozen=True)
    class Config(Bounded):
        """Hyperparameters of REINFORCE."""

        learning_rate: Annotated[float, positive] = 0.01
        """Step size of Adam."""

        beta1: Annotated[float, between(0, 1, "[)")] = 0.9
        """Decay of Adam's average of the gradients."""

        beta2: Annotated[float, between(0, 1, "[)")] = 0.999
        """Decay of Adam's average of the squared gradients."""

        baseline_momentum: Annotated[float, between(0, 1, "[)")] = 0.9
        """Weight of the past in the moving average of the rewards."""

        init_scale: Annotated[float, at_least(0)] = 1e-3
        """Standard deviation of the initial logits."""

    config: Config

    def _start(self) -> None:
        cardinalities = np.array(self.space.cardinalities)
        shape = (len(cardinalities), int(cardinalities.max()))
        self.logits = self.config.init_scale * self.rng.standard_normal(shape)  # [decision, choice]
        self.logits[np.arange(shape[1]) >= cardinalities[:, None]] = -np.inf  # choices that do not exist
        self._adam = Adam(shape, self.config.learning_rate, self.config.beta1, self.config.beta2)
        self._reward_average, self._weight = 0.0, 0.0  # their quotient is the bias-corrected average

    def _propose(self) -> Query:
        policy = self.policy()
        return Query(inverse_transform(policy, self.rng.random(len(policy))))

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        reward = max(evaluation.score, 0.0)  # r; the lowest accuracy for a failed evaluation
        momentum = self.config.baseline_momentum
        self._reward_average = momentum * self._reward_average + (1 - momentum) * reward
        self._weight = momentum * self._weight + (1 - momentum)
        baseline = self._reward_average / self._weight  # b; it includes the current reward, as in the reference
        self.logits -= self._adam.step(self.loss_gradient(query.architecture, reward - baseline))

    def policy(self) -> FloatArray:
        """Return the probabilities of the choices [decision, choice]; rows sum to 1."""
        exponentials = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        probabilities: FloatArray = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities

    def loss_gradient(self, architecture: Architecture, advantage: float) -> FloatArray:
        """Return the gradient of -advantage · ln p(architecture) with respect to the logits [decision, choice]."""
        gradient = self.policy()
        gradient[np.arange(len(architecture)), architecture] -= 1.0  # -∂ ln p / ∂ logits = softmax - onehot
        gradient *= advantage
        return gradient


class Adam:
    """Algorithm 1 of Kingma & Ba, ICLR 2015 (arXiv 1412.6980), with epsilon 1e-8; the learning rate is their alpha."""

    def __init__(self, shape: tuple[int, ...], learning_rate: float, beta1: float, beta2: float) -> None:
        self._learning_rate, self._beta1, self._beta2 = learning_rate, beta1, beta2
        self._mean, self._square = np.zeros(shape), np.zeros(shape)  # m and v
        self._steps = 0  # t

    def step(self, gradient: FloatArray) -> FloatArray:
        """Return the step to subtract from the parameters."""
        self._steps += 1
        self._mean += (1 - self._beta1) * (gradient - self._mean)  # m_t = beta1 · m_{t-1} + (1 - beta1) · g_t
        self._square += (1 - self._beta2) * (gradient * gradient - self._square)  # v_t = beta2 · v_{t-1} + (1 - beta2) · g_t²
        root = np.sqrt(self._square / (1 - self._beta2**self._steps)) + 1e-8  # sqrt(v̂_t) + epsilon
        step: FloatArray = self._learning_rate / (1 - self._beta1**self._steps) * self._mean / root  # alpha · m̂_t / root
        return step
