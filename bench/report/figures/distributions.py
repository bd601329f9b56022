"""How the scores of single examples are spread: the share of examples that score 0, that score 1, and between.

Most examples score exactly 0 or exactly 1. A histogram would show two bars at the ends of an empty axis, and a curve
for each method would hide those of the others. So each setup has one bar, divided by levels of the score.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.figures.axes import CROSS, NOT_OK, mark_missing
from bench.report.figures.canvas import MARGIN
from bench.report.figures.chart import styled
from bench.report.figures.looks import Look, method_looks
from bench.report.figures.sheet import BELOW, Sheet
from bench.report.figures.texts import legend
from bench.report.numbers import DASH
from bench.report.read.predictions import Floats

MOST_SCORES = 3
"""Panels beside each other on a page."""
LEVELS = {"exactly 0": 0.0, "below 1/3": 0.25, "below 2/3": 0.45, "below 1": 0.7, "exactly 1": 1.0}
"""Levels of a score, and how much of the method's colour each has; the rest is white."""
ROUNDING = 1e-9
"""A score this close to 0 or to 1 is 0 or 1."""
PANEL = 2.0
"""Width of a panel, in inches."""
BESIDE, BESIDE_NOTES = 0.3, 0.85
"""Width in inches of what is right of it; the latter if some bars have a note there."""
MIN_SHARE = 0.1
"""The smallest share that has room for its number."""
TIMES = CROSS


@styled
def distribution_figures(comparisons: Sequence[Comparison]) -> list[Figure]:
    """Pages with a row for each setup; none if no cell has scores of single examples."""
    scores = _drawn_scores(comparisons)
    if not scores:
        return []
    looks = method_looks(comparisons)
    setups = [setup for comparison in comparisons for setup in comparison.setups]
    sizes = Counter(_size(seeds) for setup in setups for score in scores if (seeds := _by_seed(setup, score)))
    usual = sizes.most_common(1)[0][0]

    def draw(ax: Axes, comparison: Comparison, index: int) -> None:
        _draw(ax, comparison, scores[index], looks, usual)

    panel = (PANEL, BESIDE_NOTES if len(sizes) > 1 else BESIDE)
    key = _key(setups, scores, usual, several=len(sizes) > 1)
    figures = Sheet([panel] * len(scores), draw, key, foot=0.22).figures(comparisons)
    for figure in figures:
        _explain_levels(figure)
    return figures


def _drawn_scores(comparisons: Sequence[Comparison]) -> list[str]:
    """The first scores that examples have.

    Scores that are only ever 0 or 1 are drawn only if there are no others: their mean says everything.
    """
    setups = [setup for comparison in comparisons for setup in comparison.setups]
    names = dict.fromkeys(name for comparison in comparisons for name in comparison.scores)
    seeds = {name: [seed for setup in setups for seed in _by_seed(setup, name)] for name in names}
    known = [name for name in names if seeds[name]]
    return ([name for name in known if any(map(_is_graded, seeds[name]))] or known)[:MOST_SCORES]


def _is_graded(seed: Floats) -> bool:
    """Whether any example scores something between 0 and 1."""
    return bool(((seed > ROUNDING) & (seed < 1 - ROUNDING)).any())


def _by_seed(setup: Setup, score: str) -> list[Floats]:
    """The examples' scores in each cell that ended ok and has answers; empty if any lies outside 0 to 1."""
    answered = [setup.predictions[cell.folder].scores for cell in setup.ok if cell.folder in setup.predictions]
    seeds = [scores[score] for scores in answered if score in scores and np.isfinite(scores[score]).any()]
    inside = all(np.nanmin(seed) >= -ROUNDING and np.nanmax(seed) <= 1 + ROUNDING for seed in seeds)
    return seeds if inside else []


def _size(seeds: Sequence[Floats]) -> str:
    """How many examples and seeds a bar is of, such as `450 x 3`."""
    counts = sorted({int(np.isfinite(seed).sum()) for seed in seeds})
    examples = f"{counts[0]}-{counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"{examples} {TIMES} {len(seeds)}"


def shares(values: Floats) -> Floats:
    """The share of scores at each of `LEVELS`, of those that are not NaN. There must be one."""
    known = values[np.isfinite(values)]
    edges = [-np.inf, ROUNDING, 1 / 3, 2 / 3, 1 - ROUNDING, np.inf]
    return np.histogram(known, edges)[0] / len(known)


def _key(setups: Iterable[Setup], scores: Sequence[str], usual: str, several: bool) -> list[str]:
    unless = ", unless another n is given" if several else ""
    sentences = [f"Numbers are percent of n = {usual} (examples {TIMES} seeds){unless}."]
    missing = [setup for setup in setups if not all(_by_seed(setup, score) for score in scores)]
    if any(not setup.ok for setup in missing):
        sentences.append(NOT_OK)
    if any(setup.ok for setup in missing):
        sentences.append(f"{DASH} marks setups without such scores.")
    return sentences


def _draw(ax: Axes, comparison: Comparison, score: str, looks: Mapping[str, Look], usual: str) -> None:
    ax.set_xlim(0.0, 1.0)
    ax.spines["left"].set_visible(False)
    ax.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    title = comparison.scores[score].title if score in comparison.scores else score
    ax.set_xlabel(f"Share of examples by {title}")
    bars: dict[int, tuple[Floats, Look]] = {}
    for y, setup in enumerate(comparison.setups):
        seeds = _by_seed(setup, score)
        if not seeds:
            mark_missing(ax, y, setup)
            continue
        bars[y] = shares(np.concatenate(seeds)), looks[setup.method]
        if (n := _size(seeds)) != usual:
            ax.text(1.03, y, f"n = {n}", transform=ax.get_yaxis_transform(), fontsize=7, va="center")
    _bars(ax, bars)


def _bars(ax: Axes, bars: Mapping[int, tuple[Floats, Look]]) -> None:
    """Shares and the look of their method, by the y of their bar."""
    parts = [
        (y, start, share, _mixed(look.bar, strength))
        for y, (parts, look) in bars.items()
        for start, share, strength in zip(np.cumsum([0.0, *parts[:-1]]), parts, LEVELS.values(), strict=True)
    ]
    for y, start, share, colour in parts:
        if share >= MIN_SHARE:
            dark = np.dot(colour, (0.299, 0.587, 0.114)) < 0.5
            middle = {"ha": "center", "va": "center", "color": "white" if dark else "black"}
            ax.text(start + share / 2, y, f"{100 * share:.0f}", middle, fontsize=6.5)
    if parts:
        # In one call: hundreds of calls would take longer than the drawing
        ys, starts, widths, colours = zip(*parts, strict=True)
        ax.barh(ys, widths, left=starts, height=0.7, color=colours, edgecolor="black", linewidth=0.5, clip_on=False)


def _mixed(colour: str, strength: float) -> tuple[float, float, float]:
    """A colour mixed with white."""
    red, green, blue = (1 - strength + strength * part for part in to_rgb(colour))
    return red, green, blue


def _explain_levels(figure: Figure) -> None:
    """A legend of the levels, in grey because every method shows them in its own colour."""
    width, height = figure.get_size_inches()
    top = min(ax.get_position().y0 for ax in figure.axes) - (BELOW + 0.04) / height
    greys = [_mixed("#333333", strength) for strength in LEVELS.values()]
    patches = [Patch(facecolor=grey, edgecolor="black", linewidth=0.5) for grey in greys]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (MARGIN / width, top), "borderaxespad": 0.0}
    legend(figure, patches, list(LEVELS), ncols=len(LEVELS), borderpad=0.0, columnspacing=1.2, **place)
