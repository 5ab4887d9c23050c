"""Candidates trained as one network: a `Stack` computes the same as its `CellNetwork`s, several times as fast.

The time of a small network is dominated by the overhead of each operation. A stack runs each operation once for all candidates
that have it, and leaves out operations that do not affect the output. An operation with a zero input is kept: its normalisation
has a bias. Feature maps are [candidate, channel, row, column, image]: the batch is innermost, so copied memory is contiguous.

Candidates may differ in operations and in widths. Channels that a candidate lacks are padded and stay exactly zero: their
weights are zero, hence they are never read and their gradients are zero. Candidates do not influence each other: the gradient
of the sum of their losses consists of the gradients of the candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark_api.spaces import EDGES
from benchmark_api.training.convolution import conv3x3
from benchmark_api.training.networks import AveragePool, CellNetwork, Projection, ReductionBlock, ReLUConvBN, Zero
from benchmark_api.training.pooling import mean_2x2, mean_3x3


class Stack(nn.Module):
    """Candidates on one device with the same kinds of blocks, trained together; the stack copies the weights of the networks.

    The forward pass takes images [image, channel, row, column] and returns the pooled features [candidate, image, width] and
    the logits [candidate, image, class].

    Raises:
        ValueError: there is no network, or their blocks, classes or input channels differ.
    """

    def __init__(self, networks: Sequence[CellNetwork]) -> None:
        super().__init__()
        if not networks:
            raise ValueError("expected at least one network, got none")
        if len({_kinds(network) for network in networks}) > 1:
            raise ValueError("the networks of a stack must have the same kinds of blocks, classes and input channels")
        padded = [max(of_block) for of_block in zip(*(network.widths for network in networks), strict=True)]
        self.candidates = len(networks)
        stems: list[Any] = [network.stem for network in networks]
        self.stem = _Convolution([convolution for convolution, _ in stems], stems[0][0].in_channels, padded[0])
        self.stem_norm = _Norm([norm for _, norm in stems], padded[0])
        self.blocks = nn.ModuleList()
        for block, (c_in, c_out) in enumerate(zip((padded[0], *padded), padded, strict=False)):
            members = [network.cells[block] for network in networks]
            make = _Reduction if isinstance(members[0], ReductionBlock) else _Cell
            self.blocks.append(make(members, c_in, c_out))
        self.last_norm = _Norm([network.lastact[0] for network in networks], padded[-1])
        classifiers = [network.classifier for network in networks]
        classes = classifiers[0].out_features
        self.weight = _stacked([layer.weight for layer in classifiers], (classes, padded[-1]))
        self.bias = _stacked([layer.bias for layer in classifiers], (classes,))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.permute(1, 2, 3, 0)[None]  # [1, channel, row, column, image]
        weight = self.stem.weight.flatten(0, 1)[None]  # the input is common: one convolution with the outputs of all candidates
        x = conv3x3(x.contiguous(), weight, 1)  # [1, candidate * channel, row, column, image]
        x = self.stem_norm(x.view(self.candidates, -1, *x.shape[2:]))  # [candidate, channel, row, column, image]
        for block in self.blocks:
            x = block(x)
        features = self.last_norm(x).relu().mean(dim=(2, 3)).transpose(1, 2)  # [candidate, image, width]
        logits = torch.baddbmm(self.bias[:, None], features, self.weight.transpose(1, 2))  # [candidate, image, class]
        return features, logits


def _kinds(network: CellNetwork) -> tuple[Any, ...]:
    """Return the properties that all networks of a stack have in common."""
    return tuple(map(type, network.cells)), network.classifier.out_features, network.stem[0].in_channels


def _stacked(values: Sequence[Tensor], shape: Sequence[int], together: int = 1) -> nn.Parameter:
    """Return parameters padded with zeros and stacked as [candidate, *shape], output channels first.

    With several targets `together`, the parameters are those of [target, candidate], flattened; the output channels of all
    targets are concatenated for each candidate.
    """
    stacked = values[0].new_zeros(len(values), *shape)
    with torch.no_grad():
        for row, value in zip(stacked, values, strict=True):
            row[tuple(slice(length) for length in value.shape)] = value
    return nn.Parameter(stacked.view(together, -1, *shape).transpose(0, 1).flatten(1, 2))


# -- layers ----------------------------------------------------------------------------------------------------------------


class _Norm(nn.Module):
    """Batch normalisations of several candidates."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, norms: Sequence[Any], channels: int, together: int = 1) -> None:
        super().__init__()
        self.weight = _stacked([norm.weight for norm in norms], (channels,), together)
        self.bias = _stacked([norm.bias for norm in norms], (channels,), together)
        self.register_buffer("running_mean", torch.zeros_like(self.weight).flatten())
        self.register_buffer("running_var", torch.ones_like(self.weight).flatten())
        self.momentum, self.eps = norms[0].momentum, norms[0].eps

    def forward(self, x: Tensor) -> Tensor:
        y = functional.batch_norm(
            x.reshape(1, x.shape[0] * x.shape[1], -1),  # [1, candidate * channel, row * column * image]
            self.running_mean,
            self.running_var,
            self.weight.flatten(),
            self.bias.flatten(),
            self.training,
            self.momentum,
            self.eps,
        )
        return y.view(x.shape)


