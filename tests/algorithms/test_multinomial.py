"""The update of MdeNAS: the examples of its sources, its invariants, and the authors' loop written out."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.multinomial import Multinomial, MultinomialConfig
from benchmark_api.types import FloatArray


def moved(theta: float, counts: list[float], accuracies: list[float], **options: object) -> list[float]:
    """Return the probabilities of a decision after its comparisons, all of them equal before."""
    multinomial = Multinomial((len(counts),), MultinomialConfig(**options))
    return multinomial._moved([theta] * len(counts), counts, accuracies)


@pytest.mark.parametrize(("strict", "expected"), [(False, (1 / 3, 0.94 / 3, 1.06 / 3)), (True, (1.03 / 3, 0.94 / 3, 1.03 / 3))])
def test_figure_3_of_the_paper(strict: bool, expected: tuple[float, ...]) -> None:
    """The third choice was sampled as often as the first and is more accurate: only the authors' code compares the two."""
    assert moved(1 / 3, [10, 15, 10], [0.45, 0.12, 0.56], strict=strict) == pytest.approx(expected)


def test_five_choices_by_hand() -> None:
    assert moved(0.2, [3, 0, 2, 2, 1], [0.5, 0, 0.6, 0.4, 0.3]) == pytest.approx([0.19, 0.20, 0.22, 0.19, 0.20])


def test_equal_accuracies_move_nothing() -> None:
    assert moved(0.25, [4, 0, 2, 1], [0.5, 0.5, 0.5, 0.5]) == [0.25] * 4


def test_a_choice_that_was_never_sampled_neither_gains_nor_loses() -> None:
    assert moved(0.2, [0, 3, 1, 2, 2], [0, 0.7, 0.2, 0.4, 0.3])[0] == 0.2


def test_a_choice_that_dominates_gains_a_step_of_each_other_one_until_it_has_all() -> None:
    multinomial = Multinomial((4,), MultinomialConfig(step=0.02))
    theta = [0.25] * 4
    for update in range(1, 20):
        theta = multinomial._moved(theta, [1, 1, 1, 1], [0.2, 0.2, 0.9, 0.2])
        assert theta[2] == pytest.approx(min(1.0, 0.25 + 3 * 0.02 * update))
        assert sum(theta) == pytest.approx(1)
    assert theta == pytest.approx([0, 0, 1, 0], abs=1e-12)


def test_a_choice_without_probability_can_be_refilled() -> None:
    multinomial = Multinomial((2,), MultinomialConfig(step=0.1))
    assert multinomial._moved([0.0, 1.0], [2, 3], [0.8, 0.1]) == pytest.approx([0.1, 0.9])


def by_the_authors(theta: FloatArray, e: FloatArray, a: FloatArray, eta: float) -> None:
    """The authors' loop over all decisions (XNAS, MDENAS.py), written out; theta changes."""

    def move(row: FloatArray, source: int, target: int) -> None:
        if row[source] > eta:
            row[source] -= eta
            row[target] += eta
        else:
            row[target] += row[source]
            row[source] = 0

    for row, counts, accuracies in zip(theta, e, a, strict=True):
        for i in range(len(row)):
            for j in range(i + 1, len(row)):
                if counts[i] >= counts[j] and accuracies[i] < accuracies[j]:
                    move(row, i, j)
                if counts[i] <= counts[j] and accuracies[i] > accuracies[j]:
                    move(row, j, i)


@pytest.mark.parametrize("step", [0.01, 0.15])
def test_a_run_equals_the_authors_loop(step: float) -> None:
    rng = np.random.default_rng(0)
    multinomial = Multinomial((5,) * 6, MultinomialConfig(step=step))
    theta, e, a = np.full((6, 5), 0.2), np.zeros((6, 5)), np.zeros((6, 5))
    for _ in range(60):
        architecture = multinomial.at(rng.random(6))
        accuracy = float(rng.integers(3))  # with ties
        multinomial.learn(architecture, accuracy)
        for edge, choice in enumerate(architecture):
            e[edge, choice] += 1
            a[edge, choice] = accuracy
        by_the_authors(theta, e, a, step)
        np.testing.assert_allclose(multinomial.theta, theta, rtol=0, atol=1e-12)
        np.testing.assert_allclose(multinomial.theta.sum(axis=1), 1, rtol=0, atol=1e-12)
        assert (multinomial.theta >= 0).all()
    assert multinomial.most_likely() == tuple(theta.argmax(axis=1))


def test_the_papers_form_is_its_formula() -> None:
    """p_i += eta (#{j: e_i < e_j, a_i > a_j} - #{j: e_i > e_j, a_i < a_j}), where no probability ends at 0."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        e, a = rng.integers(4, size=5).tolist(), (rng.integers(4, size=5) / 4).tolist()
        gains = [
            sum(e[i] < e[j] and a[i] > a[j] for j in range(5)) - sum(e[i] > e[j] and a[i] < a[j] for j in range(5))
            for i in range(5)
        ]
        expected = [0.2 + 0.01 * gain for gain in gains]
        assert moved(0.2, e, a, strict=True) == pytest.approx(expected)


def test_samples_follow_the_probabilities() -> None:
    multinomial = Multinomial((2, 3), MultinomialConfig())
    assert multinomial.theta.tolist() == [[0.5, 0.5, 0.0], pytest.approx([1 / 3] * 3)]
    multinomial.theta[:] = [[0.0, 1.0, 0.0], [0.25, 0.5, 0.25]]
    uniforms = [0.0, 0.2499, 0.25, 0.7499, 0.75, np.nextafter(1, 0)]
    assert [multinomial.at(np.array([number, number])) for number in uniforms] == [(1, c) for c in (0, 0, 1, 1, 2, 2)]


def test_choices_that_do_not_exist_stay_without_probability() -> None:
    rng = np.random.default_rng(2)
    multinomial = Multinomial((2, 5, 3), MultinomialConfig(step=0.1))
    for _ in range(50):
        architecture = multinomial.at(rng.random(3))
        multinomial.learn(architecture, 10.0 * sum(architecture))
    assert (multinomial.theta[[0, 0, 0, 2, 2], [2, 3, 4, 3, 4]] == 0).all()
    assert multinomial.most_likely() == (1, 4, 2)
