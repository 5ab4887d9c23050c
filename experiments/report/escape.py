r"""Text in documents: one function for each format, so that names and notices from files are neither markup nor formulas.

Figures need none but for characters that their font lacks: they are drawn with `text.parse_math` off (`plots.panels.style`).
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark_api.text import shown


def html_text(text: str) -> str:
    """Return a text for HTML, in an element or an attribute."""
    return html.escape(shown(text))


def markdown_text(text: str) -> str:
    """Return a text for a line, or a cell of a table, in Markdown. Stars and underscores stay: names have them."""
    escaped = re.sub(r"[\\`|$]|\](?=\()|<(?=[A-Za-z/!?])", r"\\\g<0>", shown(text))
    return re.sub(r"^(?=[#>+-] |[#>=-]{2}|[0-9]+[.)] )", r"\\", escaped)


def latex_text(text: str) -> str:
    """Return a text for LaTeX. What no font of pdfLaTeX has by default is shown as its number in Unicode."""
    known = "".join(c if ord(c) < 0x180 or c in _LATEX else f"[U+{ord(c):04X}]" for c in shown(text))
    protected = "{}" if known.startswith(("[", "*")) else ""  # else an argument of the end of the row before
    return protected + known.translate(_LATEX_TABLE)


def latex_row(cells: Sequence[str]) -> str:
    """Return a row of a table in LaTeX."""
    return " & ".join(map(latex_text, cells)) + r" \\"


def script_json(value: Any) -> str:
    """Write a value as JSON for an HTML script element: no text in it can end the element or begin a comment."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")


def csv_cell(value: str) -> str:
    """Return a cell of CSV in one line; one that a spreadsheet would compute begins with an apostrophe. A lone sign is none."""
    text = shown(value)
    return f"'{text}" if _FORMULA.match(text) and text not in ("+", "-") and not _is_number(text) else text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV, the cells as `csv_cell` has them."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([csv_cell(str(cell)) for cell in row] for row in rows)
    return buffer.getvalue()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_FORMULA = re.compile("'*[=+@-]")
_LATEX: Mapping[str, str] = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "−": "$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    '"': "''",
    "\u00a0": "~",
}
_LATEX_TABLE = str.maketrans(dict(_LATEX))
