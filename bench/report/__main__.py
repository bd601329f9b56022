"""`python -m bench.report`: tables, figures and a page from the records of each study."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `<out>/<study>/` for every study that has a readable record. Returns 0 if one was written, otherwise 1."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description="Write the tables, figures and page of each study from its records. Needs no GPU and no network.",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder that holds the studies (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder for the reports (default: reports)")
    parser.add_argument("--study", metavar="NAME", help="report this study only (default: every study under --runs)")
    options = parser.parse_args(arguments)

    # pandas and matplotlib take a second to import: after the options, so that --help answers at once
    from bench.errors import InputError
    from bench.report.load import read_studies
    from bench.report.page import write_report
    from bench.report.words import counted, printable

    try:
        studies = read_studies(options.runs, options.study)
        written = 0
        for study in studies:
            for problem in study.problems:
                print(printable(f"{options.runs / problem.path} {problem.sentence}"), file=sys.stderr)
            if len(study.cells):
                folder = options.out / study.name
                write_report(study, folder)
                written += 1
                print(f"{folder / 'index.html'}: {counted(len(study.cells), 'cell')}")
        if not written:
            raise InputError(
                f"{options.runs} holds no record that can be read: run a cell to its end, such as "
                "`python -m bench model=tiny method=baseline`, and report again."
            )
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
