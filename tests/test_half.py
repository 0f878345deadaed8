"""float16: conversions are exact or rounded once, and results are float32's, rounded."""

import numpy as np
import pytest
from cases import CALLS, bits, compiled_only, inputs_of, public

import fastact
from fastact import _backend
from fastact._formulas import GRADIENTS
from fastact._gates import GATES
from fastact._table import REDUCTIONS, SOFTMAXES, WITH_GRADIENT

HALVES = np.arange(65536, dtype=np.uint16).view(np.float16)
convert = _backend.ufunc_module.convert


def widened(x):
    """By NumPy, which on some CPUs reports signalling NaN."""
    with np.errstate(invalid="ignore"):
        return x.astype(np.float32)


def test_widened():
    got = np.empty(HALVES.size, np.float32)
    assert convert(HALVES, got)
    assert np.array_equal(got, widened(HALVES), equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(HALVES))


def test_narrowed():
    rng = np.random.default_rng(0)
    halves = widened(HALVES)
    with np.errstate(all="ignore"):
        ties = (halves + np.nextafter(HALVES, np.float16(np.inf)).astype(np.float32)) / 2
        beside = [np.nextafter(ties, np.float32(to)) for to in (-np.inf, np.inf)]
    x = np.concatenate([halves, ties, *beside, rng.integers(0, 2**32, 10**6, np.uint32).view(np.float32)])
    got = np.empty(x.size, np.float16)
    with np.errstate(all="raise"):
        assert convert(x, got)
    with np.errstate(all="ignore"):
        want = x.astype(np.float16)
    assert np.array_equal(got, want, equal_nan=True) and np.array_equal(np.signbit(got), np.signbit(want))


def test_nan():
    """Signalling ones are quieted, and the other bits stay."""
    got = np.empty(3, np.float32)
    assert convert(np.array([0x7D01, 0x7E35, 0xFD55], np.uint16).view("e"), got)
    assert got.view("I").tolist() == [0x7FE02000, 0x7FC6A000, 0xFFEAA000]
    got = np.empty(3, np.float16)
    assert convert(np.array([0x7FA12000, 0x7FC6A000, 0xFFAAA000], np.uint32).view("f"), got)
    assert got.view("H").tolist() == [0x7F09, 0x7E35, 0xFF55]


@pytest.mark.parametrize("source, target", [("e", "d"), ("f", "f"), ("e", "e"), ("e", ">f4"), ("i", "f")])
def test_what_is_not_converted(source, target):
    assert not convert(np.ones(3, source), np.zeros(3, target))
    assert not convert(np.ones(3, "e"), np.zeros(6, "f")[::2]) and not convert(np.ones(3, "e"), np.zeros(4, "f"))


@pytest.mark.parametrize("shape", [(0,), (1,), (7, 1, 5), (3, 40, 33), (2, 3, 4, 17)])
def test_halves_of_any_layout(shape):
    rng = np.random.default_rng(0)
    wide = rng.normal(size=[2 * n for n in shape]).astype("e")
    for given in (
        wide[tuple(slice(n) for n in shape)],
        wide[tuple(slice(None, None, 2) for _ in shape)],
        wide[tuple(slice(2 * n, n, -1) if n else slice(0) for n in shape)],
        np.broadcast_to(wide[..., :1], wide.shape),
        wide.T,
    ):
        floats = np.empty(given.shape, "f")
        assert convert(given, floats) and np.array_equal(floats, given.astype("f"))
        back = np.zeros([2 * n for n in given.shape], "e")[tuple(slice(None, None, -2) for _ in given.shape)]
        assert convert(floats, back) and np.array_equal(back, given)


