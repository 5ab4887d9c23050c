"""The check of accelerators, tried out on the CPU: measurements, resuming, errors of a case, and its command."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from algorithms.one_shot import ONE_SHOT
from experiments import gpu_check, store
from experiments.gpu_check import Case, RealSearch, Size, arithmetic, cases, check, difference, go_on, main, table
from experiments.store import ONE_SHOT_RUNS

TINY = Size(channels=2, cells=1, batch=8, image=8, steps=3)
CPU = torch.device("cpu")


def soon() -> float:
    return time.monotonic() + 600.0


def test_measurements_are_kept_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    todo = [case for case in cases(("rsps", "tas"), (1, 2), ("eager",)) if case.precision == "float32"]
    assert [case.key for case in todo] == [
        "correctness rsps 1 eager float32", "correctness tas 1 eager float32", "arithmetic rsps 1 eager float32",
        "arithmetic tas 1 eager float32", "speed rsps 1 eager float32", "speed tas 1 eager float32",
        "speed rsps 2 eager float32", "speed tas 2 eager float32",
    ]  # fmt: skip
    assert check(TINY, CPU, tmp_path, 0.0, todo) == {}  # no time: nothing begins
    first = check(TINY, CPU, tmp_path, soon(), todo[:5])
    assert first[todo[0].key]["difference"] == 0.0
    assert first[todo[4].key]["steps per second"] > 0
    monkeypatch.setitem(gpu_check.MEASURES, "correctness", lambda *_: pytest.fail("measured again"))
    both = check(TINY, CPU, tmp_path, soon(), todo)
    assert {key: both[key] for key in first} == first
    assert both[todo[7].key]["seed steps per second"] == pytest.approx(2 * both[todo[7].key]["steps per second"])
    assert both.keys() == {case.key for case in todo} == json.loads((tmp_path / "gpu-check.json").read_text())["measured"].keys()
    lines = table(both).splitlines()
    counted = f"{both[todo[2].key]['GFLOP']:.3g} GFLOP a step"
    assert f"| arithmetic | rsps | 1 | eager | float32 | first | {counted} |  |  |  |  |" in lines
    tera = both[todo[2].key]["GFLOP"] * both[todo[6].key]["seed steps per second"] / 1e3
    (row,) = (line.split(" | ") for line in lines if line.startswith("| speed | rsps | 2 |"))
    assert row[9] == f"{tera:.3g}"
    with pytest.raises(ValueError, match="choose another folder"):
        check(Size(), CPU, tmp_path, soon(), todo)


def test_all_kinds_of_measurements(tmp_path: Path) -> None:
    todo = list(cases(("darts-v1",), (1,), ("eager", "graphs", "compiled")))
    assert [case.key for case in todo] == [
        "correctness darts-v1 1 eager float32", "correctness darts-v1 1 graphs float32", "arithmetic darts-v1 1 eager float32",
        "speed darts-v1 1 eager float32", "speed darts-v1 1 graphs float32",
        "speed darts-v1 1 graphs tf32 channels_last", "precision darts-v1 1 eager tf32",
        "speed darts-v1 1 graphs bfloat16 channels_last", "precision darts-v1 1 eager bfloat16",
        "speed darts-v1 1 compiled float32",
    ]  # fmt: skip
    found = check(TINY, CPU, tmp_path, soon(), [todo[1], todo[4], todo[5], todo[8]])
    assert found[todo[1].key]["difference"] < 1e-9
    speed = found[todo[4].key]
    assert speed["steps per second"] > 0
    assert found[todo[5].key]["error"] == "precision tf32 is for CUDA devices, got it with device cpu"
    assert 1e-6 < found[todo[8].key]["difference"] < 1.0


def test_counted_arithmetic_is_that_of_the_layers() -> None:
    """Of a search of the widest network: forward pass, gradients of weights and of inputs, and the classifier."""
    size = Size(channels=2, cells=1, batch=8, image=8, steps=3)
    counted = arithmetic(Case("arithmetic", "darts-v1"), size, CPU)["GFLOP"] * 1e9
    pixels, cell = {2: 64, 4: 16, 8: 4}, 6 * (9 + 1)  # operations with weights on six edges of a cell
    cells = sum(cell * width * width * count for width, count in pixels.items())
    reductions = sum(width * width * pixels[width] * (9 / 2 + 9 + 1 / 2) for width in (4, 8))
    forward = 2 * size.batch * (3 * 2 * 9 * 64 + cells + reductions + 8 * 10)
    stem = 2 * size.batch * 3 * 2 * 9 * 64  # whose input has no gradient
    weights, architecture = 3 * forward - stem, 2 * forward - stem  # the step of alpha has no gradients of weights
    assert counted == pytest.approx(weights + architecture, rel=0.1)


def test_a_wrong_device_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(gpu_check.MEASURES, "correctness", lambda *_: {"difference": 0.5})
    for what in ("speed", "arithmetic", "precision"):
        monkeypatch.setitem(gpu_check.MEASURES, what, lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory\nmore")))
    with pytest.raises(SystemExit) as ended:
        main("cpu", out=tmp_path, methods=("rsps",), stacks=(1,), networks=("eager",), size=TINY)
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert "| speed | rsps | 1 | eager | float32 | first | out of memory |  |  |  |  |" in printed.out
    assert (tmp_path / "gpu-check.md").read_text() == printed.out
    assert printed.err.endswith("differ from those on the CPU by more than 1e-06: rsps (eager)\n")


def test_a_search_goes_on_from_its_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time left it trains one epoch at each call; in time it is finished, and stored as `run` stores it."""
    monkeypatch.setattr(ONE_SHOT["rsps"], "digits", {"epochs": 3, "batch": 450, "candidates": 2})
    search = RealSearch("rsps")
    for expected in ("rsps: 1 of 3 epochs are finished", "rsps: 2 of 3 epochs are finished"):
        assert go_on(search, CPU, tmp_path, 0.0).startswith(expected)
    (checkpoint,) = (tmp_path / "results").rglob("*supernet*.safetensors")
    assert checkpoint.exists()
    assert go_on(search, CPU, tmp_path, soon()).startswith("rsps: 3 of 3 epochs are finished")
    (experiment,) = store.load(tmp_path / "results", ONE_SHOT_RUNS)
    assert experiment.seeds.tolist() == [777]
    assert experiment.execution_values()["graphs"]
    assert go_on(search, CPU, tmp_path, soon()).startswith("rsps: all epochs are finished")
    with pytest.raises(ValueError, match="unknown one-shot"):
        go_on(RealSearch("rea"), CPU, tmp_path, soon())


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        ({"device": "nowhere"}, "device 'nowhere'"),
        ({"device": "cpu", "methods": ("rea",)}, "unknown one-shot"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(**arguments)
        assert ended.value.code == 2
        assert message in capsys.readouterr().err


def test_other_weights_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    made = gpu_check.searches_of

    def moved(case: Case, size: Size, device: torch.device, steps: int) -> list[object]:
        (search,) = made(case, size, device, steps)
        with torch.no_grad():
            next(search.supernet.parameters()).mul_(1 + next(moves))
        return [search]

    moves = iter((0.01, 0.0))
    monkeypatch.setattr(gpu_check, "searches_of", moved)
    assert difference(Case("correctness", "rsps"), TINY, CPU)["difference"] > 1e-3
