"""Relaxations: how real numbers become weights of choices, along the last axis."""

from __future__ import annotations

import torch
from torch import Tensor


def sparsemax(z: Tensor) -> Tensor:
    """Return the point of the simplex that is nearest to z [..., choice] (Martins & Astudillo, ICML 2016, arXiv 1602.02068)."""
    descending = z.sort(dim=-1, descending=True).values
    counts = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype, device=z.device)
    thresholds = (descending.cumsum(dim=-1) - 1) / counts  # if the first k choices have weights
    support = (descending > thresholds).sum(dim=-1, keepdim=True)  # k(z) of algorithm 1
    return (z - thresholds.gather(-1, support - 1)).clamp(min=0)


def sparsestmax(z: Tensor, radius: float) -> Tensor:
    """Return the point p of the simplex that is nearest to z [..., choice], of those with |p - 1/K| >= radius.

    At radius 0 it is sparsemax, from sqrt((K - 1) / K) on it is one-hot: 0.894 for five choices. Where sparsemax is uniform on
    its support, no direction to the sphere is better than the others, and the result is sparsemax.

    Source: Shao et al., SSN: Learning Sparse Switchable Normalization via SparsestMax, CVPR 2019, arXiv 1903.03793. Their code
    does not reduce the radius to that of a face which sparsemax has reached by itself, so points there are farther from 1/K.
    """
    choices, rounding = z.shape[-1], 8 * torch.finfo(z.dtype).eps
    p = sparsemax(z)
    support, centre = torch.ones_like(p), torch.full_like(p, 1 / choices)  # of the face of the simplex that is looked at
    square = torch.full_like(p[..., :1], radius**2)  # of the radius of the sphere around the centre, in the face
    going = p.new_ones((), dtype=torch.bool)  # whether a point was inside of each sphere so far; a tensor: no host waits for it
    for _ in range(choices - 1):  # each face has fewer choices than the one before
        direction = p - centre
        distance = direction.square().sum(dim=-1, keepdim=True)
        inside = (distance < square) & (distance > rounding**2) & going
        going = inside.any()
        scale = (square / torch.where(inside, distance, 1)).clamp(min=0).sqrt()  # out to the sphere
        farther = torch.where(support > 0, centre + scale * direction, -torch.inf)
        p = torch.where(inside, sparsemax(farther), p)
        support, former = (p > 0).to(p), centre
        centre = support / support.sum(dim=-1, keepdim=True)
        square = square - (centre - former).square().sum(dim=-1, keepdim=True)
    return p


def rising(last: float, epoch: int, epochs: int) -> float:
    """Return the radius in an epoch, counted from 0: it rises linearly from 0 to `last` in the last epoch."""
    return last * min(epoch / max(epochs - 1, 1), 1.0)
