"""How a setup is shown in a table: its names, its numbers, and the notes on both."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.report.compare.comparisons import Comparison
from bench.report.compare.quantities import Quantity
from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.render.table import Column, Row, TableCell
from bench.report.tables.meanings import MEANINGS
from bench.report.wording import STATUSES, counted, listed, printable


def name_columns(comparisons: Sequence[Comparison]) -> tuple[Column, ...]:
    """The columns that `name_entries` fill; model and data set are shown where there are several."""
    models, datasets = {each.model for each in comparisons}, {each.dataset for each in comparisons}
    return (
        Column("model", "Model" if len(models) > 1 else "", align="left"),
        Column("dataset", "Data set" if len(datasets) > 1 else "", align="left"),
        Column("method", "Method", align="left"),
        Column("status", ""),
        Column("seeds", ""),
    )


def number_column(quantity: Quantity) -> Column:
    """The column of a quantity."""
    meaning = MEANINGS.get(quantity.key, "")
    return Column(quantity.key, quantity.title, quantity.unit, quantity.scale, quantity.show, meaning=meaning)


def name_entries(comparison: Comparison, setup: Setup, caveat: str = "") -> tuple[TableCell, ...]:
    """What distinguishes a setup from all others, with a note on all of its numbers, to which `caveat` is added."""
    some_failed = f"{len(setup.ok)} of {counted(len(setup.cells), 'seed')}; {setup.ending}"
    said = [some_failed if len(setup.ok) < len(setup.cells) else "", setup.resumed, setup.refitted, caveat]
    return (
        TableCell(printable(comparison.model)),
        TableCell(printable(comparison.dataset)),
        TableCell(setup.label, ("; ".join(filter(None, said)) or None) if setup.ok else None),
        TableCell(listed(dict.fromkeys(STATUSES[cell.record.status] for cell in setup.cells))),
        TableCell(" ".join(map(str, setup.seeds))),
    )


def row_of(
    setup: Setup,
    names: Sequence[TableCell],
    quantities: Sequence[Quantity],
    entry: Callable[[Quantity], TableCell],
) -> Row:
    """The names and an entry for each quantity, or how the cells ended if none ended ok."""
    if not setup.ok:
        return Row((*names, *(TableCell(None) for _ in quantities)), instead=setup.ending)
    return Row((*names, *map(entry, quantities)))


def number_entry(setup: Setup, quantity: Quantity, note: str = "", bold: bool = False) -> TableCell:
    """The setup's mean with its interval and `note`, or None and the reason."""
    estimate = setup.measure(quantity)
    if estimate.mean is None:
        return TableCell(None, estimate.reason)
    within = (estimate.interval.low, estimate.interval.high) if estimate.interval else None
    return TableCell(estimate.mean, note or None, within, bold)


def numbers_of(cells: Iterable[StoredCell], get: Callable[[StoredCell], int | None]) -> str:
    """The distinct integers that `get` gives: `60`, or `60 or 64`."""
    return " or ".join(map(str, sorted({number for cell in cells if (number := get(cell)) is not None})))


def behind(comparisons: Sequence[Comparison]) -> list[str]:
    """How many examples, documents and seeds the numbers are over: one sentence if it holds for all comparisons."""
    texts = {each.title: _behind(each) for each in comparisons if each.ok}
    if len(set(texts.values())) == 1:
        return [next(iter(texts.values()))]
    return [f"{title}: {text}" for title, text in texts.items()]


def _behind(comparison: Comparison) -> str:
    examples = numbers_of(comparison.ok, lambda cell: cell.record.data and cell.record.data.n_scored)
    documents = numbers_of(comparison.ok, lambda cell: cell.record.data and cell.record.data.n_clusters_scored)
    seeds = _seeds({setup.label: setup.seeds for setup in comparison.setups if setup.ok})
    splits = listed(dict.fromkeys(cell.record.data.scored_on for cell in comparison.ok if cell.record.data))
    return f"{splits.capitalize()} examples: {examples}, from {documents} documents. {seeds}"


def _seeds(seeds: Mapping[str, tuple[int, ...]]) -> str:
    """Which seeds numbers are over, given the seeds of each row by its name, at least one row."""
    texts = {name: ", ".join(map(str, own)) for name, own in seeds.items()}
    if len(set(texts.values())) > 1:
        return f"Each number is a mean over seeds: {'; '.join(f'{name} {own}' for name, own in texts.items())}."
    n_seeds, own = len(next(iter(seeds.values()))), next(iter(texts.values()))
    return f"One seed: {own}." if n_seeds == 1 else f"Each number is a mean over {n_seeds} seeds: {own}."


def looked_at(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """What numbers mean where seeds were added by looking at scores; nothing for other studies."""
    if not any(each.decision for each in comparisons):
        return ()
    return (
        "Seeds were added until methods differed. p tests for no difference at any look (Pocock's boundary), adjusted "
        "(Holm) for all pairs of methods. A difference is from the last look that both methods reached. Intervals "
        "contain the true value at all looks together in 95 % of studies. Other scores are not tested, since the seeds "
        "were not chosen for them.",
    )


def decided(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """What each look found, if seeds were added by that."""
    found = ((each.title, each.decision.sentences()) for each in comparisons if each.decision)
    return tuple(f"{title}: {' '.join(sentences)}" for title, sentences in found)


def cautions(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Every sentence that a reader of the comparisons' numbers must know."""
    return tuple(sentence for each in comparisons for sentence in (*each.left_out, *each.refusals, *each.warnings))