class _Convolution(nn.Module):
    """Convolutions of several candidates without bias: 3x3 with any stride, or 1x1 with stride 1."""

    def __init__(self, layers: Sequence[Any], c_in: int, c_out: int, together: int = 1) -> None:
        super().__init__()
        size, self.stride = layers[0].kernel_size[0], layers[0].stride[0]
        self.weight = _stacked([layer.weight for layer in layers], (c_out, c_in, size, size), together)

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.shape[-1] == 3:
            return conv3x3(x, self.weight, self.stride)
        flat = x.reshape(*x.shape[:2], -1)  # [candidate, c_in, row * column * image]
        out = torch.bmm(self.weight.flatten(2), flat)  # [candidate, c_out, row * column * image]
        return out.view(x.shape[0], -1, *x.shape[2:])  # [candidate, c_out, row, column, image]


def _conv_norm(pairs: Sequence[Any], c_in: int, c_out: int, together: int = 1) -> nn.Sequential:
    """Return the pairs of a convolution and a batch normalisation of several candidates as one module.

    Convolutions to several targets may be one convolution with the channels of all: the node is copied once.
    """
    convolutions, norms = zip(*pairs, strict=True)
    return nn.Sequential(_Convolution(convolutions, c_in, c_out, together), _Norm(norms, c_out, together))


def _resize(x: Tensor, c_out: int, pool: bool) -> Tensor:
    """Identity or 3x3 mean pooling between equal widths with different padding."""
    x = mean_3x3(x) if pool else x
    if (missing := c_out - x.shape[1]) > 0:
        return functional.pad(x, (0, 0) * 3 + (0, missing))  # [candidate, c_out, row, column, image]
    return x[:, :c_out] if missing < 0 else x


# -- blocks ----------------------------------------------------------------------------------------------------------------


