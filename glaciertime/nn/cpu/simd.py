"""Explicit vectors inside numba: sixteen float32 or eight float64 at a time, on any processor numba compiles for.

LLVM splits a vector into whatever registers the processor has, so that one source runs on AVX-512, AVX2 and NEON.
Pointers are passed as integers. A scalar of the element type, here called ``one``, tells which vector is meant.
"""

from __future__ import annotations

import math
import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

__all__ = ["LANES", "add_into", "exp2", "fill", "fma", "load", "sigmoid", "softplus", "store", "sum_rows", "transpose"]

LANES = {"float32": 16, "float64": 8}

# 2**f = 1 + f q(f) on [-0.5, 0.5], minimax for q: relative errors 2e-7 and 1e-17.
_EXP2 = {
    "float32": (
        0.693147180559945,
        0.2402234903802036,
        0.05550381013796457,
        0.009666368515385448,
        0.0013381302537320798,
    ),
    "float64": (
        0.6931471805599453,
        0.24022650695910098,
        0.055504108664821594,
        0.00961812910760688853,
        0.00133335581464169353,
        0.000154035304417360502,
        0.0000152527338298361184,
        1.32154425879216897e-6,
        1.01780624458457735e-7,
        7.0725859492692237e-9,
        4.45496059818651839e-10,
    ),
}
# atanh(s) / s on [0, 1/3] in powers of s squared, minimax: 4e-9 and 1e-18.
_ATANH = {
    "float32": (
        1.00000000384087944,
        0.333331608206888866,
        0.200122976153518740,
        0.139825788725986344,
        0.140788891815545403,
    ),
    "float64": (
        1.0,
        0.33333333333333074797,
        0.20000000000092873734,
        0.14285714272727057267,
        0.11111112040373836587,
        0.090908704162524022551,
        0.076933070211520038808,
        0.066501870163373121685,
        0.060550843640346088273,
        0.041622532559304102879,
        0.085220817813906990645,
    ),
}
# (exponent's place, 1.5 * 2**place, smallest and largest power of two)
_LAYOUT = {"float32": (23, 12582912.0, -126.0, 127.99), "float64": (52, 6755399441055744.0, -1022.0, 1023.99)}


def _intrinsic(function: Any) -> Any:
    # What it returns is called without the typing context, which a type checker cannot know.
    return intrinsic(function)


class _Vector(types.Type):
    def __init__(self, element: types.Type) -> None:
        self.element = element
        self.lanes = LANES[element.name]
        super().__init__(name=f"vector{self.lanes}x{element.name}")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: _Vector) -> None:
        scalar = ir.FloatType() if fe_type.element == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(scalar, fe_type.lanes))


class _Arithmetic(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 2 and isinstance(args[0], _Vector) and args[0] == args[1]:
            return signature(args[0], *args)
        return None


def _lower(op: Any, instruction: str) -> None:
    infer_global(op)(type(f"_Arithmetic_{instruction}", (_Arithmetic,), {"key": op}))

    @lower_builtin(op, _Vector, _Vector)
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _op, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _lower(_op, _instruction)


def _constant(vector: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


def _pointer(builder: Any, base: Any, index: Any, scalar: ir.Type) -> Any:
    return builder.gep(builder.inttoptr(base, scalar.as_pointer()), [index], source_etype=scalar)


def _emit_load(builder: Any, vector: ir.VectorType, base: Any, index: Any) -> Any:
    where = _pointer(builder, base, index, vector.element)
    where = builder.bitcast(where, vector.as_pointer())
    value = builder.load(where, typ=vector)
    value.align = 4 if isinstance(vector.element, ir.FloatType) else 8
    return value


def _emit_store(builder: Any, value: Any, base: Any, index: Any) -> None:
    where = builder.bitcast(_pointer(builder, base, index, value.type.element), value.type.as_pointer())
    builder.store(value, where, align=4 if isinstance(value.type.element, ir.FloatType) else 8)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    suffix = "f32" if isinstance(a.type.element, ir.FloatType) else "f64"
    kind = ir.FunctionType(a.type, [a.type] * 3)
    name = f"llvm.fmuladd.v{a.type.count}{suffix}"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, [a, b, c])


def _shuffle(builder: Any, a: Any, b: Any, mask: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(mask)), mask))


def _scalar(one: types.Type) -> ir.Type:
    return ir.FloatType() if one == types.float32 else ir.DoubleType()


@_intrinsic
def load(typingctx: Any, one: Any, base: Any, index: Any) -> Any:
    """Return the vector that starts ``index`` elements after an address."""
    vector = _Vector(one)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _emit_load(builder, context.get_value_type(sig.return_type), args[1], args[2])

    return vector(one, types.int64, types.int64), emit


