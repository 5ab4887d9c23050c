"""BOHB: brackets, kernels, densities and picks; and bohb-reference against hpbandster itself where that is installed."""

from __future__ import annotations

import builtins
import importlib.util
import random
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats

from algorithms.black_box.base import Query, SearchFinished
from algorithms.black_box.bohb import BOHB, ModelHyperband
from algorithms.black_box.bohb_reference import BOHBReference
from algorithms.black_box.hyperband import Hyperband, SuccessiveHalving, bohb_brackets, hyperband_brackets, rung_epochs
from algorithms.black_box.parzen import History, KernelDensity, aitchison_aitken_kernel, ordinal_kernel
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace, all_architectures

SPACES = [TopologySpace(), SizeSpace()]
needs_hpbandster = pytest.mark.skipif(
    importlib.util.find_spec("hpbandster") is None, reason="hpbandster is not installed (make hpbandster)"
)


def additive(space: SearchSpace, architecture: Architecture, epochs: int = 12) -> float:
    """A toy accuracy in percent: every decision counts by itself, and 12 epochs are needed for the full difference."""
    worth = [np.sin(3.0 * decision + 2.0 * choice) for decision, choice in enumerate(architecture)]
    return float(50.0 + epochs * sum(worth) / len(space.cardinalities))


def drive(search: ModelHyperband | Hyperband, evaluations: int) -> list[tuple[Query, float]]:
    trajectory = []
    for _ in range(evaluations):
        query = search.ask()
        accuracy = additive(search.space, query.architecture, query.epochs or 12)
        search.tell(query, accuracy)
        trajectory.append((query, accuracy))
    return trajectory


# -- brackets --------------------------------------------------------------------------------------------------------------


def sizes(brackets: list[Any]) -> list[list[tuple[int, int]]]:
    return [[tuple(rung) for rung in bracket] for bracket in brackets]


def test_rungs_are_whole_epochs() -> None:
    assert rung_epochs(1, 12, 3) == [1, 4, 12]
    assert rung_epochs(2, 12, 3) == [4, 12]
    assert rung_epochs(1, 200, 3) == [2, 7, 22, 66, 200]  # 2.47, 7.41, 22.2, 66.7, 200
    assert rung_epochs(1, 27, 3) == [1, 3, 9, 27]  # an exact power is not lost to rounding
    assert rung_epochs(12, 12, 3) == [12]


def test_brackets_of_the_paper() -> None:
    assert sizes(hyperband_brackets(1, 12, 3)) == [[(9, 1), (3, 4), (1, 12)], [(5, 4), (1, 12)], [(3, 12)]]
    # Table 1 of the paper: R = 81, eta = 3.
    assert sizes(hyperband_brackets(1, 81, 3)) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


def test_brackets_of_hpbandster() -> None:
    assert sizes(bohb_brackets(1, 12, 3)) == [[(9, 1), (3, 4), (1, 12)], [(3, 4), (1, 12)], [(3, 12)]]


@needs_hpbandster
@pytest.mark.parametrize(("low", "high", "eta"), [(1, 12, 3), (1, 81, 3), (1, 90, 3), (3, 200, 3), (1, 90, 2), (1, 200, 4)])
def test_brackets_equal_those_of_the_hpbandster_optimizer(low: int, high: int, eta: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace
        from hpbandster.optimizers import BOHB as Optimizer

        space = ConfigurationSpace()
        space.add(CategoricalHyperparameter("x", [0, 1]))
        optimizer = Optimizer.__new__(Optimizer)  # its constructor would open network connections
        optimizer.eta = eta
        optimizer.max_SH_iter = len(rung_epochs(low, high, eta))
        optimizer.budgets = high * np.power(eta, -np.linspace(optimizer.max_SH_iter - 1, 0, optimizer.max_SH_iter))
        optimizer.config_generator = type("Generator", (), {"get_config": None})()
        for number, bracket in enumerate(bohb_brackets(low, high, eta)):
            theirs = optimizer.get_next_iteration(number, {"result_logger": None})
            assert [rung.candidates for rung in bracket] == list(theirs.num_configs)
            assert [rung.epochs for rung in bracket] == [int(budget + 1e-9) for budget in theirs.budgets]


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving, BOHB, BOHBReference])
def test_the_best_of_a_rung_go_on(search: type[Hyperband]) -> None:
    trajectory = drive(search(SPACES[0], seed=3), 13)
    rungs = {epochs: [(a, q.architecture) for q, a in trajectory if q.epochs == epochs] for epochs in (1, 4, 12)}
    assert [q.epochs for q, _ in trajectory] == [1] * 9 + [4] * 3 + [12]
    for low, high in ((1, 4), (4, 12)):
        best = [architecture for _, architecture in sorted(rungs[low], reverse=True)][: len(rungs[high])]
        assert [architecture for _, architecture in rungs[high]] == best