class _Reduction(nn.Module):
    """`ReductionBlock`s of several candidates."""

    def __init__(self, blocks: Sequence[Any], c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = _conv_norm([block.conv_a.op[1:] for block in blocks], c_in, c_out)
        self.conv_b = _conv_norm([block.conv_b.op[1:] for block in blocks], c_out, c_out)
        self.shortcut = _Convolution([block.downsample[1] for block in blocks], c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(mean_2x2(x)) + self.conv_b(self.conv_a(x.relu()).relu())  # rows and columns are halved
        return out


class _SharedOperation(nn.Module):
    """One kind of operation on one node, for all candidates and edges that have it.

    Args:
        kind: kind of operation, see `_kind`.
        source: the node.
        uses: (target node, candidate, layer) of each use, sorted by target, then candidate.
        candidates: number of candidates of the stack.
        c_in: padded channels of the node.
        c_out: padded channels of the targets.
    """

    candidates: Tensor

    def __init__(
        self, kind: str, source: int, uses: Sequence[tuple[int, int, Any]], candidates: int, c_in: int, c_out: int
    ) -> None:
        super().__init__()
        targets, members, layers = zip(*uses, strict=True)
        counts = Counter(targets)
        self.source, self.targets, self.counts = source, list(counts), list(counts.values())
        self.relu = kind.startswith("conv")  # the input is the node after ReLU
        self.together = len(counts) if self.relu and len(uses) == len(counts) * candidates else 1  # targets in one convolution
        self.all = members == tuple(range(candidates))
        self.register_buffer("candidates", torch.tensor(members, dtype=torch.int64))
        self.module: Callable[[Tensor], Any]
        if self.relu:
            self.module = _conv_norm([layer.op[1:] for layer in layers], c_in, c_out, self.together)
        elif kind == "project":
            self.module = _conv_norm([(layer.conv, layer.bn) for layer in layers], c_in, c_out)
        else:
            self.module = partial(_resize, c_out=c_out, pool=kind == "pool")

    def forward(self, node: Tensor) -> list[tuple[int, Tensor, Tensor]]:
        """Return, for each target node: its number, candidates, and their terms of its sum."""
        if self.together > 1:
            terms = self.module(node).unflatten(1, (self.together, -1)).unbind(1)  # of each target, as `node`
        else:
            terms = torch.split(self.module(node if self.all else node.index_select(0, self.candidates)), self.counts)
        return list(zip(self.targets, torch.split(self.candidates, self.counts), terms, strict=True))


class _Cell(nn.Module):
    """`Cell`s of several candidates, which may have different operations."""

    def __init__(self, cells: Sequence[Any], c_in: int, c_out: int) -> None:
        super().__init__()
        self.c_out = c_out
        uses: dict[tuple[int, str], list[tuple[int, int, nn.Module]]] = {}  # (source, kind) -> (target, candidate, layer)
        for candidate, cell in enumerate(cells):
            live = {3}  # nodes that affect the output
            for (target, source), layer in reversed(list(zip(EDGES, cell.layers, strict=True))):
                if target in live and not isinstance(layer, Zero):
                    live.add(source)
                    uses.setdefault((source, _kind(layer)), []).append((target, candidate, layer))
        self.operations = nn.ModuleList(
            _SharedOperation(
                kind, source, sorted(found, key=lambda use: use[:2]), len(cells), c_in if source == 0 else c_out, c_out
            )
            for (source, kind), found in sorted(uses.items())
        )

    def forward(self, x: Tensor) -> Tensor:
        terms: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(4)]  # [node][term]: candidates and their values
        for source, of_source in groupby(self.operations, attrgetter("source")):
            operations = list(of_source)
            node = self._sum(terms[source], x) if source else x
            rectified = node.relu() if any(operation.relu for operation in operations) else node
            for operation in operations:
                for target, candidates, of_target in operation(rectified if operation.relu else node):
                    terms[target].append((candidates, of_target))
        return self._sum(terms[3], x)

    def _sum(self, terms: Sequence[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
        """Return a node: the sum of the terms of each candidate, zeros without terms."""
        complete = [term for _, term in terms if len(term) == len(x)]  # a term has each candidate at most once
        partial = [(candidates, term) for candidates, term in terms if len(term) < len(x)]
        out = sum(complete[1:], start=complete[0]) if complete else x.new_zeros(x.shape[0], self.c_out, *x.shape[2:])
        if complete and partial:
            out = out.clone()  # the term may be another node, or saved for a backward pass
        for candidates, term in partial:
            out = out.index_add_(0, candidates, term)
        return out


def _kind(layer: Any) -> str:
    """Return the kind of an operation: conv1, conv3, project (a skip connection that changes the width), pool or skip."""
    match layer:
        case ReLUConvBN():
            return f"conv{next(layer.parameters()).shape[-1]}"  # width of the kernel
        case AveragePool() if isinstance(layer.preprocess, nn.Identity):
            return "pool"
        case Projection():
            return "project"
        case nn.Identity():
            return "skip"
    raise ValueError(f"no stack for {layer}")
