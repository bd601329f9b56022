"""What the tables of a report say."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from bench.report.compare.effects import Effect, best, reference_of
from bench.report.compare.setups import SCORES_OF, Cell, Group, Setup, cells_of
from bench.report.numbers import fixed, p_value, significant
from bench.report.read.load import Study
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.request import Request
from bench.report.statistics.intervals import FEW_SEEDS
from bench.report.tables.costs import cost_tables
from bench.report.tables.published import published_tables
from bench.report.tables.rows import behind, name_columns, name_entries, number_entry, numbers_of
from bench.report.words import (
    MEMORIES,
    SCORE_TITLES,
    counted,
    ending,
    file_stem,
    listed,
    mid_sentence,
    printable,
    reason,
    score_title,
)

SCORES = {
    "scores.answer_macro_f1": "Macro F1",
    "scores.bleu": "BLEU",
    "scores.bertscore_f1": "BERTScore",
    "scores.rouge1": "ROUGE-1",
    "scores.rouge2": "ROUGE-2",
    "scores.rougeL": "ROUGE-L",
}
"""The study's scores, in its order: the record's path to the study's name."""
MEANINGS = (
    "Scores are fractions: Macro F1 is the macro average over answer strings taken as classes, BLEU is sentence BLEU "
    "with effective order, averaged, BERTScore and ROUGE are averaged F1."
)
NOT_OK = "the cell did not end ok"


def tables(study: Study, found: Sequence[Group], request: Request, compared: Sequence[Effect]) -> list[Table]:
    """Every table: the study's for each model, effects, costs, one over all cells, the failures, the provenance."""
    leading = [_leading(group) for group in found]
    made = [study_table(group, request.reference, best) for group, best in zip(found, leading, strict=True)]
    made += [scores_table(group, best) for group, best in zip(found, leading, strict=True)]
    if compared:
        made.append(effects_table(found, compared))
    if request.against:
        made += published_tables(found)
    made += cost_tables(found)
    made.append(cells_table(study, found))
    if (study.cells["status"] != "ok").any():
        made.append(failures_table(study))
    made.append(provenance_table(study))
    return made


def _leading(group: Group) -> dict[str, frozenset[str]]:
    """By the path of every score that any cell has: the labels of the setups that lead in it."""
    return {path: best(group, path.removeprefix(SCORES_OF)) for path in _had(group)}


def _had(group: Group) -> frozenset[str]:
    return frozenset(path for cell in group.ok for path in cell if path.startswith(SCORES_OF))


def study_table(group: Group, reference: str, leading: Mapping[str, frozenset[str]]) -> Table:
    """The study's table of one model: a row per method, averaged over its seeds.

    Args:
        group: the model's setups.
        reference: what they are compared with.
        leading: labels of the setups that are set in bold, by the path of the score.
    """
    alone = reference_of(group, reference) is None and len(group.setups) > 1
    uncompared = f"Nothing is compared with {printable(reference)}, of which no cell of {group.title} ended ok."
    numbers = [Column("parameters.trainable_percent", "Trainable", "%", format=significant(4))]
    numbers += [Column(path, title, format=fixed(4)) for path, title in SCORES.items()]
    numbers.append(Column("power.peak_sampled_power_w", "Peak power", "W", format=fixed(2)))
    memory, _ = MEMORIES[group.memory]
    numbers.append(Column(group.memory, memory, "GB", scale=1e-9, format=fixed(2)))
    names = (*name_columns([group]), Column("n_validation", ""))
    return Table(
        name=file_stem("model", *group.names),
        title=f"{group.title}: quality and cost of each method",
        columns=(*names, *numbers),
        rows=tuple(_study_row(group, setup, [column.key for column in numbers], leading) for setup in group.setups),
        remarks=(*_remarks(group), *([uncompared] if alone else [])),
        warnings=(*group.refusals, *group.warnings),
    )


