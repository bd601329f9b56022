"""What was left out of the data: examples that were dropped or shortened, references longer than an answer can be."""

from collections.abc import Iterable, Sequence

from bench.example import SPLIT_WORDS, SplitName
from bench.record_sections import Data, LeftOut, SplitCounts
from bench.report.compare.setups import Setup
from bench.report.read.cells import StoredCell
from bench.report.wording import listed


def left_out(title: str, setups: Sequence[Setup]) -> list[str]:
    """A sentence about the data of these setups, or several where setups differ; none where all data was used."""
    setups_of: dict[str, dict[str, None]] = {}
    for setup in setups:
        for cell in setup.cells:
            if cell.record.data:
                setups_of.setdefault(_losses(cell, cell.record.data), {})[setup.label] = None
    if len(setups_of) == 1:
        return [f"{title}: {losses}." for losses in setups_of if losses]
    return [f"{title}, {listed(labels)}: {losses}." for losses, labels in setups_of.items() if losses]


def _losses(cell: StoredCell, data: Data) -> str:
    losses = [loss for split in data.counts for loss in _by_step(split, data.left_out)]
    losses += [loss for split, counts in data.counts.items() for loss in _of_split(SPLIT_WORDS[split], counts)]
    if data.n_references_too_long:
        limit = cell.settings.get("generation.max_new_tokens", "unknown")
        losses.append(
            f"{data.n_references_too_long} of {data.n_scored} references are longer than an answer can "
            f"be (generation.max_new_tokens={limit})"
        )
    if data.n_fewer_shots:
        losses.append(
            f"{data.n_fewer_shots} of {data.n_scored} prompts have fewer than "
            f"{cell.settings.get('method.shots', 'all')} solved examples, so that they fit: {data.n_shots_mean:.1f} on "
            "average"
        )
    return "; ".join(losses)


def _by_step(split: SplitName, steps: Iterable[LeftOut]) -> list[str]:
    counts = [f"{step.n_dropped} ({step.step})" for step in steps if step.split == split]
    return [f"examples left out of {SPLIT_WORDS[split]}: {', '.join(counts)}"] if counts else []


def _of_split(name: str, counts: SplitCounts) -> list[str]:
    losses = []
    if counts.n_dropped:
        losses.append(f"{counts.n_dropped} of {counts.n_read} {name} examples were dropped, because they are too long")
    if counts.n_truncated:
        losses.append(f"the contexts of {counts.n_truncated} of {counts.n_read} {name} examples were shortened")
    return losses
