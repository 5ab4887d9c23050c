"""DARTS with sparsestmax: a gradient through the projection, its parent, and the discrete network at the end."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from algorithms.one_shot.darts_sparsestmax import DartsSparsestmax
from tests.helpers import tiny


def made(**changes: Any) -> DartsSparsestmax:
    search = tiny.make("darts-sparsestmax", **changes)
    assert isinstance(search, DartsSparsestmax)
    return search


def test_it_is_darts_with_the_relaxation_to_the_bit() -> None:
    ours = tiny.run(made(epochs=3, arch_rate=0.01))
    assert ours == tiny.run(tiny.make("darts-v1", relaxation="sparsestmax", epochs=3, arch_rate=0.01))
    assert ours != tiny.run(tiny.make("darts-v1", epochs=3, arch_rate=0.01))


def projected(alpha: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """A row on the sphere inside of the simplex, and its Jacobian: (rho / d) (I - v v') times sparsemax's of full support."""
    count = len(alpha)
    centred = torch.eye(count) - torch.full((count, count), 1 / count)  # Jacobian of sparsemax with full support
    w = centred @ alpha + 1 / count
    d = (w - 1 / count).norm()
    v = (w - 1 / count) / d
    return 1 / count + radius * v, radius / d * (torch.eye(count) - torch.outer(v, v)) @ centred


def test_the_gradient_of_a_step_is_that_of_the_formulas() -> None:
    search = made(epochs=5, radius=0.8)
    search.epoch = 1  # radius 0.2, within the simplex
    search.supernet.train()
    images, labels = batch = tiny.TASK.dataset.batch("x-valid", slice(0, 16))
    rows = [projected(row, 0.2) for row in search.alpha.detach()]
    p = torch.stack([value for value, _ in rows]).requires_grad_()
    torch.testing.assert_close(search.relax(search.alpha.detach()), p.detach(), rtol=1e-4, atol=1e-5)
    (of_p,) = torch.autograd.grad(nn.functional.cross_entropy(search.supernet(images, search.supernet.mixture(p)), labels), p)
    expected = torch.stack([jacobian.t() @ row for (_, jacobian), row in zip(rows, of_p, strict=True)])
    found = search._architecture_gradient(batch, batch)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


def test_edges_become_one_hot_at_the_circumradius() -> None:
    """Five operations at 0.894: of a linear radius up to 0.9, in the last epoch alone."""
    search = made(epochs=4, arch_rate=0.01)
    supports = []
    for _ in range(4):
        weights = search.train_epoch().arch_weights
        supports.append((weights > 0).sum(axis=1))
    assert (np.diff(supports, axis=0) <= 0).all()
    assert supports[0].min() > 1
    assert (supports[-1] == 1).all()
    assert sqrt(4 / 5) < search.config.radius
    assert search.metrics[-1].architecture == tuple(weights.argmax(axis=1))


def test_the_last_supernet_is_the_derived_network() -> None:
    search = made()
    metrics = [search.train_epoch() for _ in range(2)][-1]
    search.supernet.eval()
    images = tiny.TASK.dataset.batch("x-valid")[0]
    mixed, path = (
        search.logits(images, mode) for mode in (search._mode("evaluation"), search.supernet.along(metrics.architecture))
    )
    torch.testing.assert_close(mixed, path, rtol=1e-4, atol=1e-5)


def test_radius_zero_is_sparsemax() -> None:
    assert tiny.run(made(radius=0.0)) == tiny.run(tiny.make("darts-v1", relaxation="sparsemax"))


def test_ties_are_broken_by_the_first_numbers() -> None:
    search = made()
    assert len(set(search.alpha.flatten().tolist())) == 30
    assert float(search.alpha.detach().abs().max()) < 0.01