def scores_table(group: Group, leading: Mapping[str, frozenset[str]]) -> Table:
    """Every score that any cell of a model has, whatever metric it is of; `leading` as in the study's table."""
    had = _had(group)
    known = [f"{SCORES_OF}{name}" for name in SCORE_TITLES]
    paths = [*(path for path in known if path in had), *sorted(had.difference(known))]
    numbers = [Column(path, score_title(path.removeprefix(SCORES_OF)), format=significant(4)) for path in paths]
    return Table(
        name=file_stem("scores", *group.names),
        title=f"{group.title}: all scores",
        columns=(*name_columns([group]), *numbers),
        rows=tuple(_score_row(group, setup, paths, leading) for setup in group.setups),
        remarks=(behind(group), _brackets(group)) if group.ok else (),
        warnings=(*group.refusals, *group.warnings),
    )


def _score_row(group: Group, setup: Setup, paths: list[str], leading: Mapping[str, frozenset[str]]) -> Row:
    names = name_entries(group, setup)
    if not setup.ok:
        return Row((*names, *(TableCell(None) for _ in paths)), instead=setup.ending())
    return Row((*names, *(_score_entry(setup, path, setup.label in leading[path]) for path in paths)))


def effects_table(found: Sequence[Group], compared: Sequence[Effect]) -> Table:
    """How each setup's scores differ from those of the reference, a row for each score."""
    several = len({effect.group for effect in compared}) > 1
    columns = (
        Column("group", "Model" if several else "", align="left"),
        Column("setup", "Method", align="left"),
        Column("reference", "Reference", align="left"),
        Column("score", "Score", align="left"),
        Column("difference", "Difference", format=fixed(4)),
        Column("p", "p", format=p_value),
        Column("p_adjusted", "p, adjusted", format=p_value),
        Column("test", "Test", align="left"),
    )
    rows = []
    for effect in compared:
        within = (effect.interval.low, effect.interval.high) if effect.interval else None
        names = (effect.group, effect.setup, effect.reference, effect.score)
        numbers = (
            TableCell(effect.difference, effect.reason, within),
            TableCell(effect.p, None if effect.p is not None else effect.reason),
            TableCell(effect.p_adjusted, None if effect.p is not None else effect.reason),
        )
        rows.append(Row((*map(TableCell, names), *numbers, TableCell(effect.test))))
    counts = [f"{group.title}: {behind(group)}" for group in found if group.ok]
    remarks = (
        "Method less reference, paired on examples. In brackets: 95 % intervals over documents, and over seeds where "
        "there are several: one seed says nothing of other seeds. p is two-sided; adjusted after Holm over all the "
        "tests of one model on one data set. Permutation: the signs of whole documents' differences are flipped; "
        "McNemar: on examples that one of the two has right alone; resampling: by the interval's own draws.",
        *counts,
    )
    warnings = tuple(sentence for group in found for sentence in (*group.refusals, *group.warnings))
    return Table("effects", "Differences from the reference", columns, tuple(rows), remarks, warnings)


def cells_table(study: Study, groups: Sequence[Group]) -> Table:
    """One row per cell, failed ones included."""
    numbers = (
        Column("scores.token_f1", "Token F1", format=fixed(4)),
        Column("scores.exact_match", "Exact match", format=fixed(4)),
        Column("scores.perplexity", "Perplexity", format=significant(4)),
        Column("phase_seconds.train", "Train time", "s", format=fixed(1)),
        Column("training.step_time_s_p50", "Step time", "s", format=significant(3)),
        Column("training.tokens_per_s", "Throughput", "tokens/s", format=significant(4)),
        Column("seconds", "Cell time", "s", format=fixed(1)),
    )
    names = (
        Column("folder", ""),
        Column("key", ""),
        Column("model", "Model", align="left"),
        Column("dataset", "Data set" if study.cells["cell.dataset.name"].nunique() > 1 else "", align="left"),
        Column("method", "Method", align="left"),
        Column("seed", "Seed", align="left"),
        Column("status", "Status", align="left"),
    )
    found = []
    for group in groups:
        for setup in group.setups:
            for cell in setup.cells:
                told = (cell["folder"], cell["key"], group.model, group.dataset, setup.label, str(cell["cell.seed"]))
                texts = [TableCell(printable(text)) for text in (*told, ending(cell))]
                alone = Setup(setup.method, setup.label, (cell,))
                figures = [
                    number_entry(alone, column.key) if alone.ok else TableCell(None, NOT_OK) for column in numbers
                ]
                found.append(Row((*texts, *figures)))
    remarks = (
        "Train time is the train phase alone, without loading, evaluation and generation; step time is the median of "
        "the steps after warm-up; cell time is everything from start to record.",
        "Perplexity is that of the reference answers.",
    )
    counts = [f"{group.title}: {behind(group)}" for group in groups if group.ok]
    warnings = tuple(sentence for group in groups for sentence in (*group.refusals, *group.warnings))
    return Table("cells", "All cells", (*names, *numbers), tuple(found), (*counts, *remarks), warnings)


