"""Pickles and copies of the drop-in: what it was opened on, and what a client has changed."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import benchmark_api.nats as ours
from tests.helpers import official
from tests.helpers.nats_forms import INDICES, SPACE, Forms

FORMS = ("folder", "table", "file", "dict")
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda api: pickle.loads(pickle.dumps(api)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
FIRST, SECOND, THIRD, *_ = INDICES


def answers(api: Any) -> list[Any]:
    return [api.get_more_info(index, "cifar100", hp="12", is_random=888) for index in INDICES]


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("form", FORMS)
def test_a_copy_answers_as_the_original(forms: Forms, form: str, copied: Callable[[Any], Any]) -> None:
    api = ours.create(*forms.arguments(form))
    api.get_more_info(FIRST, "cifar10")
    api.simulate_train_eval(SECOND, "cifar10")
    again = copied(api)
    assert (repr(again), again.used_time, again.avaliable_hps) == (repr(api), api.used_time, api.avaliable_hps)
    assert again.evaluated_indexes == api.evaluated_indexes
    assert again.statistics("cifar10", "12") == api.statistics("cifar10", "12")
    assert answers(again) == answers(api)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("form", FORMS)
def test_what_a_client_has_changed_is_in_the_copy(forms: Forms, form: str, copied: Callable[[Any], Any]) -> None:
    api = ours.create(*forms.arguments(form))
    for index in INDICES:
        api.get_latency(index, "cifar10")
    api.arch2infos_dict[FIRST]["12"].reset_latency("cifar10", None, 0.5)
    api.arch2infos_dict[SECOND] = api.arch2infos_dict[THIRD]
    api.evaluated_indexes.discard(INDICES[-1])
    api.note = "of a client"
    again = copied(copied(api))
    assert again.get_latency(FIRST, "cifar10") == 0.5
    assert again.get_cost_info(SECOND, "cifar10") == api.get_cost_info(THIRD, "cifar10")
    assert again.evaluated_indexes == set(INDICES[:-1])
    assert again.note == "of a client"


@pytest.mark.parametrize("form", ["folder", "table", "file"])
def test_a_pickle_has_no_measurements(forms: Forms, form: str) -> None:
    api = ours.create(*forms.arguments(form))
    for index in INDICES:
        api.query_by_index(index)
    assert len(pickle.dumps(api)) < 1000


def test_a_record_of_another_folder_is_in_the_copy(forms: Forms, tmp_path: Path) -> None:
    record = official.record(SPACE, FIRST)
    for trial in record["12"]["all_results"].values():
        trial["latency"] = [0.5]
    official.write(tmp_path / f"{FIRST:06d}.pickle.pbz2", record)
    for form in FORMS:
        api = ours.create(*forms.arguments(form))
        api.reload(str(tmp_path), FIRST)
        assert pickle.loads(pickle.dumps(api)).get_latency(FIRST, "cifar10") == 0.5


def test_a_copy_is_separate(forms: Forms) -> None:
    api = ours.create(*forms.arguments("dict"))
    again = copy.deepcopy(api)
    again.arch2infos_dict[FIRST]["12"].reset_latency("cifar10", None, 0.5)
    again.arch2infos_dict.pop(SECOND)
    assert api.get_latency(FIRST, "cifar10") != 0.5
    assert SECOND in api.arch2infos_dict


@pytest.mark.parametrize("form", ["folder", "table", "file"])
def test_it_arrives_in_another_folder(forms: Forms, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, *rest = forms.arguments(form)
    monkeypatch.chdir(Path(given).parent)
    api = ours.create(os.path.basename(given), *rest)
    api.get_latency(FIRST, "cifar10")
    (tmp_path / "api").write_bytes(pickle.dumps(api))
    program = (
        "import pickle, sys; api = pickle.load(open('api', 'rb')); print(api.get_latency(3, 'cifar10'), api.evaluated_indexes)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(ours.__file__).parents[2])}
    child = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert child.stdout == f"{api.get_latency(3, 'cifar10')} {api.evaluated_indexes}\n"


def test_records_are_pickled_as_what_the_package_has(forms: Forms) -> None:
    api = ours.create(*forms.arguments("table"))
    record = pickle.loads(pickle.dumps(api.arch2infos_dict))[FIRST]
    assert record["12"].state_dict() == api.arch2infos_dict[FIRST]["12"].state_dict()
