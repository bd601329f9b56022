"""`python -m bench`: composes the cells with Hydra and supervises them one after another."""

import os
import signal
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from bench import __version__, output
from bench.cli import help
from bench.configuration import search_path
from bench.errors import InputError


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


def multirun(sweeper: str, own: Collection[str], arguments: Iterable[str]) -> int:
    """Run the command line with a sweeper of tunebench's, whose `own` settings are typed as in `tune.trials=12`.

    Returns the exit status.
    """
    try:
        sys.argv[1:] = ["-m", f"hydra/sweeper={sweeper}", *_for_hydra(sweeper, own, arguments)]
    except InputError as error:
        from bench.cli.sweep import refuse

        return refuse(str(error))
    return main()


def _for_hydra(sweeper: str, own: Collection[str], arguments: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        key, equals, value = argument.partition("=")
        group, _, name = key.partition(".")
        if argument in ("-m", "--multirun"):
            continue
        if group != sweeper or not equals:
            yield argument
        elif name not in own:
            raise InputError(f"{key}: there is no such setting; {sweeper} has {', '.join(own)}")
        else:
            yield f"hydra.sweeper.{name}={value}"


if __name__ == "__main__":
    sys.exit(output.run(main))
