"""`arch2infos_dict` of the drop-in: clients empty, edit and replace it as they do with the package's."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import nats_bench
import pytest

import benchmark_api.nats as ours
from benchmark_api.nats import records
from tests.helpers.nats_forms import INDICES, Forms

FORMS = ("folder", "table", "file", "dict")
FIRST, SECOND, *OTHERS = INDICES


def oldest_out(api: Any, _: int) -> None:
    while len(api.arch2infos_dict) > 1:
        index, _ = api.arch2infos_dict.popitem(last=False)
        api.evaluated_indexes.discard(index)


class Bounded(OrderedDict[int, Any]):
    """A dict of a client that keeps two."""

    def __setitem__(self, index: int, record: Any) -> None:
        super().__setitem__(index, record)
        while len(self) > 2:
            self.popitem(last=False)


EMPTYING: dict[str, Callable[[Any, int], Any]] = {
    "clear()": lambda api, index: api.arch2infos_dict.clear(),
    "popitem(last=False)": oldest_out,
    "pop(index, None)": lambda api, index: api.arch2infos_dict.pop(index, None),
    "del d[index]": lambda api, index: api.arch2infos_dict.__delitem__(index),
    "d = {}": lambda api, index: setattr(api, "arch2infos_dict", {}),
    "d = OrderedDict()": lambda api, index: setattr(api, "arch2infos_dict", OrderedDict()),
    "d = Bounded()": lambda api, index: setattr(api, "arch2infos_dict", Bounded()),
}


@pytest.mark.parametrize("empty", EMPTYING.values(), ids=EMPTYING)
@pytest.mark.parametrize("form", ["folder", "table"])
def test_a_record_that_was_dropped_is_read_again(forms: Forms, form: str, empty: Callable[[Any, int], Any]) -> None:
    theirs, mine = nats_bench.create(*forms.arguments("folder")), ours.create(*forms.arguments(form))
    for index in (FIRST, SECOND, OTHERS[0], FIRST):
        answers = [api.get_more_info(index, "cifar100", hp="90", is_random=False) for api in (theirs, mine)]
        assert answers[1] == pytest.approx(answers[0])
        for api in (theirs, mine):
            empty(api, index)
        assert index in mine.evaluated_indexes or FIRST not in mine.arch2infos_dict
    assert mine.find_best("cifar100", "test", hp="90", enforce_all=False)[0] in INDICES


def test_the_whole_table_is_searched_after_its_records_were_dropped(forms: Forms) -> None:
    api = ours.create(*forms.arguments("table"))
    expected = api.find_best("cifar100", "test", hp="90")
    api.arch2infos_dict.clear()
    api.evaluated_indexes.clear()
    assert api.find_best("cifar100", "test", hp="90") == expected
    assert sorted(api.arch2infos_dict) == sorted(api.evaluated_indexes) == list(INDICES)


@pytest.mark.parametrize("form", ["file", "dict"])
def test_a_record_in_memory_only_is_gone_when_it_was_dropped(forms: Forms, form: str) -> None:
    for create in (nats_bench.create, ours.create):
        api = create(*forms.arguments(form))
        del api.arch2infos_dict[FIRST]
        with pytest.raises(ValueError):
            api.get_more_info(FIRST, "cifar10")
        assert api.get_cost_info(SECOND, "cifar10")


@pytest.mark.parametrize("form", FORMS)
def test_it_is_an_ordered_dict(forms: Forms, form: str) -> None:
    api = ours.create(*forms.arguments(form))
    for index in INDICES:
        api.get_cost_info(index, "cifar10")
    assert isinstance(api.arch2infos_dict, OrderedDict)
    api.arch2infos_dict.move_to_end(FIRST)
    assert list(api.arch2infos_dict) == [*INDICES[1:], FIRST]
    assert list(api.arch2infos_dict.copy()[FIRST]) == ["01", "12", "90"]


def test_an_emptied_dict_holds_no_memory(forms: Forms) -> None:
    api = ours.create(*forms.arguments("folder"))
    api.get_cost_info(FIRST, "cifar10")
    trial = weakref.ref(api.arch2infos_dict[FIRST]["12"])
    assert trial() is not None
    api.arch2infos_dict.clear()
    assert trial() is None


# -- changes -------------------------------------------------------------------------------------------------------------


def set_latency(api: Any) -> None:
    api.arch2infos_dict[FIRST]["12"].reset_latency("cifar10", None, 0.5)


def replace_list_of_trial(api: Any) -> None:
    for trial in api.arch2infos_dict[FIRST]["12"].query("cifar10").values():
        trial.latency = [0.25, 0.75]


def edit_list_of_trial(api: Any) -> None:
    for trial in api.arch2infos_dict[FIRST]["12"].all_results.values():
        trial.latency[0] = 0.5


def assign_record(api: Any) -> None:
    api.get_latency(SECOND, "cifar10")
    record = OrderedDict(api.arch2infos_dict[SECOND])
    for seed in (777, 888, 999):
        record["12"].reset_latency("cifar10", seed, 0.5)
    api.arch2infos_dict[FIRST] = record


def assign_schedule(api: Any) -> None:
    set_latency(api)
    record = api.arch2infos_dict[FIRST]
    record["7"] = record.pop("12")
    record["12"] = record["7"]
    del record["7"]


CHANGES = (set_latency, replace_list_of_trial, edit_list_of_trial, assign_record, assign_schedule)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("form", FORMS)
def test_what_a_client_has_changed_is_answered_from(
    forms: Forms, form: str, change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "CACHED_RECORDS", 2)
    for create, of in ((nats_bench.create, "file"), (ours.create, form)):
        api = create(*forms.arguments(of))
        assert api.get_latency(FIRST, "cifar10") != 0.5
        change(api)
        for index in OTHERS * 2:
            assert api.arch2infos_dict.get(index) is None or api.arch2infos_dict[index]["12"].get_latency("cifar10") != 0.5
            assert api.get_latency(index, "cifar10") != 0.5
        assert api.get_latency(FIRST, "cifar10") == 0.5
        assert api.query_by_index(FIRST, hp="12").get_latency("cifar10") == 0.5


@pytest.mark.parametrize("held", ["results", "trial"])
@pytest.mark.parametrize("form", ["folder", "table"])
def test_what_a_client_holds_stays_a_part_of_the_record(
    forms: Forms, form: str, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "CACHED_RECORDS", 2)
    api = ours.create(*forms.arguments(form))
    api.get_latency(FIRST, "cifar10", hp="90")

    def client() -> None:
        results = api.arch2infos_dict[FIRST]["90"]
        part = results if held == "results" else results.query("cifar10", 777)
        del results
        query_others()  # the record is dropped from memory
        trial = part if held == "trial" else part.query("cifar10", 777)
        trial.update_latency([0.5])

    def query_others() -> None:
        for index in OTHERS:
            api.query_by_index(index)

    client()
    query_others()
    assert api.get_latency(FIRST, "cifar10", hp="90") == 0.5


@pytest.mark.parametrize("form", ["folder", "table"])
def test_memory_holds_only_the_latest_unchanged_records(forms: Forms, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "CACHED_RECORDS", 2)
    api = ours.create(*forms.arguments(form))
    looked_at = []
    for index in INDICES:
        api.get_cost_info(index, "cifar10")
        looked_at.append(weakref.ref(api.arch2infos_dict[index]["12"]))
        assert looked_at[-1]().get_dataset_seeds("cifar10") == [777, 888, 999]
    assert [part() is not None for part in looked_at] == [False] * (len(INDICES) - 2) + [True] * 2


def test_a_record_is_read_again_in_another_working_directory(
    forms: Forms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "CACHED_RECORDS", 2)
    monkeypatch.chdir(forms.folder.parent)
    api = ours.create(forms.folder.name, "sss", True, False)
    latencies = [api.get_latency(index, "cifar10") for index in INDICES]
    monkeypatch.chdir(tmp_path)
    assert [api.get_latency(index, "cifar10") for index in INDICES] == latencies


@pytest.mark.parametrize("form", FORMS)
def test_the_best_is_found_among_changed_records(forms: Forms, form: str) -> None:
    for create, of in ((nats_bench.create, "file"), (ours.create, form)):
        api = create(*forms.arguments(of))
        for index in INDICES:
            api.get_latency(index, "cifar100")
        best, accuracy = api.find_best("cifar100", "test", hp="90", enforce_all=False)
        other = next(index for index in INDICES if index != best)
        for trial in api.arch2infos_dict[other]["90"].query("cifar100").values():
            trial.eval_acc1es["x-test@89"] = 99.0
        assert api.find_best("cifar100", "test", hp="90", enforce_all=False) == (other, 99.0)
        api.arch2infos_dict[other] = api.arch2infos_dict[best]
        assert api.find_best("cifar100", "test", hp="90", enforce_all=False) == (min(best, other), accuracy)


@pytest.mark.parametrize("reset", ["train", "eval"])
def test_times_are_set_as_in_the_package(forms: Forms, reset: str) -> None:
    for seed, (create, form) in product((None, 888), ((nats_bench.create, "file"), (ours.create, "table"))):
        api = create(*forms.arguments(form))
        results = api.arch2infos_dict[FIRST]["12"]
        if reset == "train":
            results.reset_pseudo_train_times("cifar100", seed, 2.0)
        else:
            results.reset_pseudo_eval_times("cifar100", seed, "x-test", 2.0)
            with pytest.raises(ValueError):
                results.reset_pseudo_eval_times("cifar100", seed, "x-other", 2.0)
        group = {"train": "train", "eval": "test"}[reset]
        assert api.get_more_info(FIRST, "cifar100", hp="12", is_random=888)[f"{group}-all-time"] == 24.0
        changed = api.get_more_info(FIRST, "cifar100", hp="12", is_random=777)[f"{group}-all-time"] == 24.0
        assert changed == (seed is None)
        with pytest.raises(KeyError):
            results.reset_latency("cifar100", 5, 0.5)
