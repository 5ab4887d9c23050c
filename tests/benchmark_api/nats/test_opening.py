"""What `create` opens, and answers where the package has none: tables, own data sets, integers of NumPy, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import benchmark_api.nats as ours
from benchmark_api.importers import import_table
from benchmark_api.importers.official.exporter import export_archive, record
from benchmark_api.tables import Table
from tests.helpers import official
from tests.helpers.nats_forms import SPACE, Forms

ARCHIVE = official.archive_name(SPACE)


def create(given: Any, fast_mode: bool = True, space: str = "sss") -> Any:
    return ours.create(given, space, fast_mode, verbose=False)


# -- tables in the place of archives -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fast_mode"),
    [
        (f"{ARCHIVE}-simple.safetensors", True),
        (f"{ARCHIVE}-simple", True),
        (f"{ARCHIVE}-simple.safetensors", False),
        (f"{ARCHIVE}.safetensors", False),
        (f"{ARCHIVE}.pickle.pbz2.safetensors", False),
        (f"{ARCHIVE}.pickle.pbz2", False),
    ],
)
def test_the_default_archive_may_be_a_table(
    forms: Forms, name: str, fast_mode: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=rf"no table .*{ARCHIVE}.*\.safetensors is there"):
        create(None, fast_mode)
    (tmp_path / name).symlink_to(forms.table)
    expected = create(forms.table).find_best("cifar100", "test", hp="90")
    assert create(None, fast_mode).find_best("cifar100", "test", hp="90") == expected
    archive = tmp_path / (f"{ARCHIVE}-simple" if fast_mode else f"{ARCHIVE}.pickle.pbz2")
    for path in (archive, f"{archive}"):  # as scripts have it
        assert create(path, fast_mode).find_best("cifar100", "test", hp="90") == expected


def test_the_folder_is_opened_where_there_is_one(forms: Forms, tmp_path: Path) -> None:
    folder = tmp_path / ARCHIVE
    folder.symlink_to(forms.folder)
    (tmp_path / f"{ARCHIVE}.safetensors").symlink_to(forms.table)
    assert create(folder).archive_dir == create(f"{folder}/").archive_dir.rstrip("/") == str(folder)
    folder.unlink()
    assert create(f"{folder}/").filename == f"{ARCHIVE}.safetensors"


def test_embedded_tables_are_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = create("digits-size")
    assert api.find_best("digits", "x-test", hp="3") == Table("digits-size").best("digits", "3", "x-test")
    with pytest.raises(ValueError, match="of the size space, expected topology"):
        create("digits-size", space="tss")
    monkeypatch.chdir(tmp_path)
    Path("digits-size").mkdir()  # what is there comes first
    with pytest.raises(FileNotFoundError):
        create("digits-size")


# -- data sets of one's own ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The embedded size table by name and as an exported folder of some of it."""
    return {"table": create("digits-size"), "folder": create(exported(tmp_path_factory.mktemp("digits") / "digits"))}


def exported(folder: Path) -> Path:
    """A folder with the first records of the embedded table."""
    table = Table("digits-size")
    folder.mkdir()
    official.write(folder / "meta.pickle.pbz2", official.meta(table.space))
    for index in range(3):
        official.write(folder / f"{index:06d}.pickle.pbz2", record(table, index))
    return folder


@pytest.mark.parametrize("form", ["table", "folder"])
def test_methods_know_the_datasets_of_the_benchmark(digits: dict[str, Any], form: str) -> None:
    api, table = digits[form], Table("digits-size")
    accuracy, _, seconds, used = api.simulate_train_eval(2, "digits", hp="3")
    valid, train = (table.tensor(f"digits/3/{name}/accuracy")[2] for name in ("x-valid", "train"))
    assert accuracy in valid
    assert used == seconds > 0
    assert train.shape == valid.shape
    for index in range(3):
        api.get_cost_info(index, "digits", hp="3")
    for setname, split in (("test", "x-test"), ("valid", "x-valid"), ("train", "train")):
        assert api.find_best("digits", setname, hp="3", enforce_all=False) == api.find_best(
            "digits", split, hp="3", enforce_all=False
        )
    assert sum(api.statistics("digits", 3).values()) == len(api.evaluated_indexes)
    for call in (lambda: api.simulate_train_eval(2, "svhn", hp="3"), lambda: api.statistics("svhn", "3")):
        with pytest.raises(ValueError, match=r"dataset must be one of .*, got 'svhn'"):
            call()
    with pytest.raises(KeyError, match="no training on 'cifar100'; there are digits"):
        api.simulate_train_eval(2, "cifar100", hp="3")


