"""RSPS: the distribution of the random paths, and the candidates that compete."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import torch
from scipy import stats

from algorithms.one_shot.rsps import random_path
from tests.helpers import tiny


def test_paths_are_uniform_but_for_nodes_of_none() -> None:
    """Chi-square over the paths of each node: 4, 24 and 124, that of `none` only is never drawn. Seeded: it cannot flicker.

    With other seeds each of the three would fail once in 10^4.
    """
    draw = torch.Generator().manual_seed(0)
    paths = [random_path(draw) for _ in range(12_000)]
    for first, last in ((0, 1), (1, 3), (3, 6)):
        counts = Counter(path[first:last] for path in paths)
        possible = [node for node in product(range(5), repeat=last - first) if any(node)]
        assert counts.keys() == set(possible)
        assert stats.chisquare([counts[node] for node in possible]).pvalue > 1e-4
    # Nodes are independent of each other: the first edge tells nothing about the last node.
    table = np.zeros((4, 124))
    index = {node: number for number, node in enumerate(node for node in product(range(5), repeat=3) if any(node))}
    for path in paths:
        table[path[0] - 1, index[path[3:]]] += 1
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_each_cell_of_each_pass_has_a_path_of_its_own() -> None:
    search = tiny.make("rsps")
    for mode in (search._weight_mode, lambda: search._evaluation_mode((0,) * 6)):
        drawn = [tuple(mode().paths) for _ in range(30)]
        assert all(len(paths) == 3 for paths in drawn)
        assert len({path for paths in drawn for path in paths}) > 80  # of 90; two alike are rare among 4 * 24 * 124
        assert mode().weights is None


def test_the_best_of_distinct_candidates_is_chosen() -> None:
    """Candidates are drawn without replacement, each is evaluated on the next batch of passes over the validation images."""
    search, twin = tiny.make("rsps", candidates=7), tiny.make("rsps")
    space, data = tiny.TASK.space, tiny.TASK.dataset
    chosen = search.derive()
    indices = torch.randperm(len(space), generator=twin.draws["evaluation"])[:7].tolist()
    batches = [batch for _ in range(3) for batch in data.batches("x-valid", 16, twin.draws["evaluation"])]  # 16, 16, 8, 16, ...
    accuracies = []
    twin.supernet.eval()
    for index, (images, labels) in zip(indices, batches, strict=False):
        logits = twin.supernet(images, twin.supernet.along(space.architecture(index)))
        accuracies.append(float((logits.argmax(dim=1) == labels).double().mean()))
    assert [len(labels) for _, labels in batches[:4]] == [16, 16, 8, 16]
    assert chosen == space.architecture(indices[accuracies.index(max(accuracies))])


def test_more_candidates_than_there_are() -> None:
    search = tiny.make("rsps", candidates=20_000)
    candidates = search.candidates()
    assert len(set(candidates)) == len(candidates) == 15_625


def test_there_is_no_architecture_to_learn() -> None:
    search = tiny.make("rsps")
    before = search.draws["validation"].get_state()
    search.train_epoch()
    assert torch.equal(search.draws["validation"].get_state(), before)
    np.testing.assert_array_equal(search.architecture_weights(), np.full((6, 5), 0.2))
