"""The options of `fastact bench`, and what they ask for."""

import fastact
from fastact._bench import cuda
from fastact._bench import peers as _peers
from fastact._bench.cells import DTYPES, LAYOUTS, Rows, cells, library_of
from fastact._expressions import EXPRESSIONS

DESCRIPTION = """Measure how long each function takes, for one element, and how many times as long the same takes in
NumPy and in what else is installed of SciPy, PyTorch, jax, numexpr, onnxruntime and openvino. All take turns in one
process, on the same array and as many threads (NumPy and SciPy use one). Times are the shortest of many; behind ± is
how much the ratio varies from one fifth of the measurement to another. With --device cuda it is fastact.cuda, beside
PyTorch on the GPU and beside a copy in its memory of as many bytes, whose column is the share of the bandwidth."""

# What is measured on a device: by default, and by --all.
USUAL = {
    "cpu": {
        "dtypes": "float32",
        "sizes": "1e3,1e6",
        "rows": "100000x10,1000x1000",
        "layouts": "contiguous",
        "threads": "all",
    },
    "cuda": {
        "dtypes": "float32",
        "sizes": "1e5,1e7,6.7e7",
        "rows": "1000000x10,100000x80,10000x1000,200x50257",
        "layouts": "contiguous",
    },
}
ALL = {
    "cpu": {
        "dtypes": "float32,float64",
        "sizes": "10,1e3,1e5,1e6,1.6e7",
        "rows": "1000000x10,100000x80,10000x1000,64x50257,8x16x512x512,32x21x128x128@1,1000x1000@0,10000000",
        "layouts": "contiguous,strided,transposed,sliced",
        "threads": "1,all",
    },
    "cuda": {
        "dtypes": "float32,float64,float16",
        "sizes": "10,1e3,1e5,1e6,1e7,6.7e7",
        "rows": "1000000x10,100000x80,10000x1000,200x50257,8x16x512x512,32x21x128x128@1,1000x1000@0,10000000",
        "layouts": "contiguous",
    },
}
HELP = {
    "dtypes": "of float32, float64, float16",
    "sizes": "elements, for elementwise functions",
    "rows": "shapes for the others, as softmax, with the axis behind @ if it is not the last; gates take no odd sizes",
    "layouts": "of contiguous, strided (every other element of the last axis), transposed, sliced (the first half of "
    "each row); on cuda contiguous alone",
    "threads": "how many, of the CPU; `all` is what fastact would use",
}


def add_cell_options(add, usual=USUAL["cpu"]):
    """The options that say what is measured, for an argparse or pytest parser."""
    for name, values in usual.items():
        add(f"--{name}", metavar="LIST", help=f"{HELP[name]} (default: {values})")
    add("--preallocated", action="store_true", help="write into an array that is there, on both sides")
    add("--backward", action="store_true", help="measure the gradients, fastact.grad")
    add(
        "--peers",
        metavar="LIST",
        help=f"of {', '.join(_peers.PEERS)} (of memory, with as many threads: the limit for large arrays), or none "
        "(default: all that are installed, without copy; on cuda torch and copy)",
    )


def add_options(parser):
    parser.description = DESCRIPTION
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="default: all functions")
    parser.add_argument("--all", action="store_true", help="the whole list of cells: takes long")
    given = " ".join(f"--{name} {values}" for name, values in USUAL["cuda"].items() if values != USUAL["cpu"][name])
    parser.add_argument("--device", choices=USUAL, default="cpu", help=f"where (default: cpu); cuda implies {given}")
    add_cell_options(parser.add_argument)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each cell (default: 1)")
    parser.add_argument("--out", metavar="FILE", help="draw a picture, as .svg, .png or .pdf; needs matplotlib")
    parser.add_argument("--json", metavar="FILE", help="write all figures")


def chosen(text, allowed, what):
    """The names of a list with commas."""
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in allowed:
            raise ValueError(f"{what}: {name!r} is none of {', '.join(allowed)}")
    return names


def count(text, what):
    """A whole number, which may be written as 1e6."""
    try:
        value = float(text)
    except ValueError:
        value = 0.5
    if not 1 <= value <= 1e12 or value != int(value):
        raise ValueError(f"{what}: expected a positive whole number, got {text!r}")
    return int(value)


def rows_of(text):
    try:
        return Rows.parse(text)
    except ValueError as error:
        raise ValueError(f"--rows: {text!r}: {error}") from None


def threads_of(text):
    here = fastact.get_num_threads()
    threads = [here if n == "all" else count(n, "--threads") for n in text.split(",")]
    if max(threads) > 4096:
        raise ValueError(f"--threads: at most 4096, got {max(threads)}")
    return list(dict.fromkeys(threads))


def functions_of(functions, device, backward):
    """Those of them that there are."""
    library = library_of(device)
    found = [name for name in functions if hasattr(library.grad if backward else library, name)]
    if not found:
        raise ValueError(f"{library.__name__}{'.grad' * backward} has none of these functions")
    return found


def cells_of(options, functions=EXPRESSIONS, usual=USUAL["cpu"], device="cpu"):
    """The cells that the options ask for; a ValueError says what is wrong with them."""
    if device == "cuda" and options.threads is not None:
        raise ValueError("--threads: of the CPU, not with --device cuda")
    text = {
        name: values if getattr(options, name) is None else getattr(options, name) for name, values in usual.items()
    }
    return cells(
        functions_of(functions, device, options.backward),
        chosen(text["dtypes"], DTYPES, "--dtypes"),
        list(dict.fromkeys(count(size, "--sizes") for size in text["sizes"].split(","))),
        list(dict.fromkeys(map(rows_of, text["rows"].split(",")))),
        chosen(text["layouts"], LAYOUTS if device == "cpu" else ["contiguous"], "--layouts"),
        threads_of(text["threads"]) if device == "cpu" else [None],
        options.preallocated,
        options.backward,
        device,
    )


def peers_of(options, device="cpu"):
    """The peers to compare with; and those that are not there: name -> what it would take."""
    peers = _peers.PEERS_ON[device]
    names = [] if options.peers == "none" else [name for name, peer in peers.items() if peer.usual]
    if options.peers not in (None, "none"):
        names = chosen(options.peers, peers, "--peers")
    absent = {}
    for name in names:
        if lacking := _peers.missing(name, device):
            absent[name] = "not installed" if lacking == [name] else f"needs {', '.join(lacking)}"
        elif device == "cuda" and name == "torch" and not cuda.torch():
            absent[name] = "sees no CUDA device"
        elif not _peers.suits(name, options.preallocated, options.backward, device):
            kind = ["backward"] * options.backward + ["preallocated"] * options.preallocated
            absent[name] = f"has nothing {' '.join(kind)}" if kind else "only with --preallocated"
    return [name for name in names if name not in absent], absent
