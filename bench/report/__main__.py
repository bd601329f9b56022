"""`python -m bench.report`: turns the records of every study into its tables, figures and page. See `--help`."""

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.report.request import Request


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `<out>/<study>/` for every study that has a readable record. Returns 0 if all are there, otherwise 1."""
    # Every core has work of its own, and the threads of NumPy's linear algebra would only wait in its way
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # pandas and matplotlib take a second to import: only where there is a report to write
    from bench.errors import InputError
    from bench.report.read.studies import TRACES, find_studies, strays

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
    parser.add_argument(
        "--reference",
        metavar="METHOD",
        default="baseline",
        help="method that the others are compared with (default: baseline)",
    )
    parser.add_argument(
        "--family",
        type=_scores,
        metavar="SCORE,...",
        default="token_f1,exact_match",
        help="scores that are compared and tested together; the first decides which method is the best "
        "(default: token_f1,exact_match)",
    )
    parser.add_argument(
        "--fits-gb",
        type=_sizes,
        metavar="N,...",
        default=(),
        help="sizes of memory to name the best method for (default: common cards between which the methods differ)",
    )
    parser.add_argument("--against", choices=("study",), help="set the published study's figures beside the measured")
    parser.add_argument(
        "--allow-mixed",
        action="store_true",
        help="report cells side by side that were asked or scored differently, and say so under each table",
    )
    parser.add_argument("--seed", type=_count, default=0, metavar="N", help="of all resampling (default: 0)")
    options = parser.parse_args(arguments)
    request = Request(
        reference=options.reference,
        family=tuple(dict.fromkeys(filter(None, options.family.split(",")))),
        seed=options.seed,
        allow_mixed=options.allow_mixed,
        against=options.against,
        fits_gb=options.fits_gb,
        traces=options.traces,
    )
    try:
        folders = find_studies(options.runs, options.study)
        if options.study is None:
            for stray in strays(options.runs):
                _complain(stray, "is not a study and was not read: move it out of the runs folder.")
        reported = [_report(folder, options.out / folder.name, request) for folder in folders]
        if all(each is None for each in reported):
            raise InputError(
                f"{options.runs} holds no record that can be read: run a cell to its end, such as "
                "`python -m bench model=tiny method=baseline`, and report again."
            )
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if False in reported else 0


def _report(study: Path, report: Path, request: Request) -> bool | None:
    """Write a study's report, unless it is there. Returns whether it is; None where no record can be read."""
    from bench.errors import InputError
    from bench.report import stamp
    from bench.report.wording import counted

    made_from = stamp.inputs(study, asdict(request))
    said = stamp.read(report, made_from)
    unchanged = said is not None
    if said is None:
        try:
            said = _write(study, report, request)
        except InputError as error:
            print(error, file=sys.stderr)
            return False
    for path, sentence in said["problems"]:
        _complain(study.parent / path, sentence)
    n_cells: int = said["n_cells"]
    if not n_cells:
        return None
    print(f"{report / 'index.html'}: {counted(n_cells, 'cell')}{', unchanged' if unchanged else ''}")
    if not unchanged:
        stamp.write(report, made_from, said)
    return True


def _write(study: Path, report: Path, request: Request) -> dict[str, Any]:
    """Write a study's report if it has a cell, and give what is to be said of it."""
    from bench.report import parallel as cores
    from bench.report import stamp
    from bench.report.read.studies import visible

    # Many cells will have many figures. What is wrong with the folder, `read_study` says
    with contextlib.suppress(OSError):
        if len(visible(study)) >= cores.WORTH:
            cores.prepare()
    from bench.report.read.study import read_study
    from bench.report.write import write_report

    found = read_study(study, request.traces)
    # All that was read stays until the end: the garbage collector need not look at it again and again
    gc.freeze()
    if len(found.cells):
        stamp.remove(report)
        write_report(found, report, request)
    return {"n_cells": len(found.cells), "problems": [(problem.path, problem.sentence) for problem in found.problems]}


def _complain(path: Path, sentence: str) -> None:
    from bench.report.wording import printable

    print(printable(f"{path} {sentence}"), file=sys.stderr)


def _scores(text: str) -> str:
    if not any(text.split(",")):
        raise argparse.ArgumentTypeError("needs the name of a score, such as token_f1")
    return text


def _sizes(text: str) -> tuple[float, ...]:
    try:
        sizes = tuple(float(size) for size in text.split(",") if size)
    except ValueError:
        sizes = (-1.0,)
    if any(not 0 < size < float("inf") for size in sizes):
        raise argparse.ArgumentTypeError(f"needs sizes in GB, such as 24 or 16,24,80, got {text!r}")
    return sizes


def _count(text: str) -> int:
    """A number of things, as the user types it."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
