"""What a report says as a PDF, printed from its page by WeasyPrint (extra ``pdf``)."""

from __future__ import annotations

from typing import Any

from glaciertime.errors import MissingExtraError
from glaciertime.provenance import RunRecord
from glaciertime.report.content.parts import Content
from glaciertime.report.views.html_view import html_view
from glaciertime.report.wording import Wording

__all__ = ["check_printer", "pdf_view"]


def check_printer() -> Any:
    """Return the printer.

    Raises
    ------
    MissingExtraError
        Where it is not installed, or a library that it needs is not.
    """
    try:
        import weasyprint
    except (ImportError, OSError) as error:  # OSError: a library of the system
        raise MissingExtraError("a report as PDF", "pdf") from error
    return weasyprint


def pdf_view(content: Content, *, wording: Wording, mark: str, run: RunRecord | None = None) -> bytes:
    """Return what a report says as the bytes of a PDF.

    Raises
    ------
    MissingExtraError
        Without the extra ``pdf``.
    """
    weasyprint = check_printer()
    page = html_view(content, wording=wording, mark=mark, run=run, is_print=True)

    # In PDF 1.4 the name of what made it stands in plain letters: the command knows its own files again.
    # A page holds all that it shows; nothing is fetched, whatever a name in it looks like.
    inside = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    return weasyprint.HTML(string=page, url_fetcher=inside).write_pdf(pdf_version="1.4")  # type: ignore[no-any-return]
