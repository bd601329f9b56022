"""The `tunebench` command: `python -m bench`, with `tunebench data`, `tune`, `decide`, `report` and `demo` beside it.

The imports at the top stay this light because Python runs the command's script again in the process of every cell.
"""

import contextlib
import subprocess
import sys

from bench import output

DEMO = "to change the demo, run `tunebench experiment=demo KEY=VALUE ...` and then `tunebench report --study demo`"
DEMO_HELP = f"""\
Train and score a tiny embedded model with four methods on embedded data, and write the report.

usage: tunebench demo

It runs on the CPU in two to five minutes, and takes no arguments; {DEMO}.
"""


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
        case ["demo", "-h" | "--help", *_]:
            print(DEMO_HELP, end="")
            return 0
        case ["demo", *arguments]:
            print(f"tunebench demo takes no arguments, got {' '.join(arguments)!r}; {DEMO}", file=sys.stderr)
            return 2
        case arguments:
            return _sweep(*arguments)


def _sweep(*arguments: str) -> int:
    from bench.__main__ import main as sweep

    sys.argv[1:] = arguments
    return sweep()


def _report(*arguments: str) -> int:
    # A process of its own: after a sweep, this one has a fork server with torch in it.
    process = subprocess.Popen([sys.executable, "-m", "bench.report", *arguments])
    while True:
        # Ctrl-C reaches the report as well. subprocess.call would kill it, and leave its own processes behind.
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
