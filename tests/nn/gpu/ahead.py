"""Compiling a kernel for a card that is not there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

triton = pytest.importorskip("triton", reason="Triton is not installed: its kernels are not compiled")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402


def compile_ahead(
    kernel: Any,
    capability: int,
    *,
    pointers: Mapping[str, str],
    constants: Mapping[str, object],
    ones: Collection[str] = (),
    absent: Collection[str] = (),
    uneven: Collection[str] = (),
    warps: int = 1,
) -> Any:
    """Return the compiled kernel.

    Parameters
    ----------
    kernel : made by ``jit``; pointers are the arguments whose names end in ``_ptr``.
    capability : 80 or 90.
    pointers : Triton's dtype by pointer; under "*" that of the others.
    constants : the values of what is annotated as constexpr.
    ones, absent : numbers that are 1, pointers that are None.
    uneven : numbers that are no multiple of 16.
    """
    signature: dict[str, str] = {}
    fixed: dict[tuple[int], object] = {}
    attributes: dict[tuple[int], list[list[object]]] = {}
    for place, parameter in enumerate(kernel.params):
        name = parameter.name
        if parameter.is_constexpr or name in ones or name in absent:
            signature[name] = "constexpr"
            fixed[place,] = constants[name] if parameter.is_constexpr else (1 if name in ones else None)
            continue
        pointer = name.endswith("_ptr")
        signature[name] = "*" + pointers.get(name, pointers["*"]) if pointer else "i32"
        if pointer or name not in uneven:
            attributes[place,] = [["tt.divisibility", 16]]
    source = ASTSource(fn=kernel, signature=signature, constexprs=fixed, attrs=attributes)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": warps})
