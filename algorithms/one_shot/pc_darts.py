"""PC-DARTS: a mixture of operations on a part of the channels, and normalised weights of edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from algorithms.one_shot.alpha import fixed
from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.supernets.base import ForwardMode, Supernet, build_supernet, one_hot_rows
from algorithms.one_shot.supernets.stacked import STACKED, StackedSupernet, Values
from algorithms.one_shot.supernets.topology import INCOMING, MixedCell, Mixture, TopologySupernet, total
from algorithms.one_shot.supernets.topology_stack import StackedCell, StackedNode, StackedTopology
from algorithms.one_shot.task import Batch
from benchmark_api.bounds import at_least, between
from benchmark_api.spaces import EDGES, OPERATIONS, Architecture, TopologySpace


class PartialCell(MixedCell):
    """A cell whose operations see the first C / K channels; the others bypass them, and all are shuffled (section 3.2).

    The weights have a last column, the weight of each edge (eq. 4).
    """

    def __init__(self, parts: int, channels: int, track_running_stats: bool = False) -> None:
        super().__init__(channels // parts, track_running_stats)
        self.parts = parts

    def mix(self, x: Tensor, edges: Sequence[int], weights: Any, path: Architecture | None) -> dict[int, list[Tensor]]:
        seen, bypass = x.tensor_split([x.shape[1] // self.parts], dim=1)
        mixed = super().mix(seen, edges, weights[:, :-1], path)
        whole = {edge: shuffled(torch.cat([total(terms, seen), bypass], dim=1), self.parts) for edge, terms in mixed.items()}
        return {edge: [weights[edge, -1] * output] for edge, output in whole.items()}


def shuffled(x: Tensor, parts: int) -> Tensor:
    """Return x [batch, channel, ...] with the channels of K parts interleaved: channel j K + i is channel i C / K + j of x."""
    return x.reshape(len(x), parts, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


class PartialSupernet(TopologySupernet):
    """`TopologySupernet` with partial cells. `edge_weights` returns the weight of each edge [edge]."""

    edge_weights: Callable[[], Tensor]

    def mixture(self, weights: Tensor) -> Mixture:
        return Mixture(torch.cat([weights, self.edge_weights()[:, None].to(weights)], dim=1))  # [edge, operation + 1]

    def along(self, architecture: Architecture) -> Any:
        """Return the mixture with one operation on each edge: `none` too passes channels on."""
        return self.mixture(torch.eye(len(OPERATIONS), device=self.classifier.weight.device)[list(architecture)])

    def decide(self, mode: Any, choices: Mapping[int, int]) -> Mixture:
        return Mixture(torch.cat([one_hot_rows(mode.weights[:, :-1], choices), mode.weights[:, -1:]], dim=1))


class StackedPartial(StackedTopology):
    """`PartialSupernet` of every row."""

    def stacked_cell(self, cell: Any) -> StackedCell:
        return _StackedPartialCell(cell, self)


class _StackedPartialCell(StackedCell):
    def __init__(self, cell: Any, network: StackedSupernet) -> None:
        super().__init__(cell, network)
        self.parts = cell.parts

    def mix(self, node: StackedNode, x: Tensor, numbers: Tensor, values: Values) -> Sequence[Tensor]:
        seen, bypass = x.tensor_split([x.shape[1] // self.parts], dim=1)
        outputs = (shuffled(torch.cat([mixed, bypass], dim=1), self.parts) for mixed in super().mix(node, seen, numbers, values))
        weights = (numbers[:, edge, -1, None, None, None, None] for edge in node.edges)  # of each edge [row, 1, 1, 1, 1]
        return [weight * output for weight, output in zip(weights, outputs, strict=True)]


STACKED[PartialSupernet] = StackedPartial


@register_one_shot
class PcDarts(DartsFirstOrder):
    """Partial channel connections and edge normalisation of the paper, on the cell of NATS-Bench, whose edges are all kept."""

    name = "pc-darts"
    title = "PC-DARTS"
    paper = (
        "Xu et al., PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search, ICLR 2020, arXiv 1907.05737"
    )
    digits: ClassVar = {**DartsFirstOrder.digits, "parts": 2}  # of two channels
    cell: ClassVar[type[PartialCell]] = PartialCell

    @dataclass(frozen=True)
    class Config(DartsFirstOrder.Config):
        """Hyperparameters of PC-DARTS."""

        parts: Annotated[int, at_least(1)] = 4
        """K: operations are mixed on the first of K parts of the channels. It divides the channels of the first stage."""

        edge_normalization: bool = True
        """Whether edges have weights too, whose sum is one for the edges that enter a node; otherwise all are one."""

        warmup: Annotated[float, between(0, 1)] = 0.3
        """Share of epochs, the first ones, without updates of the architecture; the paper's: 15 of 50."""

    config: Config

    def make_supernet(self) -> Supernet:
        config, (space, skeleton) = self.config, (self.task.space, self.task.skeleton)
        running, width = config.batch_norm == "running", skeleton.widths(space, (0,) * len(EDGES))[0]
        if width % config.parts:
            raise ValueError(f"parts must divide the {width} channels of the first stage, got {config.parts}")
        if config.parts == 1 and not config.edge_normalization:
            return build_supernet(space, skeleton, running)  # that of DARTS
        assert isinstance(space, TopologySpace)
        supernet = PartialSupernet(space, skeleton, running, partial(self.cell, config.parts))
        supernet.edge_weights = self.edge_weights
        return supernet

    def _start(self) -> None:
        super()._start()
        entering = [len(edges) for edges in INCOMING[1:]] if self.config.edge_normalization else []
        self.beta = nn.ParameterList(nn.Parameter(self._initial(count).to(self.device)) for count in entering)
        if entering:
            self.arch_optimizer.add_param_group({"params": list(self.beta)})
        self._parts["beta"] = self.beta

    def edge_weights(self) -> Tensor:
        """Return the weight of each edge [edge]: a softmax of beta over the edges that enter a node (eq. 4)."""
        if not self.beta:
            return torch.ones(len(EDGES), device=self.device)
        return torch.cat([beta if self.config.on_simplex else beta.softmax(dim=0) for beta in self.beta])

    def _weight_mode(self) -> ForwardMode:
        with torch.no_grad():  # the step of the weights needs no gradients of alpha and beta
            return super()._weight_mode()

    def _architecture_step(self, training: Batch) -> None:
        if self.progress < self.config.warmup:
            return
        parameters = [self.alpha, *self.beta]
        with fixed(self.optimizer.param_groups[0]["params"]):
            loss = self._architecture_loss(self.validation_batch(len(training[1]), self.architecture_split))
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.arch_optimizer.step()
