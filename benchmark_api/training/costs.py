"""Parameters and multiply-accumulates of all architectures of a space, by formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from benchmark_api.spaces import EDGES, OPERATIONS, Architecture, SearchSpace
from benchmark_api.training.networks import Skeleton, reduction_blocks
from benchmark_api.types import IntArray


@dataclass(frozen=True, eq=False)
class Costs:
    """Costs of architectures: of a space in the official order, or of some in the order in which they are given.

    Attributes:
        params: trainable parameters [architecture].
        flops: multiply-accumulates of convolutions and linear layers for one image [architecture].
    """

    params: IntArray
    flops: IntArray


def space_costs(space: SearchSpace, skeleton: Skeleton, image_size: int) -> Costs:
    """Return the costs of every architecture of a space; arguments and errors are those of `costs_of`."""
    return costs_of(space, [space.architecture(index) for index in range(len(space))], skeleton, image_size)


def costs_of(space: SearchSpace, architectures: Sequence[Architecture], skeleton: Skeleton, image_size: int) -> Costs:
    """Return the costs of some architectures of a space, for images of `image_size` pixels a side.

    Raises:
        ValueError: images are smaller than 8 pixels, or skeleton and space do not fit.
    """
    if image_size < 8:
        raise ValueError(f"images must have at least 8 pixels a side, got {image_size}")
    widths = np.array([skeleton.widths(space, a) for a in architectures], dtype=np.int64).T  # [block, architecture]
    reductions = reduction_blocks(len(widths))
    cells = np.array([space.cell(a) for a in architectures])  # [architecture, edge]
    from_input = np.array([source == 0 for _, source in EDGES])
    first, later = (  # number of edges from the input and from other nodes [architecture], by operation
        {name: (cells[:, edges] == choice).sum(axis=1) for choice, name in enumerate(OPERATIONS)}
        for edges in (from_input, ~from_input)
    )
    resized = first["skip_connect"] + first["avg_pool_3x3"]  # these edges have a 1x1 convolution if the width changes
    params = flops = np.zeros(len(architectures), dtype=np.int64)
    pixels = image_size**2

    def add(count: IntArray | int, kernel_size: int, c_in: IntArray | int, c_out: IntArray, normalized: bool = True) -> None:
        """Add `count` convolutions without bias, with or without a batch normalisation each."""
        nonlocal params, flops
        weights = count * kernel_size**2 * c_in * c_out
        params = params + weights + count * 2 * c_out * normalized
        flops = flops + weights * pixels

    add(1, 3, skeleton.input_channels, widths[0])
    for block, (c_in, c_out) in enumerate(zip((widths[0], *widths), widths, strict=False)):
        if block in reductions:
            image_size = ceil(image_size / 2)
            pixels = image_size**2
            add(1, 3, c_in, c_out)
            add(1, 3, c_out, c_out)
            add(1, 1, c_in, c_out, normalized=False)
        else:
            add(first["nor_conv_3x3"], 3, c_in, c_out)
            add(first["nor_conv_1x1"] + resized * (c_in != c_out), 1, c_in, c_out)
            add(later["nor_conv_3x3"], 3, c_out, c_out)
            add(later["nor_conv_1x1"], 1, c_out, c_out)
    classifier = (widths[-1] + 1) * skeleton.classes
    return Costs(params + 2 * widths[-1] + classifier, flops + classifier)