def failures_table(study: Study) -> Table:
    """The cells that did not end ok, and why."""
    columns = (
        Column("folder", "Cell", align="left"),
        Column("ending", "Ending", align="left"),
        Column("error", "Error", align="wrap"),
    )
    found = []
    for cell in cells_of(study.cells):
        if cell["status"] != "ok":
            said = "error.type" in cell
            error = f"{cell['error.type']}: {cell['error.message']}" if said else reason(cell["missing"], "error")
            found.append(Row(tuple(TableCell(printable(text)) for text in (cell["folder"], ending(cell), error))))
    return Table("failures", "Cells that did not end ok", columns, tuple(found))


def provenance_table(study: Study) -> Table:
    """Where the numbers come from; what is not the same for all cells says for how many each value holds."""
    cells = cells_of(study.cells)
    facts: dict[str, Callable[[Cell], str]] = {
        "Commit": _commit,
        "Record schema": lambda cell: str(cell["schema_version"]),
        "Started": lambda cell: cell["started_at"],
        "Host": lambda cell: cell["environment.host"],
        "Platform": lambda cell: cell["environment.platform"],
        "CPU": lambda cell: f"{cell['environment.cpu']}, {counted(cell['environment.cpu_count'], 'core')}",
        "Memory": lambda cell: f"{cell['environment.memory_bytes'] / 1e9:.1f} GB",
        "GPU": _gpus,
        "Driver": lambda cell: _text(cell, "environment.driver"),
        "CUDA": lambda cell: _text(cell, "environment.cuda"),
        "Base model": _base,
        "Seed": lambda cell: str(cell["cell.seed"]),
        "Training set": lambda cell: _split(cell, "train"),
        "Validation set": lambda cell: _split(cell, "validation"),
        "In both sets": _overlap,
        "Python": lambda cell: cell["environment.python"],
    }
    told = {title: _distinct([fact(cell) for cell in cells]) for title, fact in facts.items()}
    first, last = min(cell["started_at"] for cell in cells), max(cell["started_at"] for cell in cells)
    told["Started"] = first if first == last else f"{first} to {last}"
    installed = "environment.packages."
    for path in sorted({path for cell in cells for path in cell if path.startswith(installed)}):
        told[path.removeprefix(installed)] = _distinct([cell.get(path, "not installed") for cell in cells])
    columns = (Column("fact", "Fact", align="left"), Column("value", "Value", align="wrap"))
    lines = [Row((TableCell(printable(title)), TableCell(printable(value)))) for title, value in told.items()]
    return Table("provenance", "Provenance", columns, tuple(lines))


def _study_row(group: Group, setup: Setup, paths: list[str], leading: Mapping[str, frozenset[str]]) -> Row:
    n_validation = TableCell(numbers_of(setup.ok, "data.n_validation"))
    texts = (*name_entries(group, setup, setup.resumed(), setup.refitted()), n_validation)
    if not setup.ok:
        return Row((*texts, *(TableCell(None) for _ in paths)), instead=setup.ending())
    return Row((*texts, *(_study_entry(setup, path, setup.label in leading.get(path, ())) for path in paths)))


def _study_entry(setup: Setup, path: str, leads: bool) -> TableCell:
    if path in MEMORIES:
        return _memory_entry(setup, path)
    return _score_entry(setup, path, leads) if path in SCORES else number_entry(setup, path)


def _score_entry(setup: Setup, path: str, leads: bool) -> TableCell:
    measured = setup.measure(path)
    without = measured.interval_reason if measured.mean is not None else None
    return number_entry(setup, path, f"no interval: {without}" if without else "", leads)


