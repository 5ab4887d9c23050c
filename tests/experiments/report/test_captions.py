"""Captions of figures by their names."""

from __future__ import annotations

import pytest

from experiments.report.captions import alternative, caption


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("ranks", "Average ranks; a bar joins"),
        ("cifar10-flops", "CIFAR-10: Accuracy against multiply-accumulates"),
        ("digits-epochs", "digits: Looked-up accuracy"),
        ("digits-ranking-epochs", "digits: Measures of the rankings by supernets against the epoch"),
        ("of-a-plugin", "Of a plugin."),
    ],
)
def test_captions_follow_the_end_of_a_name(what: str, expected: str) -> None:
    assert caption(what).startswith(expected)
    assert alternative(what) == caption(what)
