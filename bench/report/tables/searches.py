"""The tables of how settings were chosen: what each search tried and cost, and what it finds with fewer trials."""

from collections.abc import Sequence

from bench.report.compare.quantities import KJ
from bench.report.compare.searches import Searched, leader_sentence
from bench.report.numbers import Show, fixed, significant
from bench.report.render.table import Column, Row, Table, TableCell
from bench.report.statistics.expected_best import Best
from bench.report.wording import counted, listed, printable

WINNERS = "The tune score is of the chosen trial. As the best of several, it is too optimistic; test scores are not."
MEANING = (
    "Each number is the mean of the best score over all subsets of that many trials. Methods are thus compared at "
    "equal budgets, but not tested. Brackets contain the best of as many new trials with a probability of at least "
    "95 %; where there are too few trials to say, they reach to the bound of the score. Every trial was trained once."
)
FEWER = "the search has fewer trials"
RESUMED = "some trials were resumed, and only their last runs count"


def search_tables(searches: Sequence[Searched]) -> list[Table]:
    """What the searches tried and cost, and the expected best score by number of trials; none without a search."""
    if not searches:
        return []
    return [_costs(searches), *_curves(searches)]


def _names(searches: Sequence[Searched]) -> tuple[Column, ...]:
    models, datasets = ({getattr(each.comparison, part) for each in searches} for part in ("model", "dataset"))
    return (
        Column("model", "Model" if len(models) > 1 else "", align="left"),
        Column("dataset", "Data set" if len(datasets) > 1 else "", align="left"),
        Column("method", "Method", align="left"),
    )


def _name_entries(each: Searched) -> tuple[TableCell, ...]:
    texts = (each.comparison.model, each.comparison.dataset, each.method)
    return tuple(TableCell(printable(text)) for text in texts)


def _costs(searches: Sequence[Searched]) -> Table:
    columns = (
        *_names(searches),
        Column("search", "Search space", align="wrap"),
        Column("n_trials", "Trials", format=fixed(0)),
        Column("n_failed", "Failed", format=fixed(0), meaning="trials without a score, which count as trials"),
        Column("seconds", "Time", "min", 1 / 60, fixed(1), meaning="of all trials together, failed ones included"),
        Column("energy_j", "Energy", *KJ, significant(4), meaning="of the GPU boards in all trials together"),
        Column("winner", "Chosen", align="wrap"),
        Column("score", "Tune score", format=_show(searches)),
    )
    by = dict.fromkeys(each.score.title for each in searches if each.score)
    chosen = [f"Trials are compared by {listed(by)} on the tune split."] if by else []
    return Table(
        name="searches",
        title="How settings were chosen",
        columns=columns,
        rows=tuple(Row((*_name_entries(each), *_cost_entries(each))) for each in searches),
        remarks=(*chosen, WINNERS, *_unfinished(searches)),
        warnings=tuple(_budgets(searches)),
        section="tuning",
    )


def _cost_entries(each: Searched) -> tuple[TableCell, ...]:
    resumed = any(cell.record.training and cell.record.training.resumed_from_step for cell in each.search.trials)
    note = RESUMED if resumed else None
    space = [f"{path}: {values}" for path, values in each.search.space.items()]
    return (
        TableCell(printable("; ".join(space))),
        TableCell(len(each.search.trials)),
        TableCell(each.n_failed),
        TableCell(each.seconds, note),
        TableCell(each.energy_j, each.why_no_energy if each.energy_j is None else note),
        TableCell(printable(each.chosen) if each.winner else None, each.why_no_winner),
        TableCell(each.winning_score, each.why_no_winner),
    )


def _show(searches: Sequence[Searched]) -> Show:
    return next((each.score.show for each in searches if each.score), fixed(4))


def _budgets(searches: Sequence[Searched]) -> list[str]:
    """A sentence for each comparison whose methods were searched with different budgets."""
    methods: dict[str, dict[str, list[str]]] = {}
    for each in searches:
        methods.setdefault(each.comparison.title, {}).setdefault(each.search.budget, []).append(each.method)
    return [
        printable(
            f"{title}: budgets differ: {'; '.join(f'{listed(own)} {budget}' for budget, own in budgets.items())}."
        )
        for title, budgets in methods.items()
        if len(budgets) > 1
    ]


def _unfinished(searches: Sequence[Searched]) -> list[str]:
    return [
        f"{_title(each)}: {counted(len(each.search.trials), 'trial')} of {each.search.n_trials} can be read, and the "
        "numbers are of these."
        for each in searches
        if len(each.search.trials) < each.search.n_trials
    ]


def _title(each: Searched) -> str:
    return printable(f"{each.comparison.title}, {each.method}")


def _curves(searches: Sequence[Searched]) -> list[Table]:
    """None if no trial has a score."""
    drawn = [each for each in searches if each.curve]
    if not drawn:
        return []
    longest = max(len(each.curve) for each in drawn)
    shown = {*(2**power for power in range(longest.bit_length())), *(len(each.curve) for each in drawn)}
    columns = [_column(k, k in shown, _show(drawn)) for k in range(1, longest + 1)]
    table = Table(
        name="expected-best",
        title="Expected best tune score by number of trials",
        columns=(*_names(drawn), *columns),
        rows=tuple(_row(each, longest) for each in drawn),
        remarks=(*_leaders(drawn), MEANING, *_failures(drawn)),
        section="tuning",
    )
    return [table]


def _column(k: int, shown: bool, show: Show) -> Column:
    return Column(f"best_of_{k}", counted(k, "trial") if shown else "", format=show)


def _row(each: Searched, longest: int) -> Row:
    entries = [_entry(each, best) for best in each.curve]
    return Row((*_name_entries(each), *entries, *[TableCell(None, FEWER)] * (longest - len(entries))))


def _entry(each: Searched, best: Best) -> TableCell:
    return TableCell(best.expected, None, each.interval(best))


def _leaders(searches: Sequence[Searched]) -> list[str]:
    titles = dict.fromkeys(each.comparison.title for each in searches)
    own = {title: [each for each in searches if each.comparison.title == title] for title in titles}
    told = {title: leader_sentence(members) for title, members in own.items()}
    return [printable(f"{title}: {sentence}") for title, sentence in told.items() if sentence]


def _failures(searches: Sequence[Searched]) -> list[str]:
    if not any(each.n_failed for each in searches):
        return []
    worst = {each.bounds[0] for each in searches if each.n_failed}
    value = "the worst of the others, which is too good" if None in worst else listed(f"{score:g}" for score in worst)
    return [f"A trial that failed spent its part of the budget and found nothing: it counts as {value}."]