def test_failed_evaluations_are_not_promoted() -> None:
    search = Hyperband(SPACES[0], seed=0)
    for number in range(9):  # two succeed: the next rung has these two, not three
        search.tell(search.ask(), float(number) if number in (2, 5) else float("nan"))
    for _ in range(2):
        query = search.ask()
        assert query.epochs == 4
        search.tell(query, float("nan"))
    assert search.ask().epochs == 4  # nothing is left for 12 epochs: the next bracket begins, at 4


def test_hyperband_with_one_bracket_is_successive_halving() -> None:
    assert drive(Hyperband(SPACES[0], seed=5, max_epochs=2), 30) == drive(SuccessiveHalving(SPACES[0], seed=5, max_epochs=2), 30)


def test_the_lowest_rung_must_fit_into_the_schedule() -> None:
    with pytest.raises(ValueError, match="at most the schedule's 12 epochs, got 13"):
        Hyperband(SPACES[0], Hyperband.Config(min_epochs=13), max_epochs=12)


# -- kernels and densities -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [aitchison_aitken_kernel, ordinal_kernel])
@pytest.mark.parametrize("choices", [1, 2, 5, 8])
@pytest.mark.parametrize("bandwidth", [0.01, 0.5, 0.99])
def test_kernels_are_distributions_in_which_a_match_counts_most(kernel: Any, choices: int, bandwidth: float) -> None:
    rows = kernel(choices, bandwidth)
    assert rows.shape == (choices, choices)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)
    others = rows[~np.eye(choices, dtype=bool)].reshape(choices, choices - 1)
    assert (others > 0).all()
    assert (rows.diagonal()[:, None] > others).all()


def test_kernels_by_hand() -> None:
    np.testing.assert_allclose(aitchison_aitken_kernel(5, 0.5)[1], [0.1, 0.6, 0.1, 0.1, 0.1])  # h = 0.5 · 4/5 = 0.4
    np.testing.assert_allclose(ordinal_kernel(4, 0.5)[1], np.array([4, 8, 4, 2]) / 18)


def test_density_equals_the_sum_written_out() -> None:
    rng = np.random.default_rng(0)
    kernels, data, points = rng.random((3, 4, 4)), rng.integers(4, size=(7, 3)), rng.integers(4, size=(5, 3))
    plain = [
        np.mean([np.prod([kernels[decision, datum[decision], point[decision]] for decision in range(3)]) for datum in data])
        for point in points
    ]
    np.testing.assert_allclose(KernelDensity(data, kernels)(points), plain)


class UnevenSpace(SizeSpace):
    """Decisions with 2, 5 and 3 choices, as a user's own space may have."""

    def __init__(self) -> None:
        super().__init__(layers=3)
        SearchSpace.__init__(self, (2, 5, 3))


@pytest.mark.parametrize("space", [*SPACES, UnevenSpace()])
def test_density_of_bohb_sums_to_one_and_is_what_is_drawn_from(space: SearchSpace) -> None:
    search = BOHB(space, seed=1)
    drive(search, 45 if len(space) > 30 else 26)
    search.config = BOHB.Config(num_samples=100_000)
    assert search._good is not None
    everything = np.array(list(all_architectures(space)))
    density = search._good(everything)
    assert density.sum() == pytest.approx(1.0)
    # Chi-square over the marginals: fails by chance once in 10^6 per decision, with this seed never.
    drawn = search._draw(search._good)
    for decision, cardinality in enumerate(space.cardinalities):
        expected = np.array([density[everything[:, decision] == choice].sum() for choice in range(cardinality)])
        observed = np.bincount(drawn[:, decision], minlength=cardinality)
        assert stats.chisquare(observed, expected / expected.sum() * len(drawn)).pvalue > 1e-6


