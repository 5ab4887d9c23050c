"""Captured steps: what is computed again is what the steps compute themselves, and depends on nothing but their memory.

Without a CUDA device the operations of a step are recorded and repeated, as a CUDA graph repeats them: the code of a method does
not run again, so a number that it has read from anywhere but a tensor stays what it was in the captured step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from algorithms.one_shot import ONE_SHOT, steps
from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.graphs import repeated
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.supernets import Paths, TopologySupernet
from algorithms.one_shot.task import Execution
from experiments.gpu_check import doubled
from tests.helpers import tiny

CPU = torch.device("cpu")
GRAPHS = Execution(graphs=True)
OPTIONS: dict[str, dict[str, Any]] = {
    "enas": {"validation_pass": True},
    "tas": {"warmup": 0.5, "validation_pass": True},
    "fbnetv2": {"batch_norm": "running"},
    "darts-sparsestmax": {"batch_norm": "running"},
    "tunas": {"warmup": 0.5},
    "darts-v1": {"relaxation": "sigmoid"},
    "gaea": {"level": "bilevel"},
    "single-darts": {"images": "all"},
    "darts-pt": {"tuning": 0.5},
}
"""Other hyperparameters with which a method is captured."""


@pytest.mark.parametrize("name", ONE_SHOT)
def test_captured_epochs_are_eager_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs, with four steps or more of equal size and a smaller one: draws are equal, other numbers up to rounding."""
    assert ONE_SHOT[name].graphs
    changes = {"batch": 15, **OPTIONS.get(name, {})}
    eager, graphs = (doubled(tiny.make(name, execution=execution, **changes)) for execution in (None, GRAPHS))
    made = []
    step = graphs.step
    monkeypatch.setattr(graphs, "step", lambda indices: made.append(len(indices)) or step(indices))
    for search in (eager, graphs):
        for _ in range(2):
            search.train_epoch()
    smaller = len(graphs.task.dataset.split("train")) % 15
    assert made[: steps.EAGER + 2] == [15] * (steps.EAGER + 1) + [smaller]  # eager ones, the captured one, and the smaller one
    ours, theirs = tiny.state(graphs), tiny.state(eager)
    assert ours.keys() == theirs.keys()
    for of, array in theirs.items():
        if of.startswith("draws/") or array.dtype.kind in "iu":
            assert np.array_equal(ours[of], array), of
        else:
            np.testing.assert_allclose(ours[of], array, rtol=0, atol=1e-7, err_msg=of)
    for found, expected in zip(graphs.metrics, eager.metrics, strict=True):
        assert found.architecture == expected.architecture
        np.testing.assert_allclose(tiny.plain(found)[2:6], tiny.plain(expected)[2:6], atol=1e-6)


@pytest.mark.parametrize("name", ["rsps", "enas", "tunas"])
def test_captured_searches_of_a_stack_are_those_alone(name: str) -> None:
    """To the bit; epochs end with a smaller batch, and ENAS trains its controller between them."""
    alone, together = ([tiny.make(name, seed, GRAPHS, batch=15) for seed in (0, 1, 2)] for _ in range(2))
    stack = SearchStack(together)
    for _ in range(2):
        stack.train_epoch()
        for search in alone:
            search.train_epoch()
    for mine, other in zip(alone, together, strict=True):
        ours, theirs = tiny.state(mine), tiny.state(other)
        assert all(np.array_equal(array, theirs[of]) for of, array in ours.items())
        assert [tiny.plain(epoch) for epoch in mine.metrics] == [tiny.plain(epoch) for epoch in other.metrics]


@pytest.mark.parametrize("weighted", [False, True])
def test_one_hot_weights_are_paths(weighted: bool) -> None:
    """Logits, all gradients and running statistics of paths, as one-hot weights of all operations."""
    draw = torch.Generator().manual_seed(1)
    search = doubled(tiny.make("gdas"))
    network, images = search.supernet, search.task.dataset.batch("train", slice(20))[0]
    assert isinstance(network, TopologySupernet)
    found = []
    chosen = torch.randint(5, (network.cells, 6), generator=draw)
    chosen[0, :3] = 0  # nothing but `none`, up to the last node
    weights = torch.rand(6, 5, generator=draw, dtype=torch.float64)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for captured_step in (False, True):
        network.load_state_dict(before)
        if captured_step:
            network.capture()
        numbers = weights.clone().requires_grad_() if weighted else None
        mode = network.sampled(chosen, numbers)
        assert isinstance(mode.paths, torch.Tensor) is captured_step
        logits = network(images, mode)
        inputs = [*network.parameters(), *([] if numbers is None else [numbers])]
        gradients = torch.autograd.grad(logits.square().sum(), inputs, allow_unused=True)
        found.append((logits, [torch.zeros_like(i) if g is None else g for i, g in zip(inputs, gradients, strict=True)]))
        found[-1] += (network.state_dict()["stem.1.running_mean"].clone(),)
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-10)
    decided = network.decide(Paths(chosen, weights), {2: 3})
    host = network.decide(Paths([tuple(path) for path in chosen.tolist()], weights), {2: 3})
    assert [tuple(path) for path in decided.paths.tolist()] == host.paths
    assert torch.equal(decided.weights, host.weights)


# -- what is captured ------------------------------------------------------------------------------------------------------------


