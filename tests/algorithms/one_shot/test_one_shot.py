"""The contract of every registered one-shot search, and the loop that all share."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import safetensors
import torch

from algorithms.one_shot import ONE_SHOT, register_one_shot
from algorithms.one_shot.inherited import inherited_accuracy
from algorithms.one_shot.metrics import EpochMetrics
from algorithms.one_shot.selection import BestOfN
from algorithms.one_shot.task import Execution, Task
from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.training.datasets import load_dataset
from benchmark_api.training.networks import Skeleton, build_network
from tests.contracts.one_shot import OneShotContract, reference
from tests.helpers import tiny

ROOT = Path(__file__).resolve().parents[3]
every_method = pytest.mark.parametrize("name", ONE_SHOT)


@pytest.mark.parametrize("search_class", ONE_SHOT.values(), ids=ONE_SHOT)
class TestRegistered(OneShotContract):
    other_values: ClassVar = {"floor": [0.24], "cosine_epochs": [4], "warmup": [0.9]}
    without_effect = (
        "choose_none",  # it matters once `none` is ahead: test_darts
        "validation_pass",  # tas and fbnetv2 have it in a warm-up alone: test_validation_pass
        "radius",  # of sparsestmax, which is no default: test_relaxations
    )


def run_of(name: str) -> list[list[Any]]:
    """Return the metrics of a method's small run with seed 0."""
    return reference(TestRegistered, ONE_SHOT[name])


def subprocess_of(program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=ROOT)


def test_interleaved_searches_do_not_touch_each_other() -> None:
    searches = [tiny.make(name) for name in ONE_SHOT]
    for epoch in range(2):
        for search in searches:
            assert tiny.plain(search.train_epoch()) == run_of(search.name)[epoch]


