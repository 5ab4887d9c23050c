"""Numbers as text, by hand."""

from __future__ import annotations

import math

import pytest

from experiments.report.formatting import span, stars, with_deviation, with_interval

NAN = math.nan


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (with_deviation(93.871, 0.334), "93.87 ± 0.33"),
        (with_deviation(93.871, NAN), "93.87"),
        (with_deviation(NAN, NAN), ""),
        (with_interval(1.5, 1.25, 1.75), "1.50 (1.25 to 1.75)"),
        (with_interval(1.5, NAN, NAN), "1.50"),
        (with_interval(1.5, -1.25, 1.75, "+.1f"), "+1.5 (-1.2 to +1.8)"),
        (span({20, 3, 5}), "3 to 20"),
        (span([7, 7]), "7"),
        ([stars(p) for p in (0.05, 0.049, 0.0099, 0.00099, NAN)], ["", "*", "**", "***", ""]),
    ],
)
def test_text(found: object, expected: object) -> None:
    assert found == expected