def test_operations_are_computed_again_on_the_same_memory() -> None:
    """Of three steps the function makes one; a number that it changes stays in the others, a tensor that it changes does not."""
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    x, total, constants = torch.ones(2), torch.zeros(2), [3.0]

    def step() -> None:
        weight.grad = None
        (constants[-1] * weight * x).square().sum().backward()
        with torch.no_grad():
            weight.sub_(0.01 * weight.grad)
            total.add_(weight.view(2, 1).expand(2, 3)[:, 1])
        constants.append(5.0)  # is not read again
        x.mul_(2.0)  # is

    repeated([step], 3, CPU)
    assert constants == [3.0, 5.0]
    after = [torch.tensor([1.0, 2.0])]
    for factor in (1, 2, 4):
        after.append(after[-1] * (1 - 0.01 * 2 * (3 * factor) ** 2))
    torch.testing.assert_close(weight.detach(), after[-1])
    torch.testing.assert_close(total, sum(after[1:]))


@pytest.mark.parametrize("read", [lambda x: x.sum().item(), lambda x: bool(x.any()), lambda x: x.nonzero()])
def test_a_captured_step_reads_no_value(read: Any) -> None:
    with pytest.raises(RuntimeError, match="a captured step reads a value of the device, by aten"):
        repeated([lambda: read(torch.ones(3))], 2, CPU)


class DrawsItself(DartsFirstOrder):
    """DARTS that draws in its steps without `drawn`."""

    name = "draws-itself"

    def _weight_mode(self) -> Any:
        noise = torch.rand(6, 5, generator=self.draws["architecture"])
        return self.supernet.mixture(self.relax(self.alpha) + noise)


class Reads(DartsFirstOrder):
    """DARTS that looks at alpha in its steps."""

    name = "reads"

    def _weight_mode(self) -> Any:
        return self.supernet.mixture(self.relax(self.alpha) * float(self.alpha.sum() < 1e9))


class Unknown(DartsFirstOrder):
    """DARTS that says nothing of its steps."""

    name = "unknown"
    graphs = ""


def made(search_class: type[OneShotSearch], execution: Execution = GRAPHS, **changes: Any) -> OneShotSearch:
    return search_class(tiny.TASK, tiny.small(search_class, {**tiny.SMALL, "batch": 8, **changes}), execution=execution)


def test_methods_that_cannot_be_captured() -> None:
    with pytest.raises(RuntimeError, match="draws-itself draws random numbers in a step without `drawn`: train it"):
        made(DrawsItself).train_epoch()
    with pytest.raises(RuntimeError, match="a captured step reads a value of the device"):
        made(Reads).train_epoch()
    with pytest.raises(ValueError, match="unknown does not say that its steps have the same operations each time"):
        made(Unknown)
    for name in ("gdas", "rsps", "setn", "enas"):
        with pytest.raises(ValueError, match=f"graphs of {name} compute all operations, and would update the running statistics"):
            made(ONE_SHOT[name], batch_norm="running")
    for search_class in (DrawsItself, Reads, Unknown):
        made(search_class, Execution()).train_epoch()


def test_executions_with_graphs() -> None:
    with pytest.raises(ValueError, match="captured on CUDA devices only, got graphs and compile with device cpu"):
        Execution(graphs=True, compile=True)
    with pytest.raises(ValueError, match=r"a stack of 3 without graphs has precision float32 or tf32, .* got Execution"):
        Execution(channels_last=True, stack=3)
    assert Execution("cuda", graphs=True, compile=True, channels_last=True, precision="bfloat16", stack=3).graphs
    with pytest.raises(ValueError, match="precision tf32 is for CUDA devices, got it with device cpu"):
        Execution(precision="tf32")
    assert Execution("cuda:1", precision="tf32", stack=3).plain


def test_too_few_steps_for_a_graph() -> None:
    search = tiny.make("darts-v1", execution=GRAPHS)  # two steps an epoch
    other = tiny.make("darts-v1")
    for each in (search, other):
        each.train_epoch()
    torch.testing.assert_close(search.supernet.state_dict(), other.supernet.state_dict())


def test_a_checkpoint_of_captured_steps_goes_on_in_eager_ones(tmp_path: Any) -> None:
    """Adam's counter of steps is on the device in captured steps, and on the CPU otherwise."""
    searches = [made(ONE_SHOT["darts-v1"], execution) for execution in (GRAPHS, Execution(), GRAPHS)]
    searches[0].train_epoch()
    searches[0].save(tmp_path / "saved")
    for search in searches[1:]:
        search.load(tmp_path / "saved")
    for search in searches:
        search.train_epoch()
    first, eager, resumed = (tiny.state(search) for search in searches)
    assert all(np.array_equal(first[name], resumed[name]) for name in first)
    assert all(np.allclose(first[name], eager[name], atol=1e-4) for name in first if not name.startswith("draws/"))


def test_precision_is_set_for_an_epoch_only() -> None:
    """Float32 means float32 in convolutions too, where PyTorch's default on CUDA devices is TF32."""
    conv, matmul, cudnn = torch.backends.cudnn.conv, torch.backends.cuda.matmul, torch.backends.cudnn

    def settings() -> tuple[Any, ...]:
        return conv.fp32_precision, matmul.fp32_precision, cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic

    before = settings()
    for execution, expected in (
        (Execution(), ("ieee", "ieee", False, False, True)),
        (Execution("cuda", precision="bfloat16"), ("ieee", "ieee", False, False, True)),
        (Execution("cuda", precision="tf32"), ("tf32", "tf32", True, True, True)),
    ):
        with execution.arithmetic():
            assert settings() == expected
            with execution.arithmetic():  # as in a stack
                assert settings() == expected
            assert settings() == expected
        assert settings() == before
        with pytest.raises(ZeroDivisionError), execution.arithmetic():
            raise ZeroDivisionError
        assert settings() == before