@pytest.mark.parametrize("name", [name for name in ONE_SHOT if name not in ("darts-v2", "darts-pt")])  # they learn as darts-v1
def test_it_learns(name: str) -> None:
    """On images that are easy to tell apart. Where a step trains one path only, a few dozen steps do not get far."""
    task = dataclasses.replace(tiny.task_of(name), dataset=tiny.dataset(train=256))
    epochs, gain = {"darts-v1": (2, 0.2), "mdenas-one-shot": (20, 0.1)}.get(name, (6, 0.03))  # the latter: a path in each epoch
    search = ONE_SHOT[name](task, tiny.config(name, epochs=epochs, rate=0.05))
    tiny.run(search)
    losses = [metrics.train_loss for metrics in search.metrics]
    if name == "mdenas-one-shot":  # the loss of an epoch depends on its path, some of which have no operation
        assert min(losses[epochs // 2 :]) < losses[0] - gain
    else:
        assert np.mean(losses[-2:] if epochs > 2 else losses[-1:]) < losses[0] - gain


def test_cosine_rate_for_each_epoch() -> None:
    search, rates = tiny.make("rsps", epochs=4), []
    step = search.optimizer.step
    search.optimizer.step = lambda: (rates.append(search.optimizer.param_groups[0]["lr"]), step())
    tiny.run(search)
    expected = [0.001 + 0.012 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4) for _ in range(2)]
    assert rates == pytest.approx(expected)
    assert rates[0] == 0.025


def test_weights_off_the_path_decay() -> None:
    """Momentum and decay reach all weights in every step; all `none` leaves the cells without any other gradient."""
    search = tiny.make("setn", epochs=1, momentum=0.5, decay=0.1, rate=0.2, rate_min=0.2)
    search._weight_mode = lambda: search.supernet.along((0,) * 6)
    parameter = search.supernet.blocks[0].edges[0][3].op[1].weight
    before = parameter.detach().double().clone()
    search.train_epoch()
    buffer, expected = torch.zeros_like(before), before
    for step in range(2):
        gradient = 0.1 * expected
        buffer = gradient if step == 0 else 0.5 * buffer + gradient
        expected = expected - 0.2 * (gradient + 0.5 * buffer)  # Nesterov
    torch.testing.assert_close(parameter.double(), expected, rtol=1e-5, atol=1e-7)


def test_validation_batches_are_independent_draws_with_replacement(monkeypatch: pytest.MonkeyPatch) -> None:
    search = tiny.make("darts-v1")
    asked: list[torch.Tensor] = []
    batch = type(tiny.TASK.dataset).batch
    monkeypatch.setattr(
        type(tiny.TASK.dataset),
        "batch",
        lambda self, split, indices, augment: (asked.append(indices), batch(self, split, indices, augment))[1],
    )
    for _ in range(100):
        search.validation_batch(40)
    counts = np.array([np.bincount(indices, minlength=40) for indices in asked])
    assert counts.shape == (100, 40)
    assert counts.sum(axis=1).tolist() == [40] * 100
    assert (counts > 1).any(axis=1).all()  # without replacement an image would be there once
    # The number of times that an image is drawn in 4,000 is binomial, of standard deviation 9.9.
    assert abs(counts.sum(axis=0) - 100).max() < 5 * 9.9


def test_architecture_batches_are_augmented_as_training_batches() -> None:
    """With the same draws, a batch for the architecture step is what the data set's augmentation makes of its images."""
    search, twin = tiny.make("gdas"), tiny.make("gdas")
    images, labels = search.validation_batch(7)
    indices = torch.randint(40, (7,), generator=twin.draws["validation"])
    expected, expected_labels = tiny.TASK.dataset.batch("x-valid", indices, twin.draws["augment"])
    assert torch.equal(images, expected)
    assert torch.equal(labels, expected_labels)
    assert not torch.equal(images, tiny.TASK.dataset.batch("x-valid", indices)[0])


def test_inherited_accuracy_is_that_of_the_candidate_with_the_weights_of_the_supernet() -> None:
    search = tiny.make("rsps", epochs=6, rate=0.1, eval_batch=15)
    tiny.run(search)
    space, data = tiny.TASK.space, tiny.TASK.dataset
    architectures = [(3, 2, 4, 1, 0, 3), (2, 3, 3, 4, 1, 2), (0,) * 6]
    expected = []
    for architecture in architectures:
        candidate = build_network(space, architecture, tiny.TASK.skeleton, torch.Generator()).eval()
        for module, source in ((candidate.stem, search.supernet.stem), (candidate.classifier, search.supernet.classifier)):
            module.load_state_dict(source.state_dict())
        candidate.lastact[0] = search.supernet.lastact[0]
        for block, shared in zip(candidate.cells, search.supernet.blocks, strict=True):
            if hasattr(block, "layers"):
                for edge, choice in enumerate(architecture):
                    block.layers[edge] = shared.edges[edge][choice]
            else:
                block.load_state_dict(shared.state_dict())
        batches = [data.batch("x-valid", slice(start, min(start + 15, 33))) for start in (0, 15, 30)]
        expected.append(sum(int((candidate(images)[1].argmax(1) == labels).sum()) for images, labels in batches) / 33 * 100)
    assert inherited_accuracy(search, architectures, images=33) == pytest.approx(expected)
    assert len({*expected}) > 1
    with pytest.raises(ValueError, match="x-valid has 40 images, expected 1 to 40 of them, got 41"):
        inherited_accuracy(search, architectures, images=41)
    with pytest.raises(ValueError, match="decision 0 is 5"):
        inherited_accuracy(search, [(5,) * 6])


# -- selections ------------------------------------------------------------------------------------------------------------


def test_best_of_n_of_a_method_without_candidates_of_its_own() -> None:
    """100 draws by the scores; the first of the best on one batch each is chosen."""
    search = ONE_SHOT["darts-v1"](tiny.TASK, tiny.config("darts-v1"), selection=BestOfN)
    search.alpha.data = torch.tensor([5.0, 0.0, 0.0, 0.0, -9.0]).repeat(6, 1)
    candidates, asked = search.candidates(), []
    shares = np.bincount(np.ravel(candidates), minlength=5) / 600
    assert shares == pytest.approx(search.architecture_weights()[0], abs=0.03)  # of 0.98, three times 0.007, and 0
    search.accuracies = lambda drawn, batches: asked.extend(drawn) or torch.tensor([0.1, 0.7, 0.7] + 97 * [0.2])
    assert search.derive() == asked[1]
    assert len(asked) == 100


def test_best_of_n_keeps_to_a_target_of_flops() -> None:
    free, bound = (tiny.make("tas", flops_target=target) for target in (None, 0.006))
    assert len(free.candidates()) == 100
    assert 0 < len(candidates := bound.candidates()) < 100
    assert all(bound.cost[candidate] <= 1 for candidate in candidates)
    bound.alpha.data = torch.tensor([0.0, 0.0, 99.0]).repeat(5, 1)  # no draw is within the target
    assert bound.candidates() == [bound.most_likely()]


# -- checkpoints -----------------------------------------------------------------------------------------------------------


def test_a_search_that_was_killed_within_an_epoch_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    path, name = tmp_path / "saved", "enas"  # the one with the most state
    program = f"""
import os, signal
from tests.contracts.one_shot import OneShotContract
from tests.helpers import tiny
search = tiny.make({name!r})
search.train_epoch()
search.save({str(path)!r})
step, steps = search.optimizer.step, []
def last(*arguments):
    step()
    os.kill(os.getpid(), signal.SIGKILL)
search.optimizer.step = last
search.train_epoch()
"""
    assert subprocess_of(program).returncode == -signal.SIGKILL
    resumed = tiny.make(name)
    resumed.load(path)
    assert tiny.run(resumed)[1] == run_of(name)[1]


def test_an_interrupted_epoch_is_not_saved_nor_gone_on_with(tmp_path: Path) -> None:
    search = tiny.make("gdas")
    search.train_epoch()
    search.save(tmp_path / "saved")

    def interrupt() -> None:
        raise KeyboardInterrupt

    step, search.optimizer.step = search.optimizer.step, interrupt
    with pytest.raises(KeyboardInterrupt):
        search.train_epoch()
    search.optimizer.step = step
    for action in (search.train_epoch, lambda: search.save(tmp_path / "other")):
        with pytest.raises(RuntimeError, match="gdas: epoch 2 was interrupted; load the last checkpoint"):
            action()
    assert not (tmp_path / "other").exists()
    search.load(tmp_path / "saved")
    assert tiny.run(search) == run_of("gdas")


def test_a_checkpoint_is_a_safetensors_file_and_replaces_the_last_one_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, search = tmp_path / "folder" / "saved", tiny.make("setn")
    search.save(path)
    with safetensors.safe_open(path, "pt") as file:
        weight = file.get_tensor("supernet/classifier.weight")
    assert torch.equal(weight, search.supernet.classifier.weight)
    before = path.read_bytes()
    search.train_epoch()
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        search.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["saved"]


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    path, search = tmp_path / "saved", tiny.make("rsps")
    search.save(path)
    whole = path.read_bytes()
    for data, message in (
        (b"", "is not the checkpoint of a search"),
        (b"not a checkpoint at all", "is not the checkpoint of a search"),
        (whole[:1000], "is not the checkpoint of a search"),
        (whole[:-1], "a damaged one: truncated"),
        (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "is damaged"),
        (whole.replace(b'\\"epoch\\": 0', b'\\"epoch\\": 1'), "is damaged"),
    ):
        assert data != whole
        path.write_bytes(data)
        with pytest.raises(ValueError, match=message):
            search.load(path)
    with pytest.raises(FileNotFoundError):
        search.load(tmp_path / "missing")


def test_metrics_of_the_first_version_are_read() -> None:
    metrics = tiny.make("gdas", epochs=1).train_epoch()
    values = metrics.to_json()
    values["seconds"] = values.pop("train_seconds")
    assert EpochMetrics.from_json(values).to_json() == metrics.to_json()


def test_checkpoints_of_other_searches_are_refused_and_the_difference_named(tmp_path: Path) -> None:
    path = tmp_path / "saved"
    tiny.make("rsps", seed=3).save(path)
    images = tiny.TASK.dataset.splits["train"].images.clone()
    images[0, 0, 0, 0] += 1
    split = dataclasses.replace(tiny.TASK.dataset.splits["train"], images=images)
    other_images = dataclasses.replace(tiny.TASK.dataset, splits={**tiny.TASK.dataset.splits, "train": split})
    other_skeleton = dataclasses.replace(tiny.TASK.skeleton, channels=3)
    small = tiny.config("rsps")
    for search, message in (
        (tiny.make("rsps"), "its seed is 3, this one's is 0"),
        (tiny.make("gdas", seed=3), "its method is rsps, this one's is gdas"),
        (tiny.make("rsps", seed=3, rate=0.1), "its config is {'rate': 0.025}, this one's is {'rate': 0.1}"),
        (ONE_SHOT["rsps"](dataclasses.replace(tiny.TASK, dataset=other_images), small, seed=3), "its task is "),
        (ONE_SHOT["rsps"](dataclasses.replace(tiny.TASK, skeleton=other_skeleton), small, seed=3), "its task is "),
    ):
        with pytest.raises(ValueError, match=f"is of another search: {message}"):
            search.load(path)
        assert search.epoch == 0


# -- the task and the execution ----------------------------------------------------------------------------------------------


def test_a_search_cannot_read_test() -> None:
    digits = load_dataset("digits")
    assert set(digits.splits) > {"train", "x-valid"}
    for splits in (["train", "x-valid", "x-test"], ["train"], ["x-valid"], ["train", "x-test"]):
        part = dataclasses.replace(digits, splits={name: digits.splits[name] for name in splits})
        with pytest.raises(ValueError, match="digits with the splits train and x-valid alone, got " + ", ".join(splits)):
            Task(TopologySpace(), part, Skeleton(10, 1, 2, 1))


def test_tasks_and_executions_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="patterns has 3 classes and 2 channels, got Skeleton"):
        dataclasses.replace(tiny.TASK, skeleton=Skeleton(10, 2))
    with pytest.raises(ValueError, match="rsps searches the topology space, got SizeSpace"):
        ONE_SHOT["rsps"](Task(SizeSpace(), tiny.TASK.dataset, Skeleton(3, 2)))
    with pytest.raises(ValueError, match="the images must be on meta, got them on cpu"):
        tiny.make("rsps", execution=Execution("meta"))
    with pytest.raises(ValueError, match="precision must be one of 'float32', 'tf32', 'bfloat16', got 'half'"):
        Execution(precision="half")
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        tiny.make("rsps", seed=-1)


