"""A page in the browser on what the package does: look, segment, draw, track, forecast, explain, one's own series.

Every button runs a command of ``glaciertime`` as a process of its own, in a folder that only its session sees; the page
shows that command. So nothing can be done here that cannot be typed, a computation can be stopped, and what a broken
file does to a reader happens to that process and not to the others' page.
"""

from __future__ import annotations

__all__: list[str] = []
