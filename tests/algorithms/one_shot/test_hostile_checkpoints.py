"""Checkpoints from anybody: each resumes its search, or is refused by one line that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.one_shot import checkpoint
from tests.helpers import tiny
from tests.helpers.hostile import Tries, many, mutated


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, search = tmp_path_factory.mktemp("saved") / "saved", tiny.make("gdas", epochs=2)
    search.train_epoch()
    search.save(path)
    return path


def test_mutated_facts(saved: Path, tmp_path: Path, tries: Tries) -> None:
    """Facts of an author who knows how to write the checksum."""
    arrays, facts = checkpoint.read(saved)
    search, path = tiny.make("gdas", epochs=2), tmp_path / "c"

    @many(150)
    @given(mutated(facts))
    def attempt(value: Any) -> None:
        checkpoint.write(path, arrays, value)
        if tries.expect(value, lambda: search.load(path), path):
            assert search.epoch == len(search.metrics) <= 2

    attempt()


def test_mutated_arrays(saved: Path, tmp_path: Path, tries: Tries) -> None:
    arrays, facts = checkpoint.read(saved)
    search, path = tiny.make("gdas", epochs=2), tmp_path / "c"

    @many(60)
    @given(st.sampled_from(sorted(arrays)), st.sampled_from(("remove", "rename", "shape", "type", "zero")))
    def attempt(name: str, what: str) -> None:
        changed = {other: values.copy() for other, values in arrays.items()}
        values = changed.pop(name)
        match what:
            case "rename":
                changed[f"{name}x"] = values
            case "shape":
                changed[name] = np.concatenate([values.ravel(), values.ravel()])
            case "type":
                changed[name] = values.astype(np.int16)
            case "zero":
                changed[name] = np.zeros_like(values)
        checkpoint.write(path, changed, facts)
        tries.expect((name, what), lambda: search.load(path), path)

    attempt()


def test_hostile_texts(saved: Path, tmp_path: Path, tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, facts = checkpoint.read(saved)
    path, search = tmp_path / "c", tiny.make("gdas", epochs=2)
    epochs = [json.dumps({**facts, "epoch": number}) for number in (10**30, -1, 3, 1.0)]
    for text in ("", "[]", "[" * 100_000, '{"epoch": NaN}', *epochs):
        monkeypatch.setattr(checkpoint.json, "dumps", lambda _, text=text: text)
        checkpoint.write(path, arrays, {})
        monkeypatch.undo()
        tries.refused(text[:40], lambda: search.load(path), path)
