"""What must stand in no log and no archive: passwords and keys in addresses and options."""

from __future__ import annotations

import re

__all__ = ["without_secrets"]

_WORDS = r"(?:pass(?:word|wd)?|secret|token|api_?key|key|sig(?:nature)?|auth(?:orization)?|credentials?|sas|session)"
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+@")
_NAMED = re.compile(rf"(?i)(\b[\w-]*{_WORDS}[\w-]*\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(\"[^\"]*\"|'[^']*'|[^\s&;,'\"]+)")
_OPTION = re.compile(rf"(?i)(--[\w-]*{_WORDS}\b\s+)(\"[^\"]*\"|'[^']*'|[^\s,]+)")


def without_secrets(text: str) -> str:
    """Return a text with ``***`` in place of the passwords and keys in it.

    Examples
    --------
    >>> without_secrets("https://anna:geheim@example.org/a.zip?token=abc123&n=1")
    'https://***@example.org/a.zip?token=***&n=1'
    >>> without_secrets("Authorization: Bearer abc, --api-key abc, keyhole of 3 keys")
    'Authorization: ***, --api-key ***, keyhole of 3 keys'
    """
    text = _IN_ADDRESS.sub("***@", text)
    return _OPTION.sub(r"\1***", _NAMED.sub(r"\1***", text))
