"""REINFORCE: gradient, optimiser and baseline against the formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from algorithms.black_box.reinforce import Adam, Reinforce
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace


class UnevenSpace(SizeSpace):
    """Decisions with 2, 5 and 3 choices, as a user's own space may have."""

    def __init__(self) -> None:
        super().__init__(layers=3)
        SearchSpace.__init__(self, (2, 5, 3))


def test_gradient_equals_finite_differences() -> None:
    search = Reinforce(TopologySpace(), Reinforce.Config(init_scale=0.7), seed=0)
    architecture, advantage, step = (0, 4, 2, 2, 1, 3), 1.7, 1e-6

    def loss() -> float:
        log_probabilities = np.log(search.policy())
        return -advantage * sum(log_probabilities[decision, choice] for decision, choice in enumerate(architecture))

    numeric = np.empty_like(search.logits)
    for place in np.ndindex(*search.logits.shape):
        kept = search.logits[place]
        search.logits[place] = kept + step
        above = loss()
        search.logits[place] = kept - step
        numeric[place] = (above - loss()) / (2 * step)
        search.logits[place] = kept
    np.testing.assert_allclose(search.loss_gradient(architecture, advantage), numeric, atol=1e-8)


def test_adam_equals_the_algorithm_written_out() -> None:
    rng = np.random.default_rng(0)
    adam = Adam((2, 3), learning_rate=0.05, beta1=0.8, beta2=0.95)
    first, second = [0.0] * 6, [0.0] * 6
    for t in range(1, 20):
        gradient = rng.standard_normal((2, 3)) * 10
        expected = []
        for i, g in enumerate(gradient.ravel().tolist()):
            first[i] = 0.8 * first[i] + (1 - 0.8) * g
            second[i] = 0.95 * second[i] + (1 - 0.95) * g**2
            expected.append(0.05 * (first[i] / (1 - 0.8**t)) / (math.sqrt(second[i] / (1 - 0.95**t)) + 1e-8))
        np.testing.assert_allclose(adam.step(gradient).ravel(), expected, rtol=1e-12)


def test_adam_takes_the_first_step_of_the_paper() -> None:
    """At t = 1 the step is the learning rate times the sign, whatever the scale."""
    np.testing.assert_allclose(Adam((3,), 0.01, 0.9, 0.999).step(np.array([5.0, -300.0, 0.0])), [0.01, -0.01, 0.0], rtol=1e-8)


def test_updates_equal_the_formulas_written_out() -> None:
    search = Reinforce(TopologySpace(), seed=0)
    twin = Reinforce(TopologySpace(), seed=0)  # its logits are moved by hand
    adam = Adam((6, 5), 0.01, 0.9, 0.999)
    numerator = denominator = 0.0
    for reward in (50.0, 80.0, 20.0, 65.0):
        query = search.ask()
        search.tell(query, reward)
        numerator = 0.9 * numerator + 0.1 * reward
        denominator = 0.9 * denominator + 0.1
        twin.logits -= adam.step(twin.loss_gradient(query.architecture, reward - numerator / denominator))
        np.testing.assert_allclose(search.logits, twin.logits, rtol=1e-12)


def test_first_update_is_nil() -> None:
    """The baseline contains the current reward: the first advantage is zero."""
    search = Reinforce(TopologySpace(), seed=0)
    before = search.logits.copy()
    search.tell(search.ask(), 73.0)
    np.testing.assert_allclose(search.logits, before, atol=1e-12)


@pytest.mark.parametrize("space", [TopologySpace(), UnevenSpace()])
def test_samples_follow_the_policy(space: SearchSpace) -> None:
    search = Reinforce(space, Reinforce.Config(init_scale=0.8), seed=1)
    policy = search.policy()
    np.testing.assert_allclose(policy.sum(axis=1), 1.0)
    drawn = np.array([search._propose().architecture for _ in range(10_000)])
    # Chi-square of each decision: fails by chance once in 10^6 per decision, with this seed never.
    for decision, cardinality in enumerate(space.cardinalities):
        assert (policy[decision, cardinality:] == 0).all()
        observed = np.bincount(drawn[:, decision], minlength=cardinality)
        assert stats.chisquare(observed, policy[decision, :cardinality] * 10_000).pvalue > 1e-6


def test_it_learns_and_stays_finite_with_failures() -> None:
    search = Reinforce(UnevenSpace(), Reinforce.Config(learning_rate=0.1), seed=0)
    for _ in range(500):
        query = search.ask()
        search.tell(query, float("nan") if query.architecture[0] == 0 else 50.0 + 10.0 * query.architecture[1])
    policy = search.policy()
    assert policy[0, 1] > 0.9  # the other choice always fails
    assert policy[1].argmax() == 4