@every_method
@pytest.mark.parametrize(
    ("execution", "differs"),
    [(Execution(channels_last=True), (0.0, 1e-4)), (Execution(precision="bfloat16"), (1e-4, 0.1))],
    ids=["channels last", "bfloat16"],
)
def test_executions_differ_by_rounding(name: str, execution: Execution, differs: tuple[float, float]) -> None:
    images = tiny.TASK.dataset.batch("train")[0]
    search, other = tiny.make(name), tiny.make(name, execution=execution)
    logits, others = (each.logits(images, each.supernet.along(tiny.some_architecture(name))) for each in (search, other))
    assert others.dtype == torch.float32
    assert differs[0] <= (logits - others).abs().mean().item() < differs[1]
    assert other.train_epoch().train_loss == pytest.approx(run_of(name)[0][2], abs=0.1)
    assert all(parameter.dtype == torch.float32 for parameter in other.supernet.parameters())
    kernels = (parameter for parameter in other.supernet.blocks.parameters() if parameter.shape[-1:] == (3,))
    weight = next(kernel for kernel in kernels if kernel.shape[1] > 1)  # one channel is contiguous in both orders
    assert weight.is_contiguous(memory_format=torch.channels_last) is execution.channels_last


@pytest.mark.slow
def test_compiled_parts_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled, and how; the code that the compiler makes of it is tested with the supernet."""
    compiled = []

    def compile_with_eager(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        compiled.append(function)
        return torch_compile(function, **options, backend="eager")

    torch_compile = torch.compile
    monkeypatch.setattr(torch, "compile", compile_with_eager)
    assert tiny.run(tiny.make("darts-v1", execution=Execution(compile=True))) == run_of("darts-v1")
    assert len(compiled) == 5  # stem, two reduction blocks, the last normalisation, and the cell


# -- hyperparameters -------------------------------------------------------------------------------------------------------


@every_method
def test_defaults_are_those_of_nats_bench(name: str) -> None:
    config = ONE_SHOT[name].Config()
    shared = (config.epochs, config.batch, config.eval_batch, config.rate, config.rate_min, config.momentum, config.decay)
    assert shared == (100, 64, 512, 0.025, 0.001, 0.9, 5e-4)
    assert config.batch_norm == "batch"
    if ONE_SHOT[name].space == "size":
        assert (config.warmup, config.flops_target) == (0.0, None)
    if name == "enas":
        assert (config.arch_rate, config.arch_betas, config.arch_decay, config.arch_eps) == (1e-3, (0.5, 0.999), 0.0, 1e-3)
    elif name == "tunas":
        assert (config.arch_rate, config.arch_betas, config.arch_decay, config.arch_eps) == (3e-4, (0.5, 0.999), 0.0, 1e-8)
        assert config.baseline_momentum == 0.95
    elif hasattr(config, "arch_rate"):
        assert (config.arch_rate, config.arch_betas, config.arch_decay, config.arch_eps) == (3e-4, (0.5, 0.999), 1e-3, 1e-8)


# -- the registry ----------------------------------------------------------------------------------------------------------


def test_registry() -> None:
    nats_bench = ["rsps", "darts-v1", "darts-v2", "gdas", "setn", "enas", "tas", "fbnetv2", "tunas"]
    assert list(ONE_SHOT)[: len(nats_bench)] == nats_bench
    for name, search in ONE_SHOT.items():
        assert search.name == name
        assert search.title
        assert search.paper
        assert search.__doc__
    assert len({search.title for search in ONE_SHOT.values()}) == len(ONE_SHOT)
    with pytest.raises(ValueError, match="named as the one-shot search 'gdas'"):
        register_one_shot(type("Impostor", (ONE_SHOT["rsps"],), {"name": "gdas"}))


def test_black_box_searches_start_without_pytorch() -> None:
    output = subprocess_of(
        "from algorithms.black_box import BLACK_BOX; import sys; assert BLACK_BOX; assert 'torch' not in sys.modules"
    )
    assert output.returncode == 0, output.stderr
