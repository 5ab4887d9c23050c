"""The digits data set, original and distorted."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from benchmark_api.training import digits
from benchmark_api.training.datasets import Distortion, load_dataset
from tests.helpers.images import raw


def test_digits_are_dealt_out_once() -> None:
    digits = load_dataset("digits")
    assert {name: len(split) for name, split in digits.splits.items()} == {"train": 899, "x-valid": 449, "x-test": 449}
    assert (digits.image_shape, digits.classes) == ((1, 8, 8), 10)
    every = np.concatenate([raw(digits, name).reshape(-1, 64) for name in digits.splits]) * 16
    labels = np.concatenate([split.labels.numpy() for split in digits.splits.values()])
    original = load_digits()
    dealt = sorted(zip(every.astype(int).tolist(), labels.tolist(), strict=True))
    assert dealt == sorted(zip(original.data.astype(int).tolist(), original.target.tolist(), strict=True))


def test_the_file_of_the_digits_has_what_the_package_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """To import scikit-learn takes seconds, which is left to versions that have another file."""
    read = digits._stored_digits()
    monkeypatch.setattr(digits, "find_spec", lambda _: None)
    returned = digits._stored_digits()
    for ours, theirs in zip(read, returned, strict=True):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


def test_digits_splits_have_their_share_of_each_class() -> None:
    digits = load_dataset("digits")
    counts = np.array([np.bincount(split.labels.numpy()) for split in digits.splits.values()])
    assert np.abs(counts - np.array([[0.5], [0.25], [0.25]]) * counts.sum(0)).max() <= 1


def test_digits_are_the_same_for_everyone() -> None:
    """Published tables were trained on exactly these images: a change here makes them worthless."""
    digits = load_dataset("digits")
    content = b"".join((raw(digits, name) * 16).astype(np.uint8).tobytes() for name in ("train", "x-valid", "x-test"))
    assert hashlib.sha256(content).hexdigest()[:16] == "b9ad14d84b678dc8"
    distorted = load_dataset("digits", distortion=Distortion())
    sums = [float(raw(distorted, name).sum(dtype=np.float64)) for name in ("train", "x-valid", "x-test")]
    assert sums == pytest.approx([65746.100, 32385.593, 32710.702], abs=0.05)


def test_normalised_digits_have_mean_zero_and_deviation_one() -> None:
    for distortion in (None, Distortion()):
        images, labels = load_dataset("digits", distortion=distortion).batch("train")
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert images.mean().item() == pytest.approx(0.0, abs=1e-5)
        assert images.std().item() == pytest.approx(1.0, abs=1e-3)


def test_normalisation_does_not_depend_on_the_splits_asked_for() -> None:
    whole, part = load_dataset("digits"), load_dataset("digits", splits=["x-test"])
    assert list(part.splits) == ["x-test"]
    assert torch.equal(whole.batch("x-test")[0], part.batch("x-test")[0])


def test_distortions_of_no_extent_change_nothing() -> None:
    plain = load_dataset("digits")
    same = load_dataset("digits", distortion=Distortion(copies=3, rotation=0, scale=0, shift=0, noise=0))
    for name in plain.splits:
        np.testing.assert_allclose(raw(same, name), np.repeat(raw(plain, name), 3, axis=0), atol=1e-6)
        assert torch.equal(same.split(name).labels, plain.split(name).labels.repeat_interleave(3))


def test_distortions_follow_their_seed() -> None:
    first, again, other = (load_dataset("digits", distortion=Distortion(seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(raw(first, "train"), raw(again, "train"))
    assert not np.array_equal(raw(first, "train"), raw(other, "train"))


@pytest.mark.parametrize("field", ["rotation", "scale", "shift", "noise"])
def test_each_distortion_does_its_part(field: str) -> None:
    none = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "noise": 0.0}
    plain = raw(load_dataset("digits", splits=["x-test"]), "x-test")
    extent = {"rotation": 15.0, "scale": 0.2, "shift": 1.0, "noise": 0.1}[field]
    moved = raw(load_dataset("digits", splits=["x-test"], distortion=Distortion(copies=1, **{**none, field: extent})), "x-test")
    if field == "noise":
        assert (moved - plain).std() == pytest.approx(0.1, rel=0.02)
        assert abs((moved - plain).mean()) < 0.005
    else:
        changed = np.abs(moved - plain).mean()
        assert 0.01 < changed < 0.2


def test_distortions_move_turn_and_scale_as_said() -> None:
    """A blob left of the centre goes where the drawn angle, zoom and shift take it."""
    size = 33
    blob = np.zeros((1, 1, size, size), dtype=np.float32)
    y, x = np.mgrid[:size, :size] - 16.0
    blob[0, 0] = np.exp(-((x + 8) ** 2 + y**2) / 4)
    copies = 50
    by = Distortion(copies=copies, rotation=40.0, scale=0.3, shift=2.0, noise=0.0)
    moved = digits._distort(blob, by, np.random.default_rng(5))[:, 0].astype(np.float64)
    mass = moved.sum((1, 2))
    centre = np.stack([(moved * y).sum((1, 2)) / mass, (moved * x).sum((1, 2)) / mass])  # [axis, copy]
    rng = np.random.default_rng(5)
    angle = np.deg2rad(rng.uniform(-40.0, 40.0, copies))
    zoom = rng.uniform(0.7, 1.3, copies)
    shift = rng.uniform(-2.0, 2.0, (2, copies))
    expected = shift + 8 * zoom * np.stack([np.sin(angle), -np.cos(angle)])
    np.testing.assert_allclose(centre, expected, atol=0.05)
    np.testing.assert_allclose(mass / blob.sum(), zoom**2, rtol=0.04)


def test_distortions_are_checked() -> None:
    for wrong in ({"copies": 0}, {"rotation": -1.0}, {"shift": -1.0}, {"noise": -0.1}, {"scale": 1.0}, {"scale": -0.1}):
        with pytest.raises(ValueError, match="must be"):
            Distortion(**wrong)  # type: ignore[arg-type]
