"""`python -m bench.report`: turns the records of every study into its tables, figures and page. See `--help`."""

import argparse
import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from bench import output
from bench.errors import InputError
from bench.report import parallel, stamp
from bench.report.read.studies import find_studies, strays, visible
from bench.report.request import Pairs, Request
from bench.report.wording import counted, printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Write `<out>/<study>/` for every study that has a readable record.

    Returns 1 if a study that should have a report has none, otherwise 0.
    """
    # Every core has work of its own: threads of NumPy's linear algebra would only compete with it
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.exit(2, f"{unknown[0]}: there is no such option; see `tunebench report --help`{_meant(unknown[0])}\n")
    request = Request(**{field.name: getattr(options, field.name) for field in fields(Request)})
    try:
        folders = find_studies(options.runs, options.study)
    except (InputError, OSError) as error:
        return _fail(str(error))
    if options.study is None:
        for stray in strays(options.runs):
            _complain(stray, "is not a study and was not read: move it out of the runs folder.")
    try:
        reported = [_report(folder, options.out / folder.name, request) for folder in folders]
    except KeyboardInterrupt:
        parallel.cancel()
        raise
    if all(each is None for each in reported):
        return _fail(
            f"{options.runs} holds no record that can be read: run a cell to its end, such as "
            "`tunebench model=tiny method=baseline`, and report again."
        )
    return 1 if False in reported else 0


def _meant(typed: str) -> str:
    """How a study is chosen, if this may be its name, or a setting as the main command has them."""
    return "" if typed.startswith("-") else f"; --study {typed.rpartition('=')[2]} reports one study"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tunebench report",
        description="Write the tables, figures and page of each study from its records. Needs no GPU and no network. "
        "A report that would not change is left alone.",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder that holds the studies (default: runs)")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder for the reports (default: reports)")
    parser.add_argument("--study", metavar="NAME", help="report this study only (default: every study under --runs)")
    parser.add_argument(
        "--traces",
        type=_count,
        default=Request.traces,
        metavar="N",
        help=f"show power and memory over time for N cells, one seed of each setup first (default: {Request.traces})",
    )
    parser.add_argument(
        "--reference",
        metavar="METHOD",
        default=Request.reference,
        help="method that the others are compared with (default: baseline)",
    )
    parser.add_argument(
        "--family",
        type=_scores,
        default=(),
        metavar="SCORE,...",
        help="scores to test together; the first decides which method is best (default: in the order of the metrics, "
        "the first two for which it is known whether higher or lower is better)",
    )
    parser.add_argument(
        "--pairs",
        choices=get_args(Pairs),
        default=Request.pairs,
        help="compare each method with the reference, or all methods with each other (default: reference)",
    )
    parser.add_argument(
        "--fits-gb",
        type=_sizes,
        metavar="N,...",
        default=(),
        help="sizes of memory to name the best method for (default: common cards that only some methods fit into)",
    )
    parser.add_argument(
        "--against",
        choices=("study",),
        help="show the columns of the published study, and its figures beside the measured ones",
    )
    parser.add_argument(
        "--allow-mixed",
        action="store_true",
        help="report cells side by side even if they were asked or scored differently, and say so under each table",
    )
    return parser


def _report(study: Path, report: Path, request: Request) -> bool | None:
    """Write a study's report. Returns whether it is there; None if no cell of the study has ended."""
    try:
        return _update(study, report, request)
    except InputError as error:
        print(printable(str(error), longest=2000), file=sys.stderr)
    except OSError as error:
        _complain(Path(error.filename or report), f"cannot be used ({error.strerror}): check it and its permissions.")
    except Exception as error:
        # A fault in one report must not cost the others theirs
        parallel.forget()
        where = traceback.extract_tb(error.__traceback__)[-1]
        _complain(
            study,
            f"could not be reported because of a fault in tunebench ({type(error).__name__}: {error}, in "
            f"{Path(where.filename).name} line {where.lineno}): please report it with this line.",
        )
    return False


def _update(study: Path, report: Path, request: Request) -> bool | None:
    made_from, beside = stamp.inputs(study, asdict(request)), stamp.searches(study.parent)
    said = stamp.read(report, made_from, beside)
    unchanged = said is not None
    if said is None:
        said = _write(study, report, request)
    for path, sentence in said["problems"]:
        _complain(study.parent / path, sentence)
    n_cells: int = said["n_cells"]
    if not n_cells:
        return False if said["broken"] else None
    if not unchanged:
        stamp.write(report, made_from, said, {name: beside.get(name) for name in said["searches"]})
    output.say(f"{report / 'index.html'}: {counted(n_cells, 'cell')}{', unchanged' if unchanged else ''}")
    return True


def _write(study: Path, report: Path, request: Request) -> dict[str, Any]:
    """Write a study's report if it has a cell, and return what the user must be told."""
    # Many cells have many figures. If the folder cannot be read, `read_study` says so
    with contextlib.suppress(OSError):
        if len(visible(study)) >= parallel.WORTH:
            parallel.prepare()
    # matplotlib, NumPy and pydantic take a second to import, which an unchanged report does without
    from bench.report.read.study import read_study
    from bench.report.write import write_report

    content = read_study(study, request.traces)
    # Everything that was read stays until the end, so the garbage collector need not visit it
    gc.freeze()
    if content.cells:
        stamp.remove(report)
        write_report(content, report, request)
    return {
        "n_cells": len(content.cells),
        "problems": [(problem.path, problem.sentence) for problem in content.problems],
        "broken": any(problem.broken for problem in content.problems),
        "searches": content.searched_in,
    }


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def _complain(path: Path, sentence: str) -> None:
    print(printable(f"{path} {sentence}", longest=1000), file=sys.stderr)


def _scores(text: str) -> tuple[str, ...]:
    scores = tuple(dict.fromkeys(filter(None, text.split(","))))
    if not scores:
        raise argparse.ArgumentTypeError("needs the name of a score, such as token_f1")
    return scores


def _sizes(text: str) -> tuple[float, ...]:
    try:
        sizes = tuple(float(size) for size in text.split(",") if size)
    except ValueError:
        sizes = (-1.0,)
    if any(not 0 < size < float("inf") for size in sizes):
        raise argparse.ArgumentTypeError(f"needs sizes in GB, such as 24 or 16,24,80, got {text!r}")
    return sizes


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(output.run(main))