def both(history: History) -> tuple[list[int], list[int]]:
    split = history.split(15)
    assert split is not None
    return split[0].ravel().tolist(), split[1].ravel().tolist()


def test_split_by_hand() -> None:
    history = History(1)
    for number, accuracy in enumerate([50.0, 90.0, -np.inf]):
        history.add((number,), accuracy)
    assert history.split(15) is None  # 2 good ones leave 1 bad one, and it takes more than there are decisions
    history.add((3,), 90.0)
    good, bad = both(history)
    assert good == [1, 3]  # equal accuracies: the first one first
    assert bad == [0, 2]  # the failed one last
    for number in range(4, 27):
        history.add((number,), float(number))
    good, bad = both(history)
    assert len(good) == 27 * 15 // 100 == 4
    assert len(bad) == 27 * 85 // 100 == 22  # both are rounded down: the worst one counts for neither
    assert good == [1, 3, 0, 26]
    assert 2 not in bad


@pytest.mark.parametrize(("space", "evaluations"), [(SPACES[0], 14), (SPACES[1], 12)])
@pytest.mark.parametrize("search", [BOHB, BOHBReference])
def test_first_model_and_move_to_higher_fidelities(search: type[ModelHyperband], space: SearchSpace, evaluations: int) -> None:
    run = search(space, seed=0)
    for _ in range(200):
        before = run._model_epochs
        [(query, _)] = drive(run, 1)
        told = len(run._histories[query.epochs or 12].scores) if (query.epochs or 12) >= before else 0
        if run._model_epochs != before:
            assert told == evaluations  # spec: 14 points for six decisions, 12 for five
            assert query.epochs == run._model_epochs > before
        if run._model_epochs == 12:
            break
    assert run._model_epochs == 12


# -- bohb ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES)
def test_bohb_trains_nothing_twice_for_as_many_epochs(space: SearchSpace) -> None:
    asked = [query for query, _ in drive(BOHB(space, seed=2), 600)]
    assert len(set(asked)) == len(asked)


def test_bohb_in_an_exhausted_space() -> None:
    space = SizeSpace(widths=(8, 16, 24), layers=2)
    search = BOHB(space, seed=0)
    asked = [query for query, _ in drive(search, 200)]
    assert len(set(asked[:9])) == 9  # the first rung takes all that there are
    assert len({query for query in asked if query.epochs == 12}) == 9


def test_bohb_prefers_what_was_good() -> None:
    # With seeds 0 to 7 the picks average 56.7 to 57.7 percent, where the space has a mean of 50.2 and a maximum of 60.2.
    space = SPACES[0]
    search = BOHB(space, BOHB.Config(random_fraction=0.0), seed=0)
    drive(search, 300)
    assert search._good is not None
    assert search._bad is not None
    picks = [additive(space, search._modelled(search._good, search._bad, 12)) for _ in range(50)]
    everything = [additive(space, architecture) for architecture in all_architectures(space)]
    assert np.mean(picks) > np.quantile(everything, 0.95)


@pytest.mark.parametrize("search", [BOHB, BOHBReference])
def test_without_the_model_bohb_is_random(search: type[BOHB] | type[BOHBReference]) -> None:
    run = search(SPACES[0], search.Config(random_fraction=1.0), seed=0)
    first = [query.architecture for query, _ in drive(run, 2000) if query.epochs == 1]
    # Chi-square of each decision against uniform: fails by chance once in 10^6 per decision, with this seed never.
    for choices in np.array(first).T:
        assert stats.chisquare(np.bincount(choices, minlength=5)).pvalue > 1e-6
    assert run._model_epochs == 12