@compiled_only
@pytest.mark.parametrize("name, arguments", CALLS)
def test_all_halves(name, arguments):
    inputs = inputs_of(name, HALVES)
    rounded = [np.float32(np.float16(value)) for value in arguments]
    with np.errstate(all="raise"):
        got = public(name)(*inputs, *arguments)
        want = public(name)(*map(widened, inputs), *rounded)
    with np.errstate(all="ignore"):
        assert np.array_equal(bits(got), bits(want.astype(np.float16)))
    every_other = np.repeat(HALVES, 2)[::2]
    if name not in GRADIENTS:
        assert np.array_equal(bits(public(name)(every_other, *arguments)), bits(got))


@compiled_only
@pytest.mark.parametrize("shape", [(1, 1), (7, 10), (30, 1000), (1000, 300)])
@pytest.mark.parametrize("name", [*REDUCTIONS, *GATES])
def test_rows(name, shape):
    x = np.random.default_rng(1).normal(scale=3, size=(shape[0], 2 * shape[1])).astype("e")
    function = getattr(fastact, name)
    for axis in (0, 1):
        if name not in GATES or shape[0] % 2 == 0 or axis == 1:
            want = function(x.astype("f"), axis=axis).astype("e")
            for same in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
                assert np.array_equal(bits(function(same, axis=axis)), bits(want))
            out = np.empty_like(want)
            assert function(x, axis=axis, out=out) is out and np.array_equal(bits(out), bits(want))
    if name in (*WITH_GRADIENT, *GATES):
        gradient = getattr(fastact.grad, name)
        y = x if name in GATES else function(x)
        gy = np.random.default_rng(2).normal(size=function(x).shape).astype("e")
        want = gradient(gy.astype("f"), y.astype("f")).astype("e")
        assert np.array_equal(bits(gradient(gy, y)), bits(want))
    if name in SOFTMAXES:
        in_place = x.copy()
        want = function(x.astype("f"), temperature=0.3).astype("e")
        assert function(in_place[::-1], out=in_place[::-1], temperature=0.3).base is in_place
        assert np.array_equal(bits(in_place[::-1]), bits(function(x[::-1].astype("f"), temperature=0.3).astype("e")))
        assert np.array_equal(bits(function(x, temperature=0.3)), bits(want))


JUST_ABOVE_A_TIE = 1 + 2**-11 + 2**-40


@pytest.mark.parametrize(
    "number", [0.1, JUST_ABOVE_A_TIE, -JUST_ABOVE_A_TIE, 1 + 2**-11, -(2**-24), 2**-25, 3e-8, 65504, 1e-300, 7]
)
def test_numbers_are_rounded_once(number):
    x = np.full(3, np.copysign(65504, number), np.float16)
    got = fastact.hardtanh(x, number, number)
    assert got.dtype == np.float16 and np.array_equal(bits(got), bits(np.full(3, number, np.float16)))


@pytest.mark.parametrize("number", [65519.0, -65505, np.inf, -np.inf])
def test_large_numbers(number):
    x = np.array([1, 65504, -np.inf], np.float16)
    assert np.array_equal(fastact.hardtanh(x, -number, number), np.clip(x, -np.float16(number), np.float16(number)))


@compiled_only
@pytest.mark.parametrize("shape", [(70, 40, 30), (3, 80, 1001), (2, 1000, 130), (1, 1025, 70), (1, 3, 40_000)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_axis_in_the_middle(name, shape):
    """On any number of threads, of blocks that are done together, in parts, and neither."""
    x = np.random.default_rng(3).normal(size=shape).astype("e")
    function = getattr(fastact, name)
    want = function(x.astype("f"), axis=1).astype("e")
    for threads in (1, 2, 3):
        fastact.set_num_threads(threads)
        assert np.array_equal(bits(function(x, axis=1)), bits(want))
        if name in SOFTMAXES:
            gradient = getattr(fastact.grad, name)
            got, wide = gradient(x, want, axis=1), gradient(x.astype("f"), want.astype("f"), axis=1)
            assert np.array_equal(bits(got), bits(wide.astype("e")))
    assert function(x[:0], axis=1).shape == want[:0].shape and function(x, axis=1).dtype == np.float16
