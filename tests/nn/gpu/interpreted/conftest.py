"""What Triton's interpreter runs: a process interprets all kernels or none, so these files get one of their own.

``tests/nn/gpu/test_interpreted.py`` starts it; by hand: ``TRITON_INTERPRET=1 pytest tests/nn/gpu/interpreted``.
"""

from __future__ import annotations

from glaciertime.nn.gpu import is_interpreted

collect_ignore_glob = [] if is_interpreted() else ["test_*.py"]
