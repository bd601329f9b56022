"""The `tunebench` command: `python -m bench`, with `tunebench data`, `tune`, `decide`, `report` and `demo` beside it.

The imports at the top stay this light because Python runs the command's script again in the process of every cell.
"""

import subprocess
import sys

from bench import output

DEMO_HAS_NO_ARGUMENTS = (
    "tunebench demo takes no arguments, got {!r}; to change the demo, run "
    "`tunebench experiment=demo KEY=VALUE ...` and then `tunebench report --study demo`"
)


def main() -> int:
    """Run the command line. Returns the exit status."""
    return output.run(_run)


def _run() -> int:
    match sys.argv[1:]:
        case ["report", *arguments]:
            return _report(*arguments)
        case ["data", *arguments]:
            from bench.data.__main__ import main as data

            return data(arguments, "tunebench data")
        case ["decide", *arguments]:
            from bench.decide import main as decide

            return decide(arguments, "tunebench decide")
        case ["tune", *arguments]:
            from bench.tune import main as tune

            return tune(arguments, "tunebench tune")
        case ["demo"]:
            return _sweep("experiment=demo") or _report("--study", "demo")
        case ["demo", *arguments]:
            print(DEMO_HAS_NO_ARGUMENTS.format(" ".join(arguments)), file=sys.stderr)
            return 2
        case arguments:
            return _sweep(*arguments)


def _sweep(*arguments: str) -> int:
    from bench.__main__ import main as sweep

    sys.argv[1:] = arguments
    return sweep()


def _report(*arguments: str) -> int:
    # A process of its own: after a sweep, this one has a fork server with torch in it.
    try:
        return subprocess.call([sys.executable, "-m", "bench.report", *arguments])
    except KeyboardInterrupt:
        return output.INTERRUPTED
