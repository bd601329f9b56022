"""`python -m bench.report`: tables, figures and a page from the records of each study."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `<out>/<study>/` for every study that has a readable record. Returns 0 if all were, otherwise 1."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description="Write the tables, figures and page of each study from its records. Needs no GPU and no network.",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder that holds the studies (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder for the reports (default: reports)")
    parser.add_argument("--study", metavar="NAME", help="report this study only (default: every study under --runs)")
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
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="of all resampling (default: 0)")
    options = parser.parse_args(arguments)

    # pandas and matplotlib take a second to import: after the options, so that --help answers at once
    from bench.errors import InputError
    from bench.report.load import read_studies
    from bench.report.page import write_report
    from bench.report.request import Request
    from bench.report.words import counted, printable

    try:
        request = Request(
            reference=options.reference,
            family=tuple(filter(None, options.family.split(","))),
            seed=options.seed,
            allow_mixed=options.allow_mixed,
            against=options.against,
            fits_gb=options.fits_gb,
        )
        written, refused = 0, 0
        for study in read_studies(options.runs, options.study):
            for problem in study.problems:
                print(printable(f"{options.runs / problem.path} {problem.sentence}"), file=sys.stderr)
            if not len(study.cells):
                continue
            folder = options.out / study.name
            try:
                write_report(study, folder, request)
            except InputError as error:
                print(error, file=sys.stderr)
                refused += 1
                continue
            written += 1
            print(f"{folder / 'index.html'}: {counted(len(study.cells), 'cell')}")
        if not written and not refused:
            raise InputError(
                f"{options.runs} holds no record that can be read: run a cell to its end, such as "
                "`python -m bench model=tiny method=baseline`, and report again."
            )
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if refused else 0


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


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"needs a whole number of at least 0, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
