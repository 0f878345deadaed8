"""Bad input: a clear exception, and nothing written."""

import re

import numpy as np
import pytest
from cases import ELEMENTWISE, KEEPING_SHAPE, first_arguments, function_of, read_only
from numpy.exceptions import AxisError

import fastact
from fastact import _backend
from fastact._table import REDUCTIONS

X = np.linspace(-2, 2, 12, dtype="f").reshape(3, 4)
OUT = np.full((3, 4), 7, "f")

NOT_REAL = {
    "complex": X.astype("F"),
    "object": X.astype(object),
    "string": X.astype(str),
    "bytes": X.astype("S"),
    "datetime": np.zeros(3, "M8[s]"),
    "timedelta": np.zeros(3, "m8[s]"),
    "structured": np.zeros(3, [("a", "f")]),
    "long double": X.astype(np.longdouble),
    "None": None,
    "dict": {},
}


@pytest.fixture
def out():
    return OUT.copy()


@pytest.mark.parametrize("kind", NOT_REAL)
@pytest.mark.parametrize("name", [*ELEMENTWISE, *REDUCTIONS])
def test_not_real(name, kind, out):
    with pytest.raises(TypeError):
        function_of(name)(NOT_REAL[kind], *first_arguments(name))
    with pytest.raises(TypeError):
        function_of(name)(NOT_REAL[kind], *first_arguments(name), out=out)
    assert np.array_equal(out, OUT)


def test_which_is_not_real():
    for x in (X * 1j, "a", None, [["a"]]):
        with pytest.raises(TypeError, match=r"^elu: x must be real numbers of at most 64 bits, got dtype"):
            fastact.elu(x)
        with pytest.raises(TypeError, match=r"^elu: gy must be real numbers"):
            fastact.grad.elu(x, X)
    with pytest.raises(TypeError, match=r"^axis must be an int"):
        fastact.glu(X, axis=True)


@pytest.mark.parametrize("dtype", [None, np.float32])
def test_numbers_among_objects(dtype):
    """As what pandas makes of columns of float and bool."""
    x = np.array([1.5, True], object)
    advice = "got dtype object; if they are numbers, give np.asarray"
    for call in (fastact.softmax, fastact.glu, fastact.elu):
        with pytest.raises(TypeError, match=re.escape(f"{advice}(x, float)")):
            call(x, dtype=dtype)
    with pytest.raises(TypeError, match=re.escape(f"{advice}(alpha, float)")):
        fastact.elu(1.0, x)
    for other in ("a", 1j):
        with pytest.raises(TypeError, match=r"got dtype \S*$"):
            fastact.softmax(other, dtype=dtype)


# out, exception
BAD_OUT = [
    (np.full((4, 3), 7, "f"), ValueError),
    (np.full(4, 7, "f"), ValueError),
    (np.full((3, 4), 7, "i4"), TypeError),
    (np.full((3, 4), 7, "?"), TypeError),
    (read_only(OUT), ValueError),
    ([[7.0] * 4] * 3, TypeError),
    ((OUT, OUT), (TypeError, ValueError)),
    ((), (TypeError, ValueError)),
]


@pytest.mark.parametrize("bad, exception", BAD_OUT)
@pytest.mark.parametrize("name", ELEMENTWISE + KEEPING_SHAPE)
def test_bad_out(name, bad, exception):
    before = np.array(bad)
    x = X.copy()
    with pytest.raises(exception):
        function_of(name)(x, *first_arguments(name), out=bad)
    assert np.array_equal(bad, before) and np.array_equal(x, X)


# arguments and keywords after x, exception, what its message says
BAD_ELEMENTWISE = [
    ("gelu", ("tanh",), {}, TypeError, "gelu: approximate must be given by keyword"),
    ("elu", (1.0, 2.0), {}, TypeError, r"elu\(\) takes from 1 to 2 positional arguments but 3 positional .* given"),
    ("elu", (1.0,), {"alpha": 2.0}, TypeError, r"multiple values for argument 'alpha'"),
    ("elu", (), {"beta": 2.0}, TypeError, "beta"),
    ("prelu", (), {}, TypeError, r"prelu\(\) missing 1 required positional argument: 'weight'"),
    ("threshold", (), {}, TypeError, "missing .* required positional arguments?: 'threshold'"),
    ("threshold", (1.0,), {}, TypeError, "missing 1 required positional argument: 'value'"),
    ("threshold", (), {"value": 1.0}, TypeError, "missing .* required positional arguments?: 'threshold'"),
    ("prelu", (np.zeros(5, "f"),), {}, ValueError, "broadcast"),
    ("prelu", (1j,), {}, TypeError, "prelu: weight must be real numbers of at most 64 bits, got dtype complex128"),
    ("elu", ("a",), {}, TypeError, "elu: alpha must be real numbers of at most 64 bits, got dtype <U1"),
    ("elu", (None,), {}, TypeError, "elu: alpha must be real numbers of at most 64 bits, got dtype object"),
    ("threshold", (0.0, X.astype("g")), {}, TypeError, "threshold: value must be real numbers of at most 64 bits"),
    ("elu", (), {"dtype": "i4"}, TypeError, "No loop matching"),
    ("sigmoid", (), {"axis": 0}, TypeError, "axis"),
    ("sigmoid", (), {"dtype": "c8"}, TypeError, "sigmoid"),
    ("sigmoid", (), {"dtype": "i4"}, TypeError, "sigmoid"),
    ("sigmoid", (), {"casting": "any"}, ValueError, "casting"),
    ("sigmoid", (), {"where": np.zeros(5, bool)}, ValueError, "broadcast"),
]


