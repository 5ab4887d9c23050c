"""Texts from elsewhere (titles, notices, names of algorithms) in outputs: one function for each output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LATEX: Mapping[int, str] = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"±": r"$\pm$", "Δ": r"$\Delta$", "−": "$-$", "<": "$<$", ">": "$>$", "τ": r"$\tau$", "ρ": r"$\rho$"}
)


def latex_text(text: str) -> str:
    """Escape a text for LaTeX's text mode."""
    return text.translate(_LATEX)


def script_json(value: Any) -> str:
    """Write a value as JSON for an HTML script element: no text in it can end the element or begin a comment."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")
