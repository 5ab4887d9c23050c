"""The check of accelerators, tried out on the CPU: measurements, resuming, errors of a case, and its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from experiments import gpu_check
from experiments.gpu_check import Case, Size, cases, check, difference, main, table

TINY = Size(channels=2, cells=1, batch=8, image=8, steps=3)
CPU = torch.device("cpu")


def test_measurements_are_kept_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    todo = list(cases(("rsps", "tas"), (1, 2), compiled=False))
    assert [case.key for case in todo] == [
        "correctness rsps 1", "correctness tas 1", "speed rsps 1", "speed tas 1", "speed rsps 2", "speed tas 2",
    ]  # fmt: skip
    assert check(TINY, CPU, tmp_path, 0.0, todo) == {}  # no time: nothing begins
    first = check(TINY, CPU, tmp_path, 600.0, todo[:3])
    assert first["correctness rsps 1"]["difference"] == 0.0
    assert first["speed rsps 1"]["steps per second"] > 0
    monkeypatch.setitem(gpu_check.MEASURES, "correctness", lambda *_: pytest.fail("measured again"))
    both = check(TINY, CPU, tmp_path, 600.0, todo)
    assert {key: both[key] for key in first} == first
    assert both["speed tas 2"]["seed steps per second"] == pytest.approx(2 * both["speed tas 2"]["steps per second"])
    assert both.keys() == {case.key for case in todo} == json.loads((tmp_path / "gpu-check.json").read_text())["measured"].keys()
    assert table(both).count("\n| tas | 2 | eager |  | ") == 1
    with pytest.raises(ValueError, match="choose another folder"):
        check(Size(), CPU, tmp_path, 600.0, todo)


def test_a_wrong_device_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(gpu_check.MEASURES, "correctness", lambda *_: {"difference": 0.5})
    monkeypatch.setitem(gpu_check.MEASURES, "speed", lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory\nmore")))
    with pytest.raises(SystemExit) as ended:
        main("cpu", out=tmp_path, methods=("rsps",), stacks=(1,), compiled=False, size=TINY)
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert "| rsps | 1 | eager | out of memory |  |  |  |" in printed.out
    assert printed.err.endswith("differ from those on the CPU by more than 0.0001: rsps\n")


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
