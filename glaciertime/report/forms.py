"""In which forms a report can be written, told by the end of its name, and writing what it says in one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from glaciertime.errors import UsageError
from glaciertime.provenance import RunRecord
from glaciertime.report.content.parts import Content
from glaciertime.report.wording import Wording, wording_of

__all__ = ["MARK", "check_form", "form_of", "lay_out"]

#: How a report says what made it.
MARK = "glaciertime report"


def form_of(path: Path) -> str:
    """Return the form of a report by the end of its name.

    Raises
    ------
    UsageError
        For any other end, or none: nothing is to bear the name of what it is not.

    Examples
    --------
    >>> form_of(Path("crane.PDF"))
    '.pdf'
    """
    form = path.suffix.lower()
    if form not in _FORMS:
        raise UsageError(
            f"--out {path}: a report is {', '.join(list(_FORMS)[:-1])} or {list(_FORMS)[-1]}; "
            f"give --out {path.stem or 'report'}.html"
        )
    return form


def check_form(form: str) -> None:
    """Refuse a form for which something is not installed, before the work.

    Raises
    ------
    MissingExtraError
    """
    if form == ".pdf":
        from glaciertime.report.views.pdf_view import check_printer

        check_printer()


def lay_out(
    content: Content,
    *,
    form: str,
    language: str = "en",
    units: Mapping[str, str] | None = None,
    run: RunRecord | None = None,
) -> bytes:
    """Return what a report says in one of its forms, as the bytes of a file.

    Parameters
    ----------
    content : Content
    form : str
        ``.html``, ``.pdf``, ``.md`` or ``.json``.
    language : str
        Of :func:`glaciertime.report.wording.languages`.
    units : mapping of ``length`` or ``area`` to one of :data:`glaciertime.units.SHOWN_UNITS`, optional
        In which a reader has numbers; JSON, which machines read, keeps those of the archive.
    run : RunRecord, optional
        What writes it: told in HTML and JSON; of the others a note beside them does.
    """
    shown = {} if form == ".json" or units is None else units
    return _FORMS[form](content, wording_of(language).in_units(shown), run)


def _html(content: Content, wording: Wording, run: RunRecord | None) -> bytes:
    from glaciertime.report.views.html_view import html_view

    return html_view(content, wording=wording, mark=MARK, run=run).encode()


def _pdf(content: Content, wording: Wording, run: RunRecord | None) -> bytes:
    from glaciertime.report.views.pdf_view import pdf_view

    return pdf_view(content, wording=wording, mark=MARK, run=run)


def _markdown(content: Content, wording: Wording, run: RunRecord | None) -> bytes:
    from glaciertime.report.views.markdown_view import markdown_view

    return markdown_view(content, wording=wording, mark=MARK).encode()


def _json(content: Content, wording: Wording, run: RunRecord | None) -> bytes:
    from glaciertime.report.views.json_view import json_view

    return json_view(content, wording=wording, mark=MARK, run=None if run is None else json.loads(run.tag())).encode()


_FORMS: Mapping[str, Callable[[Content, Wording, RunRecord | None], bytes]] = {
    ".html": _html, ".pdf": _pdf, ".md": _markdown, ".json": _json,
}  # fmt: skip
