"""The command `fastact`."""

import argparse
import os
import re
import sys

import fastact
from fastact import _bench
from fastact._bench.options import add_options


def run(arguments):
    parser = argparse.ArgumentParser(
        prog="fastact",
        description="Activation functions for NumPy arrays. Without a command, print the configuration: "
        "version, backend, CPU features, threads.",
    )
    parser.add_argument("--version", action="version", version=f"fastact {fastact.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("demo", help="recognise handwritten digits, and time every function")
    plot = commands.add_parser("plot", help="draw activations and their derivatives (needs Matplotlib)")
    names = "such as elu; after each its parameters, such as alpha=0.5,1,2"
    plot.add_argument("names", nargs="*", metavar="NAME", help=names)
    plot.add_argument("--all", action="store_true", help="draw all of them")
    plot.add_argument("--xlim", nargs=2, type=float, metavar=("LEFT", "RIGHT"), help="from where to where")
    plot._negative_number_matcher = re.compile(r"-\.?\d")  # such as -1e3, too, which else were an option
    out = "write a file (.svg, .png, .pdf) instead of opening a window; without a display, by default ./fastact.svg"
    plot.add_argument("--out", metavar="FILE", help=out)
    bench = commands.add_parser("bench", help="measure the speed, beside NumPy, SciPy, PyTorch and others")
    add_options(bench)
    options = parser.parse_args(arguments)
    if options.command == "demo":
        from fastact import _demo

        _demo.show()
    elif options.command == "plot":
        from fastact import _plot

        try:
            _plot.run(options)
        except ImportError as error:
            sys.exit(str(error))
        except BrokenPipeError:
            raise
        except (TypeError, ValueError, OSError) as error:
            plot.error(str(error))
    elif options.command == "bench":
        options.command_line = sys.argv[1:] if arguments is None else arguments
        _bench.run(options, bench.error)
    else:
        fastact.show_config()


def main(arguments=None):
    """Run the command line and return the exit status; a wrong one exits with status 2."""
    if getattr(sys.stdout, "errors", None) == "strict":
        sys.stdout.reconfigure(errors="replace")  # ± where there is but ASCII
    try:
        try:
            run(arguments)
        finally:
            print(end="", flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # whose reader has seen enough, as in `fastact demo | head`
            print(f"fastact: {error}", file=sys.stderr)
        try:
            print(end="", flush=True)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
