"""Paths evaluated with prepared weights are those of the supernet."""

from __future__ import annotations

import pytest
import torch

from algorithms.one_shot.supernets import Paths
from algorithms.one_shot.supernets.topology_paths import PathEvaluator, evaluates, live
from benchmark_api.spaces import Architecture
from tests.helpers import tiny


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((3, 2, 4, 1, 2, 3), (3, 2, 4, 1, 2, 3)),
        ((3, 2, 4, 1, 2, 0), (3, 0, 0, 1, 2, 0)),  # node 2 is dead
        ((3, 2, 0, 1, 0, 3), (0, 2, 0, 1, 0, 3)),  # node 1 is dead
        ((3, 2, 4, 1, 0, 0), (0, 0, 0, 1, 0, 0)),  # both, the second because of the first
        ((0,) * 6, (0,) * 6),
    ],
)
def test_live_operations(path: Architecture, expected: Architecture) -> None:
    """Edges are 0-1, 0-2, 1-2, 0-3, 1-3 and 2-3."""
    assert live(path) == expected


def test_logits_are_those_of_the_supernet() -> None:
    search = tiny.make("rsps", rate=0.1)
    search.train_epoch()
    supernet = search.supernet.double().eval()
    images = tiny.TASK.dataset.batch("x-valid")[0].double()
    evaluate = PathEvaluator(supernet, (8, 8))
    draw = torch.Generator().manual_seed(0)
    paths = [tuple(row) for row in torch.randint(5, (60, 6), generator=draw).tolist()]
    modes = [supernet.along(path) for path in (*paths, (0,) * 6, (1,) * 6, (0, 1, 0, 0, 0, 1))]
    modes.append(Paths(paths[: supernet.cells]))  # another one in each cell
    for mode in modes:
        logits = evaluate(images, mode)
        assert logits is not None
        torch.testing.assert_close(logits, supernet(images, mode), rtol=0, atol=1e-7)


def test_other_modes_and_supernets_are_left_to_the_supernet() -> None:
    supernet = tiny.make("rsps").supernet
    images = tiny.TASK.dataset.batch("x-valid")[0]
    evaluate = PathEvaluator(supernet, (8, 8))
    assert evaluate(images, supernet.mixture(torch.ones(6, 5))) is None
    assert evaluate(images, Paths([(3,) * 6] * supernet.cells, weights=torch.ones(6, 5))) is None
    assert evaluates(supernet, (8, 8))
    assert not evaluates(supernet, (8, 10))
    assert not evaluates(supernet, (32, 32))
    assert not evaluates(tiny.make("rsps", batch_norm="running").supernet, (8, 8))
