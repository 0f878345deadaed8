"""Draw the pictures of docs/gallery/, and write docs/gallery.md, which shows them.

python docs/make_gallery.py
"""

import argparse
from pathlib import Path

from fastact import _plot
from fastact._table import module_name

DOCS = Path(__file__).parent

HEAD = """# Gallery

The activations (solid) and their derivatives (dashed), at the default parameters; not the gated units, hardmax,
logsumexp and gumbel_softmax. Where a derivative jumps, the dot is the value that `fastact.grad` gives. What runs over
axes is drawn for the scores (x, 1, 0, -1), as shares of 1 where the results are that. Made by
`python docs/make_gallery.py`; `fastact plot elu alpha=0.5,1,2` draws others.

"""


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    page = HEAD
    for name in _plot.NAMES:
        _plot.save(_plot.figure([name]), folder / f"{name}.svg")
        module = module_name(name)
        page += f"## `{name}`, `nn.{module}`\n\n![{name} and its derivative](gallery/{name}.svg)\n\n"
    (DOCS / "gallery.md").write_text(page.rstrip() + "\n", encoding="utf-8")
    _plot.save(_plot.figure(_plot.NAMES), DOCS / "activations.svg")


if __name__ == "__main__":
    main()