def _memory_entry(setup: Setup, path: str) -> TableCell:
    """The column's own figure or none: another one would not compare, so it stands in the footnote only."""
    entry = number_entry(setup, path)
    others = {title: setup.measure(other).mean for other, (title, _) in MEMORIES.items()}
    known = [f"{mid_sentence(title)} {peak / 1e9:.2f} GB" for title, peak in others.items() if peak is not None]
    return TableCell(None, "; ".join([f"{entry.note}", *known])) if entry.value is None else entry


def _remarks(group: Group) -> tuple[str, ...]:
    if not group.ok:
        return ()
    remarks = [behind(group), _brackets(group), MEANINGS]
    for path, name in SCORES.items():
        settings = path.replace("scores.", "score_settings.")
        if pinned := sorted({cell[settings] for cell in group.ok if settings in cell}):
            remarks.append(f"{name} settings: {' or '.join(map(printable, pinned))}.")
    title, meaning = MEMORIES[group.memory]
    remarks.append(
        f"Peak power is the highest sampled power, over the whole cell. {title} is {meaning}, over the whole cell; "
        "1 GB is 1,000,000,000 bytes."
    )
    return tuple(remarks)


def _brackets(group: Group) -> str:
    """What stands in brackets and in bold."""
    most, least = (pick(len(setup.seeds) for setup in group.setups if setup.ok) for pick in (max, min))
    scores = "over documents and seeds" if least > 1 else "over documents alone: one seed says nothing of other seeds"
    if least == 1 < most:
        scores = "over documents, and over seeds where a row has several: one seed says nothing of other seeds"
    costs = (
        "of all other figures, the smallest and the largest of the seeds"
        if most < FEW_SEEDS
        else "of all other figures, over seeds"
    )
    told = f"In brackets: of scores, 95 % intervals {scores}" + (f"; {costs}." if most > 1 else ".")
    return (
        f"{told} Bold: the best score and those not separable from it (Holm-adjusted p of the paired difference 0.05 "
        "or more); none where that is all of them or a difference cannot be tested."
        + (" With one seed, that is of these trained models and not of their methods." if least == 1 else "")
    )


def _distinct(values: list[str]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return values[0]
    return "; ".join(f"{value} ({counted(count, 'cell')})" for value, count in counts.items())


def _text(cell: Cell, path: str) -> str:
    return str(cell[path]) if path in cell else reason(cell["missing"], path)


def _commit(cell: Cell) -> str:
    changed = ", with uncommitted changes" if cell.get("environment.git_dirty") else ""
    return f"{_text(cell, 'environment.git_commit')}{changed}"


def _base(cell: Cell) -> str:
    if "base.precision" not in cell:
        return f"{cell['cell.model.name']}: {reason(cell['missing'], 'base')}"
    weights, revision = f"{cell['base.weights']} weights", _text(cell, "base.revision")
    told = (weights, f"revision {revision}", cell["base.precision"], f"on {cell['base.device']}")
    return f"{cell['cell.model.name']}: {', '.join(told)}"


def _gpus(cell: Cell) -> str:
    if "environment.gpu" not in cell:
        return reason(cell["missing"], "environment.gpu")
    counts = Counter(gpu["name"] for gpu in cell["environment.gpu"])
    return listed(name if count == 1 else f"{count} x {name}" for name, count in counts.items()) if counts else "none"


def _split(cell: Cell, split: str) -> str:
    if f"data.n_{split}" not in cell:
        return reason(cell["missing"], f"data.n_{split}")
    size, fingerprint = int(cell[f"data.n_{split}"]), cell[f"data.{split}_fingerprint"]
    return f"{cell['cell.dataset.name']}, {counted(size, 'example')}, fingerprint {fingerprint[:8]}"


def _overlap(cell: Cell) -> str:
    if "data.overlap.method" not in cell:
        return reason(cell["missing"], "data.overlap")
    documents, texts = (int(cell[f"data.overlap.n_shared_{kind}"]) for kind in ("clusters", "texts"))
    return f"{counted(documents, 'document')}, {counted(texts, 'text')} ({cell['data.overlap.method']})"