@_intrinsic
def store(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Write a vector ``index`` elements after an address."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _emit_store(builder, args[2], args[0], args[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, value), emit


@_intrinsic
def load_one(typingctx: Any, one: Any, base: Any, index: Any) -> Any:
    """Return the number ``index`` elements after an address."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar = _scalar(sig.return_type)
        return builder.load(_pointer(builder, args[1], args[2], scalar), typ=scalar)

    return one(one, types.int64, types.int64), emit


@_intrinsic
def store_one(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Write a number ``index`` elements after an address."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], args[2].type))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, value), emit


@_intrinsic
def itemsize(typingctx: Any, one: Any) -> Any:
    """Return the bytes of an element."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(ir.IntType(64), 4 if sig.args[0] == types.float32 else 8)

    return types.int64(one), emit


@_intrinsic
def fill(typingctx: Any, one: Any, value: Any) -> Any:
    """Return a vector of one number, rounded to the type of ``one``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = context.get_value_type(sig.return_type)
        value = context.cast(builder, args[1], sig.args[1], sig.args[0])
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        return _shuffle(builder, first, ir.Constant(vector, ir.Undefined), [0] * vector.count)

    return _Vector(one)(one, value), emit


@_intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c, in one rounding where the processor can."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _fma(builder, *args)

    return a(a, a, a), emit


def _polynomial(builder: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    *head, last = coefficients
    value = _constant(x.type, last)
    for coefficient in reversed(head):
        value = _fma(builder, value, x, _constant(x.type, coefficient))
    return value


def _emit_exp2(builder: Any, x: Any) -> Any:
    vector = x.type
    name = "float32" if isinstance(vector.element, ir.FloatType) else "float64"
    place, magic_number, smallest, largest = _LAYOUT[name]
    bits = ir.VectorType(ir.IntType(32 if name == "float32" else 64), vector.count)
    # Ordered comparisons are false for NaN, which passes through.
    low, high = _constant(vector, smallest), _constant(vector, largest)
    x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
    x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
    # Adding 1.5 * 2**place rounds to whole numbers and leaves them in the low bits.
    magic = _constant(vector, magic_number)
    shifted = builder.fadd(x, magic)
    rest = builder.fsub(x, builder.fsub(shifted, magic))
    value = _polynomial(builder, rest, (1.0, *_EXP2[name]))
    power = builder.shl(builder.bitcast(shifted, bits), ir.Constant(bits, [place] * vector.count))
    return builder.bitcast(builder.add(builder.bitcast(value, bits), power), vector)


@_intrinsic
def exp2(typingctx: Any, x: Any) -> Any:
    """Return two to the power of each element; relative error below 3e-7 in float32, 1e-15 in float64."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _emit_exp2(builder, args[0])

    return x(x), emit


@_intrinsic
def sigmoid(typingctx: Any, x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = args[0].type
        one = _constant(vector, 1.0)
        power = _emit_exp2(builder, builder.fmul(args[0], _constant(vector, -math.log2(math.e))))
        return builder.fdiv(one, builder.fadd(one, power))

    return x(x), emit


@_intrinsic
def softplus(typingctx: Any, x: Any) -> Any:
    """Return log(1 + exp(x)), as max(x, 0) + log1p(exp(-|x|)) with log1p(t) = 2 atanh(t / (2 + t))."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x = args[0]
        vector = x.type
        name = "float32" if isinstance(vector.element, ir.FloatType) else "float64"
        zero = _constant(vector, 0.0)
        negative = builder.fcmp_ordered("<", x, zero)
        magnitude = builder.select(negative, builder.fsub(zero, x), x)
        t = _emit_exp2(builder, builder.fmul(magnitude, _constant(vector, -math.log2(math.e))))
        s = builder.fdiv(t, builder.fadd(t, _constant(vector, 2.0)))
        series = _polynomial(builder, builder.fmul(s, s), _ATANH[name])
        return _fma(builder, builder.fadd(s, s), series, builder.select(negative, zero, x))

    return x(x), emit


@_intrinsic
def transpose(typingctx: Any, one: Any, source: Any, source_step: Any, target: Any, target_step: Any) -> Any:
    """Transpose a square of LANES x LANES elements; the rows of each square lie a step apart."""
    vector_type = _Vector(one)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, source, source_step, target, target_step = args
        vector = context.get_value_type(vector_type)
        count = vector.count

        def at(row: int, step: Any) -> Any:
            return builder.mul(ir.Constant(ir.IntType(64), row), step)

        rows = [_emit_load(builder, vector, source, at(row, source_step)) for row in range(count)]
        bit = 1
        while bit < count:
            upper = [lane if not lane & bit else count + lane - bit for lane in range(count)]
            lower = [lane + bit if not lane & bit else count + lane for lane in range(count)]
            for row in range(count):
                if not row & bit:
                    a, b = rows[row], rows[row + bit]
                    rows[row] = _shuffle(builder, a, b, upper)
                    rows[row + bit] = _shuffle(builder, a, b, lower)
            bit *= 2
        for row in range(count):
            _emit_store(builder, rows[row], target, at(row, target_step))
        return context.get_dummy_value()

    return types.void(one, types.int64, types.int64, types.int64, types.int64), emit


@_intrinsic
def sum_rows(typingctx: Any, one: Any, base: Any) -> Any:
    """Return the sums of LANES consecutive vectors: element i is the sum over vector i."""
    vector_type = _Vector(one)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = context.get_value_type(vector_type)
        count = vector.count
        rows = [_emit_load(builder, vector, args[1], ir.Constant(ir.IntType(64), row * count)) for row in range(count)]
        bit = 1
        while bit < count:
            first = [lane if not lane & bit else count + lane - bit for lane in range(count)]
            second = [lane + bit if not lane & bit else count + lane for lane in range(count)]
            rows = [
                builder.fadd(_shuffle(builder, a, b, first), _shuffle(builder, a, b, second))
                for a, b in zip(rows[::2], rows[1::2], strict=True)
            ]
            bit *= 2
        return rows[0]

    return vector_type(one, types.int64), emit


@_intrinsic
def add_into(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Add a vector to what lies ``index`` elements after an address."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before = _emit_load(builder, args[2].type, args[0], args[1])
        _emit_store(builder, builder.fadd(before, args[2]), args[0], args[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, value), emit
