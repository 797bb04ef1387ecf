"""``python -m glaciertime.dashboard.headline``: what a report says first of a glacier, as it says it.

Found in a process of its own: breaks and rates of a long record take a second, which others on the page would wait for.
"""

from __future__ import annotations

import argparse
import html
import sys

from glaciertime.archive import Archive
from glaciertime.errors import GlacierTimeError, one_line
from glaciertime.record import GlacierRecord, read_record
from glaciertime.report.content import glacier_headlines
from glaciertime.report.content.parts import Cards, Paragraph
from glaciertime.report.wording import wording_of

__all__ = ["headline_html", "main"]

_CLASSES = {"caution": "wrong", "simulated": "wrong", "headline": "headline"}


def headline_html(record: GlacierRecord) -> str:
    """Return the warnings, the headline and its numbers, of what was observed and of what was simulated apart."""
    wording, parts = wording_of("en"), []
    for section in glacier_headlines(record):
        for block in section.blocks:
            if isinstance(block, Paragraph):
                text = " ".join(map(wording.title, block.sentences))
                parts.append(f'<p class="{_CLASSES.get(block.tone, "told")}">{html.escape(text)}</p>')
            elif isinstance(block, Cards):
                rows = (
                    f"<li>{html.escape(wording.title(one.label))}: <strong>{html.escape(wording.text(one.number))}"
                    f"</strong> ({html.escape(wording.text(one.note))})</li>"
                    for one in block.cards
                )
                parts.append(f"<ul>{''.join(rows)}</ul>")
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", required=True)
    parser.add_argument("--glacier", required=True)
    args = parser.parse_args(arguments)
    try:
        print(headline_html(read_record(Archive(args.archive), args.glacier)))
    except GlacierTimeError as error:
        print(one_line(str(error)), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
