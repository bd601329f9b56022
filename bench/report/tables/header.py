"""What a reader must know first: what was run, on which data, from which code, and what was left out."""

from collections import Counter
from collections.abc import Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.family import Family
from bench.report.compare.tuning import tuned_by
from bench.report.read.cells import StoredCell
from bench.report.read.study import Study
from bench.report.tables.provenance import commit_of, distinct
from bench.report.wording import STATUSES, counted, listed, printable


def summary(study: Study) -> str:
    """How many cells there are, and how they ended."""
    counts: Counter[str] = Counter(cell.record.status for cell in study.cells)
    endings = listed(f"{counts[status]} {words}" for status, words in STATUSES.items() if counts[status])
    return f"{counted(len(study.cells), 'cell')}: {endings}."


def facts(study: Study) -> dict[str, str]:
    """Each fact about the study by its title."""
    cells = study.cells
    counted_in = {cell.dataset for cell in cells if cell.record.data}
    lines = {
        "Model": listed(dict.fromkeys(cell.model for cell in cells)),
        "Data set": distinct([_data(cell) for cell in cells if cell.record.data or cell.dataset not in counted_in]),
        "Seeds": listed(map(str, sorted({cell.seed for cell in cells})))
        + (", added until methods differed (tunebench decide)" if study.plan else ""),
        **({"Learning rates": _learning_rates(study)} if any(cell.trains for cell in cells) else {}),
        "Commit": distinct([commit_of(cell) for cell in cells]),
    }
    if weights := _weights(study):
        lines["Trained weights"] = weights
    return {title: printable(text) for title, text in lines.items()}


def _learning_rates(study: Study) -> str:
    trials = study.searches and not any(cell.record.tuning for cell in study.cells)
    return "drawn for each trial of a search" if trials else tuned_by(study.cells)


def _data(cell: StoredCell) -> str:
    data = cell.record.data
    if data is None:
        return f"{cell.dataset} ({cell.reason('data')})"
    tune = f", {data.n_tune} tune examples" if data.n_tune else ""
    scored = f"{data.n_scored} {data.scored_on} examples of {counted(data.n_clusters_scored, 'document')}"
    return f"{cell.dataset}: {data.n_train} training examples{tune if data.scored_on != 'tune' else ''}, {scored}"


def _weights(study: Study) -> str | None:
    """Where the trained weights are, if any were saved."""
    saved = [cell for cell in study.cells if cell.record.parameters and cell.record.parameters.saved_bytes]
    if not saved:
        return None
    if len(saved) == 1:
        return f"{saved[0].folder}/adapter in the runs folder"
    return f"{study.name}/CELL/adapter in the runs folder; tables/cells.csv has the name of each cell"


def cautions(comparisons: Sequence[Comparison], family: Family) -> list[str]:
    """A sentence about everything that a reader must know before reading any number."""
    said = (sentence for each in comparisons for sentence in (*each.unequal_chances, *each.left_out))
    return [*family.notes, *said]
