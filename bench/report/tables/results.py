"""The first tables of each comparison: quality and cost of each setup, and the scores that have no room there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.report.compare.comparisons import Comparison
from bench.report.compare.effects import best, reference_of
from bench.report.compare.quantities import (
    MEMORIES,
    PEAK_POWER,
    SAVED,
    TRAIN_ENERGY,
    TRAIN_SECONDS,
    TRAINABLE,
    TRAINABLE_COUNT,
    Quantity,
)
from bench.report.compare.setups import Setup
from bench.report.numbers import significant
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.statistics.intervals import FEW_SEEDS
from bench.report.tables.rows import (
    behind,
    cautions,
    looked_at,
    name_columns,
    name_entries,
    number_column,
    number_entry,
    numbers_of,
    row_of,
)
from bench.report.wording import file_stem, listed, mid_sentence, printable

MOST_SCORES = 3
"""Beside each other in the first table, which has the costs, too. Of more, the others have a table of their own."""
AS_ABOVE = "Rows, brackets and bold numbers are as in the table of quality and cost."
SIMULATED_DOCUMENTS, ENOUGH_FOR_CLASSES = 20, 50
NEAR_A_BOUND = 0.05
"""As a share of the distance between a score's bounds."""
TWO_SEEDS = "89 to 99 % of studies"
NEAR = "91 to 98 % of studies"
FEW_CLASSES = "90 to 94 % of studies"
LEADER = "82 to 100 % of studies, 93 % on average"
"""What benchmarks/coverage.py found."""


def results_tables(
    comparison: Comparison, reference: str, scores: Sequence[Quantity], most_scores: int = MOST_SCORES
) -> list[Table]:
    """A row per setup, averaged over its seeds: the first scores and all costs, and a second table of other scores.

    The CSV file of the first table has all scores.

    Raises:
        InputError: the comparison has several setups of the reference method.
    """
    leading = {score.key: best(comparison, score) for score in scores}
    costs = (TRAIN_SECONDS, TRAIN_ENERGY, PEAK_POWER, comparison.memory, SAVED)
    further = scores[most_scores:]
    shown, hidden = scores[:most_scores], [replace(score, title="") for score in further]
    first = Table(
        name=file_stem("model", *comparison.names),
        title=f"{comparison.title}: quality and cost of each method",
        columns=_columns(comparison, [TRAINABLE_COUNT, TRAINABLE, *shown, *costs, *hidden]),
        rows=_rows(comparison, [TRAINABLE_COUNT, TRAINABLE, *shown, *costs, *further], leading),
        remarks=(
            *_behind(comparison),
            *_computed(comparison, shown),
            *_errors(comparison, shown),
            *_bold(comparison, leading),
            *_without_reference(comparison, reference),
            *looked_at([comparison]),
        ),
        warnings=cautions([comparison]),
    )
    if not further or not comparison.ok:
        return [first]
    return [
        first,
        Table(
            name=file_stem("scores", *comparison.names),
            title=f"{comparison.title}: other scores",
            columns=_columns(comparison, further),
            rows=_rows(comparison, further, leading),
            remarks=(AS_ABOVE, *_computed(comparison, further), *_errors(comparison, further)),
            warnings=cautions([comparison]),
        ),
    ]


def _columns(comparison: Comparison, quantities: Sequence[Quantity]) -> tuple[Column, ...]:
    return (*name_columns([comparison]), Column("n_scored", ""), *map(number_column, quantities))


def _rows(
    comparison: Comparison, quantities: Sequence[Quantity], leading: Mapping[str, frozenset[str]]
) -> tuple[Row, ...]:
    return tuple(_row(comparison, setup, quantities, leading) for setup in comparison.setups)


def _row(
    comparison: Comparison, setup: Setup, quantities: Sequence[Quantity], leading: Mapping[str, frozenset[str]]
) -> Row:
    n_scored = numbers_of(setup.ok, lambda cell: cell.record.data and cell.record.data.n_scored)
    names = (*name_entries(comparison, setup), TableCell(n_scored))
    return row_of(setup, names, quantities, lambda quantity: _entry(setup, quantity, leading))


def _entry(setup: Setup, quantity: Quantity, leading: Mapping[str, frozenset[str]]) -> TableCell:
    if quantity in MEMORIES:
        return _memory_entry(setup, quantity)
    if quantity.score is None:
        return number_entry(setup, quantity)
    without = setup.measure(quantity).interval_reason
    return number_entry(
        setup, quantity, f"no interval: {without}" if without else "", setup.label in leading.get(quantity.key, ())
    )


def _memory_entry(setup: Setup, quantity: Quantity) -> TableCell:
    """The column's own figure. If it is missing, the footnote has the others, which cannot be compared with it."""
    entry = number_entry(setup, quantity)
    peaks = [(other, setup.measure(other).mean) for other in MEMORIES]
    known = [f"{mid_sentence(other.title)} {peak / 1e9:.2f} GB" for other, peak in peaks if peak is not None]
    return TableCell(None, "; ".join([f"{entry.note}", *known])) if entry.value is None else entry


def _without_reference(comparison: Comparison, reference: str) -> tuple[str, ...]:
    if reference_of(comparison, reference) or len(comparison.setups) == 1 or not comparison.ok:
        return ()
    name = printable(reference)
    return (f"Nothing is compared with {name}: no cell of it ended ok.",)


