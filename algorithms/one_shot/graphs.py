"""Graphs of operations: what a function computed once is computed again, without running the function.

A step starts thousands of small operations, one after the other; a CUDA graph starts them all at once. The graph is that of a
whole step, backward passes and optimizers included. It is captured anew in each epoch, so whatever is constant within an epoch,
e.g. the learning rate, is a constant of the graph. `torch.compile(mode="reduce-overhead")` captures functions without side
effects: a step would be split at each backward pass and each update, and its parts compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Captured:
    """Functions that are computed again and again on the same memory, although each is run only once.

    Their operations do not depend on values, and they return nothing: they change tensors in place, each its own. On CUDA devices
    they are captured as graphs, which are computed side by side. On others, operations are recorded when they are computed first,
    and repeated one by one, which saves no time.

    Raises:
        RuntimeError: a function reads a value of the device.
    """

    def __init__(self, functions: Sequence[Callable[[], None]], device: torch.device) -> None:
        self.functions, self.device = functions, device
        self._recorded: list[_Recording] = []
        self._graphs: list[torch.cuda.CUDAGraph] = []
        if device.type == "cuda":
            for function in functions:
                self._graphs.append(graph := torch.cuda.CUDAGraph())
                with torch.cuda.graph(graph):
                    function()  # is captured, and not run

    def __call__(self, times: int) -> None:
        """Compute the functions some times, and wait until they are computed."""
        if self.device.type == "cuda":
            self._replay(times)
            return
        if not self._recorded and times:
            for function in self.functions:
                with (recording := _Recording()):
                    function()
                self._recorded.append(recording)
            times -= 1
        for recording in self._recorded:
            for _ in range(times):
                recording.repeat()

    def _replay(self, times: int) -> None:
        streams = [torch.cuda.Stream(self.device) for _ in self._graphs]  # type: ignore[no-untyped-call]
        for stream in streams:
            stream.wait_stream(torch.cuda.current_stream(self.device))
        for _ in range(times):
            for graph, stream in zip(self._graphs, streams, strict=True):
                with torch.cuda.stream(stream):
                    graph.replay()
        torch.cuda.synchronize(self.device)  # graphs and their memory are in use until then


def repeated(functions: Sequence[Callable[[], None]], times: int, device: torch.device) -> None:
    """Compute functions some times, as `Captured` does."""
    Captured(functions, device)(times)


class _Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Operations in their order, with the tensors that they read and wrote."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[Any, Any, Any, dict[int, Tensor]]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if operation in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            raise RuntimeError(f"a captured step reads a value of the device, by {operation}")
        result = operation(*args, **kwargs)
        given, results = set(map(_memory, _tensors((args, kwargs)))), _tensors(result)
        new = {number: tensor for number, tensor in enumerate(results) if _memory(tensor) not in given}
        if new or not results or operation._schema.is_mutable:  # not a mere view of what was given
            self.operations.append((operation, args, kwargs, new))
        return result

    @torch.no_grad()
    def repeat(self) -> None:
        """Compute the operations again."""
        for operation, args, kwargs, new in self.operations:
            results = _tensors(operation(*args, **kwargs))
            for number, tensor in new.items():
                tensor.copy_(results[number])


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _memory(tensor: Tensor) -> int:
    address: int = tensor.untyped_storage()._cdata
    return address
