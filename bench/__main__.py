"""`python -m bench`: composes the cells with Hydra and supervises them one after another."""

import os
import signal
import sys
from pathlib import Path

from bench import __version__, output
from bench.cli import help
from bench.configuration import search_path


def main() -> int:
    """Run the command line. Returns the exit status."""
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


if __name__ == "__main__":
    sys.exit(output.run(main))
