"""The building blocks of a page of training runs: its style, a table."""

from __future__ import annotations

import re
from html import escape

__all__ = ["STYLE", "html_table"]

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1 { margin: 0 0 .25rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid #d9dee3; padding-bottom: .2rem; }
h3 { margin: 1.4rem 0 .3rem; font-size: 1rem; }
p.lead { color: #57606a; margin-top: 0; }
figure { margin: 1rem 0; } figure img { width: 100%; height: auto; } figure.map img { max-width: 44rem; }
figcaption, .note { color: #57606a; font-size: .875rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #e6e9ec; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; }
td { font-variant-numeric: tabular-nums; } td.date { white-space: nowrap; }
.simulated { background: #fdecea; border: 2px solid #b00020; color: #8c0019; padding: .6rem .9rem; font-weight: 600; }
.caution { background: #fff8e5; border: 1px solid #b58900; padding: .6rem .9rem; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
.card { border: 1px solid #d9dee3; border-radius: 6px; padding: .6rem .9rem; min-width: 11rem; }
.card b { display: block; font-size: 1.25rem; } .card span { color: #57606a; font-size: .8rem; }
@media print { body { max-width: none; } }
"""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def html_table(head: list[str], rows: list[list[str]], *, numbers: set[int]) -> str:
    """Return a table whose cells are escaped; ``numbers`` are the columns set to the right."""

    def cells(values: list[str], tag: str) -> str:
        out = []
        for index, value in enumerate(values):
            kind = ' class="number"' if index in numbers else ' class="date"' if _DATE.fullmatch(value) else ""
            out.append(f"<{tag}{kind}>{escape(value)}</{tag}>")
        return "<tr>" + "".join(out) + "</tr>"

    body = "".join(cells(row, "td") for row in rows)
    return f'<div class="wide"><table><thead>{cells(head, "th")}</thead><tbody>{body}</tbody></table></div>'