def _behind(comparison: Comparison) -> tuple[str, ...]:
    """What the rows are, and what is behind their numbers."""
    if not comparison.ok:
        return ()
    order = f"Rows are in the order of {comparison.ordered_by}, the best first." if comparison.ordered_by else ""
    return (*filter(None, [order]), *behind([comparison]), _brackets(comparison))


def _computed(comparison: Comparison, scores: Sequence[Quantity]) -> tuple[str, ...]:
    """The settings of the scores that have any."""
    titles_of: dict[str, list[str]] = {}
    for score in scores:
        had = [cell for cell in comparison.ok if score.get(cell) is not None]
        settings = {text for cell in had if (text := (cell.record.score_settings or {}).get(score.name))}
        if settings:
            titles_of.setdefault(" or ".join(map(printable, sorted(settings))), []).append(score.title)
    computed = "; ".join(f"{listed(titles)} with {settings}" for settings, titles in titles_of.items())
    return (f"Computed: {computed}.",) if computed else ()


def _errors(comparison: Comparison, scores: Sequence[Quantity]) -> tuple[str, ...]:
    """The standard errors of scores whose metrics give them, since their examples are not the data set's."""
    texts = []
    for score in scores:
        errors = [error for cell in comparison.ok if (error := cell.record.score_errors.get(score.name)) is not None]
        if errors:
            shown = dict.fromkeys(significant(2)(error) for error in (min(errors), max(errors)))
            texts.append(f"{score.title} {' to '.join(shown)}")
    return (
        (f"Standard errors of one cell over the examples of the score's own task: {listed(texts)}.",) if texts else ()
    )


def _brackets(comparison: Comparison) -> str:
    """What brackets mean."""
    n_seeds = [len(setup.seeds) for setup in comparison.setups if setup.ok]
    most, least = max(n_seeds), min(n_seeds)
    scores = "documents and seeds" if least > 1 else "documents alone; one seed says nothing about other seeds"
    if least == 1 < most:
        scores = "documents, and over seeds where a row has several; one seed says nothing about other seeds"
    few, many = "the smallest and the largest of the seeds", "95 % intervals over seeds"
    some_few = any(1 < n < FEW_SEEDS for n in n_seeds)
    mixed = f"{many}, or in rows with fewer than {FEW_SEEDS} seeds {few}"
    costs = few if most < FEW_SEEDS else mixed if some_few else many
    others = f"; other figures: {costs}" if most > 1 else ""
    return " ".join((f"In brackets, scores: 95 % intervals over {scores}{others}.", *_unsure(comparison)))


def _unsure(comparison: Comparison) -> list[str]:
    """Where simulations do not support the intervals."""
    setups = [setup for setup in comparison.setups if setup.ok]
    sentences = []
    seeds = {len(setup.seeds) for setup in setups if setup.depends_on_seed}
    if 1 in seeds:
        sentences.append("With one seed, this is about these trained models and not about their methods.")
    if 2 in seeds:
        sentences.append(
            f"Two seeds are too few: in simulations, their intervals contain the true value in {TWO_SEEDS}."
        )
    documents = min((n for setup in setups if (n := setup.n_documents)), default=SIMULATED_DOCUMENTS)
    if documents < SIMULATED_DOCUMENTS:
        sentences.append(f"Intervals over fewer than {SIMULATED_DOCUMENTS} documents were not simulated.")
    elif documents < ENOUGH_FOR_CLASSES and any(_has_classes(score) for score in comparison.scores.values()):
        sentences.append(
            f"Macro F1 over fewer than {ENOUGH_FOR_CLASSES} documents lacks rarer answers: in simulations, intervals "
            f"contain the true value in {FEW_CLASSES}."
        )
    if any(_is_near_a_bound(setup, score) for setup in setups for score in comparison.scores.values()):
        sentences.append(f"Near the bounds of a score, in simulations, intervals contain the true value in {NEAR}.")
    return sentences


def _is_near_a_bound(setup: Setup, score: Quantity) -> bool:
    """Whether a mean between two bounds is near one of them, but not at it."""
    mean = setup.measure(score).mean
    if mean is None or score.score is None or score.score.lowest is None or score.score.highest is None:
        return False
    low, high = score.score.lowest, score.score.highest
    return 0 < min(mean - low, high - mean) < NEAR_A_BOUND * (high - low)


def _has_classes(score: Quantity) -> bool:
    return score.score is not None and score.score.pooling == "macro_f1"


def _bold(comparison: Comparison, leading: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """What bold numbers mean, if there are any, and why not, if seeds are missing."""
    if any(leading.values()) and comparison.decision:
        return (
            "Bold: found worse than no other method at any look, so it may be the best. The best of several means is "
            "too good on average.",
        )
    if any(leading.values()):
        return (
            "Bold: may be the best. That is the best mean, and each that does not differ significantly from it: the p "
            "of the difference, adjusted (Holm) for all methods of this table in that score, is 0.05 or more. Nothing "
            "is bold if that holds for all methods, or if a difference cannot be tested. The best of several means is "
            "too good on average: with four equal methods, in simulations, its interval contains the true value in "
            f"{LEADER}.",
        )
    why = dict.fromkeys(filter(None, (setup.too_few_seeds for setup in comparison.setups if setup.ok)))
    if why and len(comparison.setups) > 1:
        return (f"Nothing is bold, because not all methods can be tested ({listed(why)}).",)
    return ()