@pytest.mark.parametrize("name, arguments, keywords, exception, message", BAD_ELEMENTWISE)
def test_bad_elementwise(name, arguments, keywords, exception, message, out):
    with pytest.raises(exception, match=message):
        getattr(fastact, name)(X, *arguments, out=out, **keywords)
    assert np.array_equal(out, OUT)


BAD_REDUCTION = [
    ({"axis": 2}, AxisError, "axis 2 is out of bounds for array of dimension 2"),
    ({"axis": -3}, AxisError, "axis -3 is out of bounds"),
    ({"axis": (0, 5)}, AxisError, "axis 5"),
    ({"axis": (0, 0)}, ValueError, "repeated axis"),
    ({"axis": (1, -1)}, ValueError, "repeated axis"),
    ({"axis": 1.0}, TypeError, "axis must be an int, a tuple of ints or None"),
    ({"axis": "rows"}, TypeError, "axis must be"),
    ({"axis": X}, TypeError, r"got ndarray of shape \(3, 4\)"),
    ({"axis": True}, TypeError, "axis must be an int, a tuple of ints or None, got True"),
    ({"axis": (0, True)}, TypeError, "axis must be"),
    ({"axis": (0, None)}, TypeError, "axis must be"),
    ({"where": np.zeros(3, bool)}, ValueError, "where of shape"),
    ({"where": np.zeros((2, 3, 4), bool)}, ValueError, "where of shape"),
    ({"where": np.zeros(4)}, TypeError, "where must be bool"),
    ({"dtype": "c8"}, TypeError, "dtype must be float16, float32 or float64"),
    ({"dtype": int}, TypeError, "dtype must be"),
    ({"dtype": np.longdouble}, TypeError, "dtype must be"),
    ({"dtype": "nonsense"}, TypeError, "nonsense"),
    ({"keepdims": True}, TypeError, "keepdims"),
]


@pytest.mark.parametrize("keywords, exception, message", BAD_REDUCTION)
@pytest.mark.parametrize("name", KEEPING_SHAPE)
def test_bad_reduction(name, keywords, exception, message, out):
    with pytest.raises(exception, match=message):
        getattr(fastact, name)(X, out=out, **keywords)
    assert np.array_equal(out, OUT)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_keywords_only_after_axis(name, out):
    with pytest.raises(TypeError):
        getattr(fastact, name)(X, 0, out)
    with pytest.raises(TypeError):
        getattr(fastact, name)()
    with pytest.raises(ValueError, match="inhomogeneous"):
        getattr(fastact, name)([[1.0], [1.0, 2.0]])
    assert np.array_equal(out, OUT)


@pytest.mark.parametrize(
    "n, exception", [(0, ValueError), (-1, ValueError), (10**6, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_bad_number_of_threads(n, exception):
    before = fastact.get_num_threads()
    with pytest.raises(exception, match="n must be"):
        fastact.set_num_threads(n)
    assert fastact.get_num_threads() == before


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'gelu_of_the_future'"):
        _ = fastact.gelu_of_the_future


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_function_of_arrays_that_fails(error):
    """As the NumPy backend's may; not a result that nothing was written into."""

    def fails(out, x):
        calls.append(len(x))
        raise error

    calls = []
    ufunc = _backend.ufunc_module.make_ufunc("fails", "", 1, "fd", callback=fails)
    many = np.ones((40, 50, 60))[:, ::2, ::3].transpose(1, 0, 2)  # rows, of which the first fails
    arrays = [np.ones(3), np.ones((40, 50))[:, ::2], np.ones((3, 4), "f").T, many]
    for x in arrays:
        with pytest.raises(error):
            ufunc(x)
    assert len(calls) == len(arrays)
