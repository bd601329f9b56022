"""`python -m bench.report`: turns the records of every study into its tables, figures and page. See `--help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `<out>/<study>/` for every study that has a readable record. Returns 0 if there is one, otherwise 1."""
    # pandas and matplotlib take a second to import: only where there is a report to write
    from bench.errors import InputError
    from bench.report.studies import TRACES, find_studies, strays

    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description="Write the tables, figures and page of each study from its records. Needs no GPU and no network. "
        "A report that would come out as it is already there is left alone.",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder that holds the studies (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder for the reports (default: reports)")
    parser.add_argument("--study", metavar="NAME", help="report this study only (default: every study under --runs)")
    parser.add_argument(
        "--traces",
        type=_count,
        default=TRACES,
        metavar="N",
        help=f"show power and memory over time for N cells, one seed of each setup first (default: {TRACES})",
    )
    options = parser.parse_args(arguments)
    try:
        folders = find_studies(options.runs, options.study)
        if options.study is None:
            for stray in strays(options.runs):
                _complain(stray, "is not a study and was not read: move it out of the runs folder.")
        reported = [_report(folder, options.out / folder.name, options.traces) for folder in folders]
        if not any(reported):
            raise InputError(
                f"{options.runs} holds no record that can be read: run a cell to its end, such as "
                "`python -m bench model=tiny method=baseline`, and report again."
            )
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _report(study: Path, report: Path, n_traces: int) -> bool:
    """Write a study's report, unless it is there. Returns whether it is; it cannot be where no record can be read."""
    from bench.report import stamp
    from bench.report.words import counted

    made_from = stamp.inputs(study, {"traces": n_traces})
    said = stamp.read(report, made_from)
    unchanged = said is not None
    if said is None:
        said = _write(study, report, n_traces)
    for path, sentence in said["problems"]:
        _complain(study.parent / path, sentence)
    n_cells: int = said["n_cells"]
    if n_cells:
        print(f"{report / 'index.html'}: {counted(n_cells, 'cell')}{', unchanged' if unchanged else ''}")
        if not unchanged:
            stamp.write(report, made_from, said)
    return n_cells > 0


def _write(study: Path, report: Path, n_traces: int) -> dict[str, Any]:
    """Write a study's report if it has a cell, and give what is to be said of it."""
    from bench.report import stamp
    from bench.report.load import read_study
    from bench.report.page import write_report

    found = read_study(study, n_traces)
    if len(found.cells):
        stamp.remove(report)
        write_report(found, report)
    return {"n_cells": len(found.cells), "problems": [(problem.path, problem.sentence) for problem in found.problems]}


def _complain(path: Path, sentence: str) -> None:
    from bench.report.words import printable

    print(printable(f"{path} {sentence}"), file=sys.stderr)


def _count(text: str) -> int:
    """A number of things, as the user types it."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