# -- indices -------------------------------------------------------------------------------------------------------------


INTEGERS = [np.int64(11), np.uint8(11), np.array(11), torch.tensor(11)]


@pytest.mark.parametrize("index", INTEGERS, ids=lambda index: type(index).__name__)
@pytest.mark.parametrize("form", ["folder", "table", "file"])
def test_integers_of_other_libraries_are_indices(forms: Forms, form: str, index: Any) -> None:
    api, plain = ours.create(*forms.arguments(form)), ours.create(*forms.arguments(form))
    question = {"dataset": "cifar100", "hp": np.int64(90), "is_random": np.int64(777), "iepoch": np.int64(3)}
    answer = api.get_more_info(index, **question)
    assert answer == plain.get_more_info(11, "cifar100", hp="90", is_random=777, iepoch=3)
    assert api.query_index_by_arch(index) == 11
    assert api.get_more_info(11, "cifar100", is_random=np.bool_(False)) == plain.get_more_info(11, "cifar100", is_random=False)
    assert api.get_cost_info(np.int64(42), "cifar10") == plain.get_cost_info(42, "cifar10")
    assert {type(each) for each in (*api.evaluated_indexes, *api.arch2infos_dict)} == {int}


@pytest.mark.parametrize("form", ["folder", "table", "file"])
def test_what_is_no_architecture_is_named(forms: Forms, form: str) -> None:
    api = ours.create(*forms.arguments(form))
    for call in (api.get_more_info, api.simulate_train_eval):
        for bad, message in ((np.int64(243), "0 to 242, got 243"), (3.5, "3.5 is not an arch"), ("8:9", "'8:9' is not an arch")):
            with pytest.raises(ValueError, match=message):
                call(bad, "cifar10")


# -- errors --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def last_epochs(forms: Forms, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """A table without curves, and its content as a folder."""
    home = tmp_path_factory.mktemp("last")
    table = import_table(forms.folder, home / "t.safetensors", curves=False, partial=True, progress=False)
    return [create(table), create(export_archive(table, home / "exported", progress=False))]


def test_an_epoch_that_is_not_stored_is_named(last_epochs: list[Any]) -> None:
    for api in last_epochs:
        with pytest.raises(KeyError, match="'train' has no value at epoch 5; it has a value at epoch 89 only"):
            api.get_more_info(11, "cifar100", iepoch=5, hp="90")
        results = api.arch2infos_dict[11]["90"]
        with pytest.raises(KeyError, match="'x-test' has no value at epoch 5; it has a value at epoch 89 only"):
            results.get_metrics("cifar100", "x-test", 5)
        with pytest.raises(KeyError, match="architecture 11 was not trained under schedule 7; it has 01, 12, 90"):
            api.get_more_info(11, "cifar100", hp=7)


@pytest.mark.parametrize("form", ["table", "file", "dict"])
def test_only_a_folder_is_reloaded(forms: Forms, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    api = ours.create(*forms.arguments(form))
    name = {"table": "table.safetensors", "file": "all.pickle.pbz2", "dict": "a dict"}[form]
    with pytest.raises(ValueError, match=f"nothing to reload: {name} is not an archive folder"):
        api.reload(index=11)
    api.reload(str(forms.folder), 11)
    assert api.get_cost_info(11, "cifar10") == create(forms.folder).get_cost_info(11, "cifar10")