def test_brackets_before_the_first_model_are_those_of_hyperband() -> None:
    assert drive(BOHBReference(SPACES[0], seed=4), 13) == drive(Hyperband(SPACES[0], seed=4), 13)


# -- bohb-reference --------------------------------------------------------------------------------------------------------


def test_reference_kernel_is_inverted() -> None:
    """What makes the published BOHB weak: a match may weigh less than a mismatch, even below zero."""
    search = BOHBReference(SPACES[0])
    data = np.array([[0] * 6, [4] * 6] * 4)  # deviation 2, 8 points: bandwidth 1.06 · 2 · 8^-0.1 = 1.722
    kernels = search._kernels(data)
    np.testing.assert_allclose(kernels[:, 0, 0], 1 - 1.06 * 2 * 8**-0.1)
    np.testing.assert_allclose(kernels[:, 0, 4], 1.06 * 2 * 8**-0.1 / (2 - 1))  # two choices occur
    assert (kernels[:, 0, 0] < 0).all()
    constant = search._kernels(np.zeros((8, 6), dtype=np.int64))
    np.testing.assert_allclose(constant[:, 2, 2], 0.7)  # the lower bound of the bandwidth is 0.3
    assert (constant[:, 0, 1] == np.inf).all()  # a single choice occurs


class FixedDensity:
    def __init__(self, values: list[float]) -> None:
        self._values = np.array(values)

    def __call__(self, points: Any) -> Any:
        return self._values


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("good", "bad", "pick"),
    [
        ([1.0, 2.0, 4.0, 3.0], [1.0, 1.0, 1.0, 1.0], 2),
        ([1.0, -2.0, 0.5, 0.5], [1.0, 1.0, -1.0, -1.0], 2),  # below zero counts as 1e-32; the first one on ties
        ([1.0, 2.0, 3.0, 4.0], [1.0, INF, 1.0, INF], 1),  # the first infinite ratio is taken at once
        ([1.0, 2.0, 3.0, 4.0], [INF, NAN, 1.0, 1.0], 0),
        ([INF, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0], 0),  # an infinite good density is the best there is
        ([NAN, NAN, 1.0, NAN], [1.0, 1.0, 1.0, 1.0], 2),
        ([1.0, 2.0, 1.0, 1.0], [1.0, NAN, 1.0, 1.0], 1),  # a bad density that is no number counts as 1e-32
        ([NAN, NAN, NAN, NAN], [1.0, 1.0, 1.0, 1.0], None),  # nothing to choose: a random one
        ([INF, INF, NAN, NAN], [INF, INF, 1.0, 1.0], None),
    ],
)
def test_reference_picks(good: list[float], bad: list[float], pick: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    search = BOHBReference(SPACES[0])
    points = np.arange(4)[:, None] + np.zeros((4, 6), dtype=np.int64)
    monkeypatch.setattr(search, "_draw", lambda density: points)
    monkeypatch.setattr(search, "_random", lambda epochs: "random")
    chosen: Any = search._modelled(FixedDensity(good), FixedDensity(bad), 12)  # type: ignore[arg-type]
    assert chosen == ("random" if pick is None else (pick,) * 6)


def test_reference_stops_after_its_brackets() -> None:
    search = BOHBReference(SPACES[0], BOHBReference.Config(brackets=4), seed=0)
    drive(search, 13 + 4 + 3 + 13)
    with pytest.raises(SearchFinished):
        search.ask()


def test_reference_mixes_fidelities_in_its_incumbent() -> None:
    search = BOHBReference(SPACES[0], seed=0)
    first = search.ask()
    search.tell(first, 80.0)
    while (query := search.ask()).epochs != 12:
        search.tell(query, 70.0)
    search.tell(query, 75.0)
    assert search.incumbent == first.architecture


def test_missing_hpbandster_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("hpbandster"):
            raise ModuleNotFoundError("No module named 'hpbandster'", name="hpbandster")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, "ConfigSpace", type(sys)("ConfigSpace"))
    sys.modules["ConfigSpace"].CategoricalHyperparameter = None  # type: ignore[attr-defined]
    sys.modules["ConfigSpace"].ConfigurationSpace = None  # type: ignore[attr-defined]
    with pytest.raises(ModuleNotFoundError, match=r"'hpbandster'.*make hpbandster"):
        BOHBReference(SPACES[0], BOHBReference.Config(backend="hpbandster"))


