"""The SQL of the package as PostgreSQL takes it: what is stored and replaced is said once, for all kinds of archive."""

from __future__ import annotations

import re

__all__ = ["to_postgres"]

_SAME_COLUMN = re.compile(r" IS (?=[a-z]\.)")
_JSON_VALUE = re.compile(r"json_extract\((\w+), '\$\.(\w+)'\)")
_ROW_NUMBER = re.compile(r"\browid\b")


def to_postgres(sql: str, *, with_unknown: bool) -> str:
    """Return a statement in the words of PostgreSQL, with ``%s`` for values.

    Parameters
    ----------
    sql : str
    with_unknown : bool
        Whether a value is None. ``IS ?`` is then ``IS NOT DISTINCT FROM``, else ``=``, which an index serves.

    Examples
    --------
    >>> to_postgres('DELETE FROM runs WHERE run IS ?', with_unknown=False)
    'DELETE FROM runs WHERE run = %s'
    """
    same = " IS NOT DISTINCT FROM ?" if with_unknown else " = ?"
    text = sql.replace("%", "%%").replace(" IS ?", same)
    text = text.replace("(SELECT value FROM json_each(?))", "(SELECT json_array_elements_text(?::json))")
    text = _SAME_COLUMN.sub(" IS NOT DISTINCT FROM ", text)
    text = _JSON_VALUE.sub(r"(nullif(\1, '')::json ->> '\2')", text)
    return _ROW_NUMBER.sub("fid", text).replace("?", "%s")
