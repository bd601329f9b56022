"""`python -m bench`: composes the cells with Hydra and supervises them one after another."""

import os
import signal
import sys
from pathlib import Path

from bench import __version__
from bench.cli import help
from bench.configuration import search_path


def main() -> int:
    """Run the command line. Returns the exit status."""
    _replace_closed_streams()
    if {"-h", "--help"} & set(sys.argv[1:]):
        command = "tunebench" if Path(sys.argv[0]).name == "tunebench" else "python -m bench"
        print(help.text(command, search_path(sys.argv[1:])), end="")
        return 0
    if "--version" in sys.argv[1:]:
        print(f"tunebench {__version__}")
        return 0
    # While modules are imported, Ctrl-C ends the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bench.cli import sweep

    # Without this, Hydra prints its own errors and exits; with it, Hydra raises them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    return sweep.run(sys.argv[1:])


def _replace_closed_streams() -> None:
    """Without an output (`>&-`) the next file opened would get its number, and everything that is printed."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