# -- against hpbandster ----------------------------------------------------------------------------------------------------


def oracle(space: SearchSpace, evaluations: int, seed: int = 0) -> tuple[BOHBReference, Any]:
    """bohb-reference and hpbandster's generator after the same evaluations, proposed by hpbandster.

    No two accuracies are equal here: hpbandster's sort leaves the order of equal ones open.
    """
    run = BOHBReference(space, BOHBReference.Config(backend="hpbandster"), seed=seed)
    own = BOHBReference(space, seed=seed + 1)
    noise = np.random.default_rng(seed)
    for _ in range(evaluations):
        query = run.ask()
        epochs = query.epochs or 12
        accuracy = additive(space, query.architecture, epochs) + noise.standard_normal()
        run.tell(query, accuracy)
        own._learn(query.architecture, epochs, accuracy)
    assert run._hpbandster is not None
    return own, run._hpbandster


@needs_hpbandster
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("evaluations", [30, 70, 150])
def test_same_model_as_hpbandster(space: SearchSpace, evaluations: int) -> None:
    own, backend = oracle(space, evaluations)
    models = backend.generator.kde_models
    assert own._model_epochs == int(max(models))
    points = np.array([space.sample(own.rng) for _ in range(100)])
    for name, ours in (("good", own._good), ("bad", own._bad)):
        theirs = models[max(models)][name]
        assert ours is not None
        np.testing.assert_array_equal(ours.data, theirs.data)
        np.testing.assert_allclose(1 - ours.kernels[:, 0, 0], theirs.bw, rtol=1e-12)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            np.testing.assert_allclose(ours(points), theirs.pdf(points), rtol=1e-9, atol=1e-18)


@needs_hpbandster
@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "evaluations", "seed"), [(SPACES[0], 60, 1), (SPACES[0], 120, 1), (SizeSpace((8, 16, 24)), 60, 3)]
)
def test_same_proposals_as_hpbandster(space: SearchSpace, evaluations: int, seed: int) -> None:
    own, backend = oracle(space, evaluations, seed)
    ours = np.array([own._candidate(12) for _ in range(600)])
    theirs = np.array([backend.propose() for _ in range(600)])
    # Chi-square of homogeneity of every decision, and of the pairs of neighbouring decisions: at most 11 tests per case,
    # each fails by chance once in 10^5, so a case once in 9,000; with these seeds never.
    samples = [(ours[:, [d]], theirs[:, [d]]) for d in range(ours.shape[1])]
    samples += [(ours[:, [d, d + 1]], theirs[:, [d, d + 1]]) for d in range(ours.shape[1] - 1)]
    for mine, other in samples:
        counts = [Counter(map(tuple, sample.tolist())) for sample in (mine, other)]
        table = np.array([[count[key] for key in counts[0] | counts[1]] for count in counts])
        frequent = table.sum(axis=0) >= 10
        table = np.column_stack((table[:, frequent], table[:, ~frequent].sum(axis=1) + 1))
        assert stats.chi2_contingency(table).pvalue > 1e-5
    # The test has power: it tells both from uniform choices.
    uniform = np.array([space.sample(own.rng) for _ in range(600)])
    worst = min(
        stats.chi2_contingency([np.bincount(column, minlength=8) + 1 for column in (ours[:, d], uniform[:, d])]).pvalue
        for d in range(ours.shape[1])
    )
    assert worst < 1e-5


@needs_hpbandster
def test_hpbandster_stays_inside_its_adapter() -> None:
    def run() -> list[tuple[Query, float]]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return drive(BOHBReference(SPACES[0], BOHBReference.Config(backend="hpbandster"), seed=7), 40)

    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    before = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002
    trajectory = run()
    after = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002
    np.testing.assert_equal(after, before)
    np.random.seed(2)  # noqa: NPY002
    assert run() == trajectory
    assert all(type(choice) is int for query, _ in trajectory for choice in query.architecture)
