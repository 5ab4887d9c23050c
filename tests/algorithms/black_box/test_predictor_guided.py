"""Parts of predictor-guided searches: acquisition by numerical integrals, candidates, and the loop of a search made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from algorithms.black_box import SearchFinished
from algorithms.black_box.acquisition import ACQUISITIONS
from algorithms.black_box.candidates import Mutations, WholeSpace, classes_of
from algorithms.black_box.predictor_guided import PredictorGuidedConfig, PredictorGuidedSearch
from algorithms.black_box.predictors.encodings import OneHot
from algorithms.black_box.predictors.gaussian_process import GaussianProcess
from algorithms.black_box.predictors.weisfeiler_lehman import WeisfeilerLehman
from benchmark_api.spaces import Architecture, SizeSpace, TopologySpace
from tests.helpers.additive import assert_finds_the_best, trained

TOPOLOGY, SIZE = TopologySpace(), SizeSpace()
SMALL = SizeSpace(widths=(8, 16, 24), layers=3)


# -- acquisition -------------------------------------------------------------------------------------------------------


def test_expected_improvement() -> None:
    mean, deviation = np.array([0.0, 1.0, -2.0, 3.0, 3.0]), np.array([1.0, 0.5, 2.0, 0.0, 0.25])
    best = 2.5
    gains = ACQUISITIONS["ei"](mean, deviation, best, np.random.default_rng(0))
    steps = np.linspace(best, 12.0, 200_001)
    for gain, center, spread in zip(gains, mean, deviation, strict=True):
        if spread:
            density = stats.norm.pdf(steps, center, spread)
            assert gain == pytest.approx(np.trapezoid((steps - best) * density, steps), abs=1e-8)
        else:
            assert gain == max(center - best, 0.0)


def test_independent_thompson_draws_each_point_apart() -> None:
    mean, deviation = np.array([0.0, 5.0]), np.array([1.0, 2.0])
    rng = np.random.default_rng(0)
    drawn = np.array([ACQUISITIONS["its"](mean, deviation, 0.0, rng) for _ in range(4000)])
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.05)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.05


def test_bounds_and_means() -> None:
    mean, deviation = np.array([0.0, 5.0]), np.array([1.0, 2.0])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(ACQUISITIONS["mean"](mean, deviation, 0.0, rng), mean)
    np.testing.assert_array_equal(ACQUISITIONS["ucb"](mean, deviation, 0.0, rng), [0.5, 6.0])


# -- candidates --------------------------------------------------------------------------------------------------------


def test_classes_have_equal_features_and_are_the_whole_space() -> None:
    encoding = WeisfeilerLehman(TOPOLOGY, 1)
    classes = classes_of(encoding)
    assert classes_of(WeisfeilerLehman(TopologySpace(), 1)) is classes
    vectors = encoding(classes.architectures)
    assert abs(vectors - classes.features[classes.class_of]).max() == 0
    members = [classes.members(number) for number in range(len(classes.sizes))]
    np.testing.assert_array_equal(np.sort(np.concatenate(members)), np.arange(len(TOPOLOGY)))
    for number in (0, 17, len(members) - 1):
        assert (classes.class_of[members[number]] == number).all()
    for code in (0, 4711, 15_624):
        assert classes.code(tuple(classes.architectures[code].tolist())) == code


def test_the_whole_space_is_taken_once() -> None:
    rng = np.random.default_rng(0)
    candidates = WholeSpace(WeisfeilerLehman(SMALL, 0))
    taken: set[Architecture] = set()
    for _ in range(len(SMALL)):
        _, is_open = candidates.points([], rng)
        architecture = candidates.take(int(rng.choice(np.flatnonzero(is_open))), rng)
        assert architecture not in taken
        taken.add(architecture)
        candidates.exclude(architecture)
        candidates.exclude(architecture)  # without effect
    assert not candidates.points([], rng)[1].any()


def test_mutations_are_new_and_near_the_best() -> None:
    rng = np.random.default_rng(0)
    candidates = Mutations(OneHot(SIZE), number=40, parents=2, random_share=0.25)
    best = [(0, 0, 0, 0, 0), (7, 7, 7, 7, 7), (3, 3, 3, 3, 3)]
    neighbors = {neighbor for parent in best[:2] for neighbor in SIZE.neighbors(parent)}
    for neighbor in sorted(neighbors)[::2]:
        candidates.exclude(neighbor)
    points, is_open = candidates.points(best, rng)
    found = [candidates.take(point, rng) for point in range(40)]
    assert len({*found}) == 40
    assert is_open.all()
    assert {*found[:30]} <= {*sorted(neighbors)[1::2]}
    assert not {*found[30:]} & neighbors
    np.testing.assert_array_equal(points.toarray(), OneHot(SIZE)(np.array(found)).toarray())


def test_fewer_mutations_where_no_more_are_left() -> None:
    rng = np.random.default_rng(0)
    candidates = Mutations(OneHot(SMALL), number=40, parents=1, random_share=0.0)
    for index in range(20):
        candidates.exclude(SMALL.architecture(index))
    assert candidates.points([(0, 0, 0)], rng)[0].shape[0] == 7  # random ones fill up


# -- the loop ----------------------------------------------------------------------------------------------------------


class Variant(PredictorGuidedSearch):
    """A search made of parts: a variant is one class."""

    name = title = paper = "variant"

    def make_encoding(self) -> OneHot:
        return OneHot(self.space)

    def make_predictor(self) -> GaussianProcess:
        return GaussianProcess()


def variant(space: Any, seed: int = 0, **changes: Any) -> Variant:
    return Variant(space, PredictorGuidedConfig(**{"acquisition": "ei", **changes}), seed=seed)


@pytest.mark.parametrize("changes", [{}, {"pool": "all", "batch": 1}, {"acquisition": "its"}], ids=str)
def test_it_finds_the_best(changes: dict[str, Any]) -> None:
    assert_finds_the_best(variant(TOPOLOGY, **changes))


def test_the_first_are_random_and_a_batch_has_one_model() -> None:
    search, other = (variant(SIZE, seed=1, initial=7, batch=4) for _ in range(2))
    assert trained(search, 7) == trained(other, 7)
    batch = [search.ask() for _ in range(4)]  # without a result in between
    assert [query.architecture for query in batch] == trained(other, 4)


@pytest.mark.parametrize("pool", ["all", "mutations"])
def test_a_space_is_searched_to_its_end(pool: str) -> None:
    search = variant(SMALL, pool=pool, initial=3)
    assert len({*trained(search, 27)}) == 27
    with pytest.raises(SearchFinished, match="all 27 architectures are trained"):
        search.ask()


def test_nothing_is_learned_from_failures_and_equal_accuracies() -> None:
    """Architectures are random until two accuracies differ; those of failed trainings are not asked for again."""
    search, other = (variant(TOPOLOGY, initial=2) for _ in range(2))
    for number in range(40):
        queries = [each.ask() for each in (search, other)]
        assert queries[0] == queries[1]
        search.tell(queries[0], 50.0)
        other.tell(queries[1], 50.0 if number % 2 else float("nan"))


def test_a_model_is_fitted_once_for_each_batch_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed trainings, and proposals that are rejected, are no results."""
    search, sizes = variant(TOPOLOGY, initial=4, batch=5), []
    fit = search.predictor.fit
    monkeypatch.setattr(search.predictor, "fit", lambda x, y: (sizes.append(len(y)), fit(x, y)))
    for number in range(44):
        query = search.ask()
        search.tell(query, float(sum(query.architecture)) if number % 2 or number < 4 else float("nan"))
    assert sizes == [4, 9, 14, 19]


@pytest.mark.parametrize("batch", [1, 5])
def test_candidates_are_made_anew_when_all_have_failed(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """A failed one is followed by the next best of the same candidates."""
    search, made = variant(TOPOLOGY, initial=4, batch=batch, pool_size=20), []
    points = search.candidates.points
    trained(search, 4)
    monkeypatch.setattr(search.candidates, "points", lambda *arguments: (made.append(None), points(*arguments))[1])
    failed = []
    for number in range(41):
        query = search.ask()
        failed.append(query.architecture)
        search.tell(query, float("nan"))
        assert len(made) == number // 20 + 1
    assert len({*failed}) == 41
