"""One-shot methods on a CUDA device: steps are those of the CPU, eager and captured; stacks; the host does not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.steps import make_steps
from experiments.gpu_check import SMALL, TOLERANCE, Case, Network, difference, doubled, effect, searches_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
CUDA = torch.device("cuda")


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Let PyTorch raise an error where the host would wait for the device."""
    yield torch.cuda.set_sync_debug_mode("error")
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("network", ["eager", "graphs"])
@pytest.mark.parametrize("name", ONE_SHOT)
def test_steps_equal_those_on_the_cpu(name: str, network: Network) -> None:
    assert difference(Case("correctness", name, network=network), SMALL, CUDA)["difference"] < TOLERANCE


def test_single_precision_is_not_less() -> None:
    assert difference(Case("correctness", "darts-v1"), SMALL, CUDA, double=False)["difference"] < 1e-4


@pytest.mark.parametrize("network", ["eager", "graphs"])
@pytest.mark.parametrize("name", ONE_SHOT)
def test_a_stack_equals_its_searches_alone(name: str, network: Network) -> None:
    case = Case("speed", name, 3, network)
    searches, together = ([doubled(search) for search in searches_of(case, SMALL, CUDA, steps=5)] for _ in range(2))
    SearchStack(together).train_epoch()
    for alone, stacked in zip(searches, together, strict=True):
        alone.train_epoch()
        for mine, other in zip(alone.supernet.parameters(), stacked.supernet.parameters(), strict=True):
            assert float((mine - other).norm()) < TOLERANCE * float(mine.norm().clamp_min(1e-6))


@pytest.mark.parametrize("name", ONE_SHOT)
def test_no_step_waits_for_the_device(name: str, request: pytest.FixtureRequest) -> None:
    (search,) = searches_of(Case("speed", name), SMALL, CUDA, steps=3)
    search.supernet.train()
    make_steps(search)  # constants are copied in the first step of a search
    request.getfixturevalue("no_waiting")
    if name == "gdas":  # which reads its sample, see docs/weight-sharing.md
        with pytest.raises(RuntimeError, match="synchroniz"):
            make_steps(search)
    else:
        make_steps(search)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_precisions_differ_from_float32(precision: str) -> None:
    apart = effect(Case("precision", "darts-v1", precision=precision), SMALL, CUDA)["difference"]  # type: ignore[arg-type]
    assert 1e-6 < apart < 0.5


def test_captured_steps_repeat_and_go_on_from_a_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("saved") / "checkpoint"
    first, second = (searches_of(Case("speed", "darts-v1", network="graphs"), SMALL, CUDA, steps=8)[0] for _ in range(2))
    first.train_epoch()
    first.save(path)
    second.load(path)
    for search in (first, second):
        search.train_epoch()
    for mine, other in zip(first.supernet.parameters(), second.supernet.parameters(), strict=True):
        torch.testing.assert_close(mine, other)
