"""A study's report as files: one page to read, the same as Markdown and LaTeX, every table and figure on its own."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bench.errors import InputError
from bench.report.compare.choice import choices
from bench.report.compare.comparisons import Comparison, comparisons_of
from bench.report.compare.effects import effects
from bench.report.compare.family import family_of
from bench.report.compare.order import in_order
from bench.report.figures import charts
from bench.report.figures.timeline import traces, untraced
from bench.report.page.browser import Answered, browser_html
from bench.report.page.contents import Contents
from bench.report.page.index import index_html
from bench.report.page.latex import report_tex
from bench.report.page.markdown import report_md
from bench.report.read.cells import StoredCell
from bench.report.read.plan import Plan
from bench.report.read.study import Study
from bench.report.render.formats import FORMATS
from bench.report.request import Request
from bench.report.tables import header
from bench.report.tables.tables import tables
from bench.report.wording import printable

KINDS = ("tables", "figures", "figures/traces")
"""Folders of a report."""


def write_report(study: Study, folder: Path, request: Request) -> None:
    """Write the report of a study with at least one cell into `folder`, in place of an earlier one.

    Raises:
        InputError: cells were asked or scored differently, and the request does not allow that; or it names a score
            that there is not, or a reference that is several setups.
        OSError: the folder cannot be made or written.
    """
    comparisons = comparisons_of(study.cells, study.predictions, study.plan)
    refusals = [refusal for comparison in comparisons for refusal in comparison.refusals]
    if refusals and not request.allow_mixed:
        raise InputError(
            f"{study.name}: its scores cannot be compared: {' '.join(map(printable, refusals))} Give each its own "
            "study, or report them side by side with --allow-mixed."
        )
    if study.plan:
        # Only the score that chose the seeds can be tested, and its tests are of all pairs.
        request = replace(request, family=request.family or _decides(study.plan, comparisons), pairs="all")
    family = family_of(study.name, comparisons, request.family)
    comparisons = in_order(comparisons, family.decides)
    compared = effects(comparisons, request.reference, family.scores, request.pairs)
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    # Figures are begun first: other processes save them while this one does the rest
    begun = traces(study, comparisons), charts(study, comparisons, compared, family.decides)
    picks = choices(comparisons, family.decides, request.fits_gb)
    shown = tables(study, comparisons, request, family, compared)
    files: dict[str, bytes] = {}
    for table in shown:
        for suffix, written in FORMATS.items():
            files[f"tables/{table.name}{suffix}"] = written(table).encode()
    predictions = browser_html(_answered(study, comparisons))
    traced, drawn = map(list, begun)
    for chart in (*drawn, *traced):
        files[f"figures/{chart.name}.png"] = chart.png
        files[f"figures/{chart.name}.pdf"] = chart.pdf
    contents = Contents(
        study=study.name,
        summary=header.summary(study),
        picks=picks,
        tables=shown,
        charts=drawn,
        traces=traced,
        untraced=untraced(study),
        predictions=predictions,
        problems=study.problems,
        comparisons=comparisons,
        facts=header.facts(study),
        cautions=header.cautions(comparisons, family),
    )
    files["index.html"] = index_html(contents).encode()
    files["report.md"] = report_md(contents).encode()
    files["report.tex"] = report_tex(contents).encode()
    for kind in KINDS:
        for stale in (folder / kind).iterdir():
            # Only what an earlier report can have left: a table of a model that is in the study no more
            if stale.suffix in (*FORMATS, ".png", ".pdf") and f"{kind}/{stale.name}" not in files:
                stale.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _decides(plan: Plan, comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """The score that chose the seeds, if any cell has it."""
    known = {name for comparison in comparisons for name in comparison.scores}
    return (plan.score,) if plan.score in known else ()


def _answered(study: Study, comparisons: Iterable[Comparison]) -> list[Answered]:
    """The cells whose answers can be shown, in the order of the tables."""
    return [
        Answered(
            model=comparison.model,
            method=setup.method,
            label=setup.label,
            seed=cell.seed,
            scored=_scored(comparison, cell),
            predictions=study.predictions[cell.folder],
            criteria=_criteria(cell),
            asked=study.asked.get(cell.folder),
        )
        for comparison in comparisons
        for setup in comparison.setups
        for cell in setup.ok
        if cell.folder in study.predictions
    ]


def _criteria(cell: StoredCell) -> dict[str, str]:
    infos = (cell.record.score_info or {}).items()
    return {name: info.title for name, info in infos if (info.lowest, info.highest, info.better) == (0, 1, "higher")}


def _scored(comparison: Comparison, cell: StoredCell) -> str:
    data = cell.record.data
    return (
        f"{comparison.dataset}, {data.scored_on}, fingerprint {data.scored_fingerprint[:8]}"
        if data
        else comparison.dataset
    )
