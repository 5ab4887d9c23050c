"""Text in documents: whatever it is, a reader of the format gets the text back, and nothing else."""

from __future__ import annotations

import csv
import html.parser
import io
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from benchmark_api.text import shown
from experiments.report.escape import csv_cell, csv_text, html_text, latex_row, latex_text, markdown_text
from experiments.report.text import TextTable, latex, markdown
from plots.panels.style import RC, drawable
from tests.helpers.hostile import Tries, many

TEXTS = (
    *(
        "$\\x$",
        "$\\frac{$",
        "a|b",
        "a\nb",
        "a\n\nb",
        "[x] y",
        "*",
        "=1+1",
        "@x",
        "-x",
        "+x",
        "-0.5",
        "'=x",
        "-1+cmd|' /C calc'!A0",
    ),
    *("\x1b[2J\x1b]0;x\x07", "a\tb", "\ud800", "<script>alert(1)</script>", "[a](javascript:x)", "`code`", "\\", "\\\\", "&amp;"),
    *(
        "\"'",
        "😀",
        "中文",
        "\u202etxt",
        "é ± Δ",
        "# x",
        "{",
        "}",
        "%",
        "_",
        "^",
        "~",
        "a, b",
        '"a", "b"',
        "- x",
        "1. x",
        "x" * 300,
    ),
    *("<!-- x", "$", "$$", "#"),
)
ANY = st.one_of(st.sampled_from(TEXTS), st.text(max_size=12), st.text("$\\|[]()<>*_`#=@+-\n\t\x1b{}&%", max_size=8))


def test_nothing_moves_the_cursor(tries: Tries) -> None:
    @many(200)
    @given(ANY)
    def attempt(text: str) -> None:
        tries.inputs += 1
        escaped = shown(text)
        assert escaped.isprintable()
        assert shown(text, keep="\n").count("\n") == text.count("\n")
        if text.isprintable():
            assert escaped == text

    attempt()


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_read_back(tries: Tries) -> None:
    @many(200)
    @given(ANY)
    def attempt(text: str) -> None:
        tries.inputs += 1
        reader = _Reader()
        reader.feed(f'<p title="{html_text(text)}">{html_text(text)}</p>')
        reader.close()
        assert reader.tags == [("p", [("title", shown(text))])]
        assert reader.text == shown(text)

    attempt()


def test_csv_is_read_back(tries: Tries) -> None:
    @many(200)
    @given(ANY, ANY)
    def attempt(first: str, second: str) -> None:
        tries.inputs += 1
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow([csv_cell(first), csv_cell(second), "end"])
        assert buffer.getvalue().count("\n") == 1
        (row,) = csv.reader(io.StringIO(buffer.getvalue()), strict=True)
        read = [cell[1:] if re.match("'+[=+@-]", cell) else cell for cell in row[:2]]
        assert read == [shown(first), shown(second)]
        assert all(not cell.startswith(("=", "@")) for cell in row)

    attempt()


def test_rows_of_csv() -> None:
    assert csv_text([["a", "=1+1", None], [1.5, "+", -2]]) == "a,'=1+1,None\n1.5,+,-2\n"


def cells_of(line: str) -> list[str]:
    """Cells of a row in Markdown, as a reader of tables takes them."""
    return [cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]


def test_markdown_rows_are_read_back(tries: Tries) -> None:
    @many(200)
    @given(ANY, ANY)
    def attempt(first: str, second: str) -> None:
        tries.inputs += 1
        text = markdown(TextTable(first, ("a", second), [(first, second)], [first]))
        lines = text.split("\n")
        assert len(lines) == 8
        row = lines[4]
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3
        found = re.sub(r"\\([\\`|$\]<#>+=.)-])|\\(?=[#>+=0-9-])", r"\1", row)
        assert shown(first).strip() in found
        assert not re.search(r"(?<!\\)<[A-Za-z/!?]", row)
        assert not re.search(r"(?<!\\)(?:\\\\)*\]\(", row)

    attempt()


def test_figures_show_formulas_as_text(tries: Tries) -> None:
    for text in TEXTS:
        tries.inputs += 1
        with matplotlib.rc_context(RC), warnings.catch_warnings():
            warnings.simplefilter("error")  # of letters that the font lacks
            figure = Figure((2, 1), dpi=40)
            figure.suptitle(drawable(text))
            figure.add_axes((0, 0, 1, 1), frameon=False, xticks=[], yticks=[]).set_title(drawable(text))
            figure.savefig(io.BytesIO(), format="png", dpi="figure")
    assert drawable("a ± Δ ρ") == "a ± Δ ρ"
    assert drawable("$\\x$\n") == "$\\x$\\n"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path: Path, tries: Tries) -> None:
    """All texts in one document: as captions, headers and first cells of rows."""
    tables = [latex(TextTable(text, (text, "b"), [(text, text), (text, "x")], [text])) for text in TEXTS]
    head = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,textcomp}\\begin{document}\n"
    body = "\n\\clearpage\n".join(tables)
    (tmp_path / "t.tex").write_text(f"{head}{body}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False, timeout=120)
    tries.inputs += len(TEXTS)
    assert done.returncode == 0, done.stdout[-1500:]


def test_latex_rows_have_their_cells() -> None:
    for text in TEXTS:
        row = latex_row([text, text])
        assert row.endswith(r" \\")
        assert len(re.findall(r"(?<!\\)&", row)) == 1
        assert not row.startswith(("[", "*"))
        assert "\n" not in latex_text(text)
        assert latex_text(text).isprintable()
    assert markdown_text("a|b") == "a\\|b"
