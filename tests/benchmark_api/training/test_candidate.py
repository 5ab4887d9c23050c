"""Networks of a table's architectures: costs, training with the table's recipe, export; and the commands about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark_api.__main__ import main
from benchmark_api.tables.table import Table
from benchmark_api.training.candidate import Candidate

INDEX = 1462


def test_costs_and_recipe_are_those_of_the_table() -> None:
    for name, dataset in (("digits-topology", "digits"), ("nats-topology", "cifar100"), ("nats-topology", "ImageNet16-120")):
        table = Table(name)
        candidate = Candidate.of(table, INDEX, dataset)
        for metric in ("params", "flops"):
            assert getattr(candidate, metric) / 1e6 == pytest.approx(table.metric(metric, dataset, table.report_schedule)[INDEX])
        assert sum(parameter.numel() for parameter in candidate.parameters()) == candidate.params
        assert str(candidate.recipe.epochs) == table.report_schedule
    assert Candidate.of(Table("nats-topology"), INDEX).setting.dataset == "cifar10-valid"  # the only key of that data set
    digits = Candidate.of(Table("digits-topology"), INDEX)
    assert (digits.recipe.batch, digits.setting.channels, digits.setting.cells) == (32, 2, 2)


@pytest.mark.slow
def test_training_follows_the_trial_and_is_repeated() -> None:
    table = Table("digits-topology")
    first, second = (Candidate.of(table, INDEX).fit(epochs=1) for _ in range(2))
    for split, accuracy in first.accuracy.items():
        np.testing.assert_array_equal(accuracy, second.accuracy[split])
    other = Candidate.of(table, INDEX, seed=888).fit(epochs=1)
    assert other.accuracy["train"] != first.accuracy["train"]
    stored = table.tensor("digits/4/train/accuracy")[INDEX, 0, 0]  # its second epoch has another learning rate
    assert first.accuracy["train"][0, 0] == pytest.approx(stored, abs=3)


def test_images_in_files_are_needed_for_training_only() -> None:
    candidate = Candidate.of(Table("nats-topology"), INDEX, "cifar100")
    assert candidate(torch.zeros(2, 3, 32, 32)).shape == (2, 100)
    with pytest.raises(ValueError, match="cifar100 is read from local files"):
        candidate.fit()


@pytest.mark.slow
def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "net.pt2"
    assert main(["network", "digits-topology", str(INDEX), "--train", "--epochs", "1", "--export", str(program)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"architecture {INDEX}: |nor_conv_3x3~0|+|")
    assert "images of digits, 1 x 8 x 8; 10,704 parameters, 91,354 multiply-accumulates" in out
    assert [line.split()[0] for line in out.splitlines()[2:6]] == ["split", "train", "x-valid", "x-test"]
    network = torch.export.load(program).module()
    assert network(torch.zeros(5, 1, 8, 8)).shape == (5, 10)
    for suffix, start in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        drawing = tmp_path / f"cell.{suffix}"
        assert main(["draw", "nats-topology", str(INDEX), "--out", str(drawing)]) == 0
        assert drawing.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["network", "digits-topology", "99999"], "architecture index 99999 is out of range"),
        (["network", "digits-topology", "1", "--epochs", "3"], "add --train"),
        (["network", "digits-topology", "1", "--dataset", "cifar10"], "cifar10"),
        (["draw", "digits-topology", "1", "--out", "cell.jpg"], "out must end in .png, .pdf or .svg, got cell.jpg"),
        (["draw", "digits-size", "1"], "the size space has no drawing"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
