"""Where a number comes from: the run that made it, with the files it read, the versions, and what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glaciertime.lazy import names_on_first_use

if TYPE_CHECKING:
    from glaciertime.provenance.digests import Digest, digest_of, table_digest, value_digest
    from glaciertime.provenance.run import Run, RunRecord
    from glaciertime.provenance.tags import read_tag, sidecar, sidecar_text

__all__ = [
    "Digest",
    "Run",
    "RunRecord",
    "digest_of",
    "read_tag",
    "sidecar",
    "sidecar_text",
    "table_digest",
    "value_digest",
]

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {
        "digests": ("Digest", "digest_of", "table_digest", "value_digest"),
        "run": ("Run", "RunRecord"),
        "tags": ("read_tag", "sidecar", "sidecar_text"),
    },
)
