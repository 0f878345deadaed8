"""The documentation as web pages: pip install "fastact[docs]", and then `sphinx-build docs pages`."""

import inspect
import re
from pathlib import Path

import fastact
from fastact._gates import GATES
from fastact._table import ACTIVATIONS, REDUCTIONS, WITH_GRADIENT

project, author, version = "fastact", "the fastact developers", fastact.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
default_role = "code"
html_theme = "furo"
html_title = f"fastact {version}"

PICTURES = Path(__file__).parent / "gallery"
README = Path(__file__).parents[1].joinpath("README.md").read_text()
NAMES = {
    "elementwise": ("fastact", ACTIVATIONS),
    "reductions": ("fastact", [*REDUCTIONS, "gumbel_softmax"]),
    "gates": ("fastact", GATES),
    "gradients": ("fastact.grad", [*ACTIVATIONS, "prelu_weight", *WITH_GRADIENT, *GATES]),
    "modules": ("fastact.nn", fastact.nn.__all__),
    "cuda": ("fastact.cuda", [*ACTIVATIONS, *REDUCTIONS, *GATES]),
}


def signature_of(function):
    """As `help` has it: of a ufunc, the first line of its documentation, with the names of a gradient's arrays."""
    if isinstance(function, type):
        return ""
    if hasattr(function, "nin"):
        return function.__doc__.partition("\n")[0].removeprefix(function.__name__).replace("x1, x2,", "gy, x,")
    return str(inspect.signature(function))


def directives(place, names):
    """What documents these functions or classes, of a module."""
    module = fastact if place == "fastact" else getattr(fastact, place.removeprefix("fastact."))
    for name in names:
        thing = getattr(module, name)
        kind = "class" if isinstance(thing, type) else "function"
        yield f".. auto{kind}:: {place}.{name}{signature_of(thing)}\n"
        if place == "fastact" and (PICTURES / f"{name}.svg").exists():
            yield f"   .. image:: gallery/{name}.svg\n      :alt: {name} and its derivative\n"


def fill_in(app, docname, source):
    """The lists of reference.rst, from the tables; and README.md as the index, with its links seen from there."""
    for field, (place, names) in NAMES.items():
        source[0] = source[0].replace(f"{{{field}}}", "\n".join(directives(place, names)))
    readme = README.replace("](docs/", "](").replace("](CONTRIBUTING.md", "](contributing.md")
    source[0] = source[0].replace("{readme}", readme).replace("](../README.md", "](index.md")


def keep_initials(app, what, name, thing, options, lines):
    """An initial at the beginning of a line, as in V. Nair, makes no item of a list."""
    lines[:] = [re.sub(r"^(\s*[A-Z])\. ", r"\1\\. ", line) for line in lines]


def keep_signature(app, what, name, thing, options, signature, result):
    """That of the directive, where numpydoc would take a ufunc's from its documentation."""
    return (signature, result) if hasattr(thing, "nin") else None


def setup(app):
    app.connect("source-read", fill_in)
    app.connect("autodoc-process-docstring", keep_initials)
    app.connect("autodoc-process-signature", keep_signature, priority=400)  # before numpydoc's
