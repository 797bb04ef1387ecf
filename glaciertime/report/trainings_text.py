"""A comparison of trainings laid out: Markdown, LaTeX, a page of HTML, and text for the terminal."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from glaciertime.provenance.tags import html_tag
from glaciertime.report.html import STYLE, html_table
from glaciertime.report.retreat_text import text_in_form
from glaciertime.report.trainings_content import MARK, Section
from glaciertime.walls import readable_text

__all__ = ["html_text", "latex_text", "markdown_text", "section_text", "terminal_text"]

_UNSAFE = str.maketrans({letter: "\\" + letter for letter in "&%_#{}$"})


def section_text(section: Section, *, form: str) -> str:
    """Return the table of a section as ``text``, ``markdown``, ``latex`` or ``csv``."""
    # Names of columns may be there twice: they are told apart by what a reader does not see.
    names = [name + "\u200b" * section.head[:at].count(name) for at, name in enumerate(section.head)]
    # In text a column without any value is left out; one of ours stays, and is seen to be empty.
    none = ["-" if form == "text" and name.endswith(", ours") else "" for name in section.head]
    rows = [[readable_text(cell) or empty for cell, empty in zip(row, none, strict=True)] for row in section.rows]
    table = pd.DataFrame(rows, columns=names, dtype=object)
    return text_in_form(table, lambda plain: plain, form=form).replace("\u200b", "")


def terminal_text(sections: Sequence[Section]) -> str:
    """Return what a terminal shows: sentences and tables."""
    parts = []
    for section in sections:
        lines = [readable_text(section.title), *(f"  {readable_text(one)}" for one in section.lead)]
        if section.rows:
            lines.append(section_text(section, form="text").rstrip("\n"))
        parts.append("\n".join([*lines, *(readable_text(one) for one in section.notes)]))
    return "\n\n".join(parts) + "\n"


def markdown_text(sections: Sequence[Section], *, title: str, pictures: Sequence[str] = ()) -> str:
    """Return a report in Markdown; pictures are files beside it."""
    parts = [f"<!-- {MARK} -->", f"# {_plain(title)}"]
    for at, section in enumerate(sections):
        parts.append(f"## {_plain(section.title)}")
        parts += [_plain(one) for one in section.lead]
        if section.rows:
            parts.append(section_text(section, form="markdown").rstrip("\n"))
        parts += [f"*{_plain(one)}*" for one in section.notes]
        if at == 0:
            parts += [f"![{name}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return "".join("\\" + letter if letter in "\\<[`*_" else letter for letter in readable_text(text))


def latex_text(sections: Sequence[Section], *, title: str) -> str:
    """Return the tables of a report in LaTeX, each with its caption."""
    parts = [f"% {MARK}", f"% {readable_text(title)}"]
    for section in sections:
        if not section.rows:
            continue
        told = " ".join(_tex(one) for one in section.notes)
        table = section_text(section, form="latex").rstrip("\n")
        parts.append(
            "\\begin{table}\n\\caption{" + _tex(section.title) + "}\n" + table + "\n\n\\footnotesize " + told
            + "\n\\end{table}"
        )  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _tex(text: str) -> str:
    return readable_text(text).replace("\\", "/").translate(_UNSAFE).replace("±", "$\\pm$")


def html_text(sections: Sequence[Section], *, title: str, pictures: Mapping[str, bytes], tag: str = "") -> str:
    """Return a report as one page with its pictures in it."""
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="{MARK}">{html_tag(tag)}',
        f"<title>{escape(readable_text(title))}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(readable_text(title))}</h1>",
    ]
    for at, section in enumerate(sections):
        parts.append(f"<h2>{escape(readable_text(section.title))}</h2>")
        parts += [f"<p>{escape(readable_text(one))}</p>" for one in section.lead]
        if section.rows:
            rows = [[readable_text(cell) for cell in row] for row in section.rows]
            numbers = {
                column for column in range(len(section.head))
                if all(not row[column] or row[column].lstrip("<>~≈ +-").split(" ")[0].replace(".", "", 1).isdigit()
                       for row in rows)
            }  # fmt: skip
            parts.append(html_table([readable_text(name) for name in section.head], rows, numbers=numbers))
        parts += [f'<p class="note">{escape(readable_text(one))}</p>' for one in section.notes]
        if at == 0:
            for name, content in pictures.items():
                data = base64.b64encode(content).decode()
                parts.append(
                    f'<figure><img alt="{escape(name)}" src="data:image/png;base64,{data}">'
                    f"<figcaption>{escape(name)}</figcaption></figure>"
                )
    return "\n".join([*parts, "</body></html>"]) + "\n"
