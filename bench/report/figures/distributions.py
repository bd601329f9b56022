"""How the scores of single examples are spread: what share was all wrong, what share all right, and what lies between.

Most examples score exactly 0 or exactly 1, which a histogram would show as two bars at the ends of an empty axis, and
curves of several methods as lines over each other. So the histogram of each setup is one bar, divided.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.figures.bars import CROSS
from bench.report.figures.chart import GREY, STYLE
from bench.report.figures.looks import Look, looks
from bench.report.figures.sheet import BELOW, sheet, sheets
from bench.report.numbers import DASH
from bench.report.read.predictions import Floats, Predictions

MOST_SCORES = 3
"""Panels beside each other on a page."""
LEVELS = ("exactly 0", "below 1/3", "below 2/3", "below 1", "exactly 1")
STRENGTHS = (0.0, 0.25, 0.45, 0.7, 1.0)
"""How much of a method's colour each level has; the rest is white."""
NEARLY = 1e-9
"""What is so close to 0 or 1 is that, and rounding."""
PANEL, BESIDE = 2.0, 0.85
"""Widths in inches of a panel and of what is right of it, where some bars are of other examples than most."""
APART = 0.3
"""Where none are."""
NONE = np.array([np.nan])
ROOM = 0.1
"""The least share that has room for its number."""


def distribution_figures(found: Sequence[Comparison], predictions: Mapping[str, Predictions]) -> list[Figure]:
    """Pages with a row for each setup; none if no example has a score that is drawn.

    Args:
        found: all groups of the study.
        predictions: what was answered, by the cell's folder.
    """
    setups = [setup for group in found for setup in group.setups]
    scores = _drawn_scores(found, predictions)
    if not scores:
        return []
    told = [[size(seeds) for score in scores if (seeds := _of(setup, score, predictions))] for setup in setups]
    look, sizes = looks(found), Counter(chain(*told))
    return [_page(page, found, scores, predictions, look, sizes) for page in sheets(found)]


def _drawn_scores(found: Sequence[Comparison], predictions: Mapping[str, Predictions]) -> list[str]:
    """The first scores that examples have; those that are only ever 0 or 1, whose mean says it all, if no others."""
    setups = [setup for group in found for setup in group.setups]
    names = dict.fromkeys(name for group in found for name in group.scores)
    seeds = {name: [seed for setup in setups for seed in _of(setup, name, predictions)] for name in names}
    known = [name for name in names if seeds[name]]
    return ([name for name in known if any(map(_is_graded, seeds[name]))] or known)[:MOST_SCORES]


def _is_graded(seed: Floats) -> bool:
    """Whether any example scores something between 0 and 1."""
    return bool(((seed > NEARLY) & (seed < 1 - NEARLY)).any())


def size(seeds: Sequence[Floats]) -> str:
    """Of what is shown of a setup, such as 450 examples of three seeds."""
    counts = sorted({int(np.isfinite(seed).sum()) for seed in seeds})
    examples = "-".join(str(count) for count in (counts[0], counts[-1])[: len(counts)])
    return f"{examples} \N{MULTIPLICATION SIGN} {len(seeds)}"


def shares(values: Floats) -> Floats:
    """The share of scores at each of `LEVELS`; NaN is left out, and something else is there."""
    known = values[np.isfinite(values)]
    edges = [-np.inf, NEARLY, 1 / 3, 2 / 3, 1 - NEARLY, np.inf]
    return np.histogram(known, edges)[0] / len(known)


def _page(
    page: Sequence[Comparison],
    found: Sequence[Comparison],
    scores: Sequence[str],
    predictions: Mapping[str, Predictions],
    look: Mapping[str, Look],
    sizes: Counter[str],
) -> Figure:
    setups = [setup for group in page for setup in group.setups]
    usual = sizes.most_common(1)[0][0]
    key = [f"Numbers: percent of n = {usual} (examples \N{MULTIPLICATION SIGN} seeds)"]
    key[0] += ", where no other n is said." if len(sizes) > 1 else "."
    if not all(setup.ok for setup in setups):
        key.append(f"{CROSS}: did not end ok.")
    if any(setup.ok and not _of(setup, score, predictions) for setup in setups for score in scores):
        key.append(f"{DASH}: no such scores.")
    panels = [(PANEL, BESIDE if len(sizes) > 1 else APART)] * len(scores)
    with matplotlib.style.context(["default", STYLE]):
        figure, grid = sheet(page, found, [group.title for group in page], panels, key, spare=0.22)
        for group, axes in zip(page, grid, strict=True):
            for score, ax in zip(scores, axes, strict=True):
                _draw(ax, group, score, predictions, look, usual)
        _legend(figure)
    return figure


def _draw(
    ax: Axes,
    group: Comparison,
    score: str,
    predictions: Mapping[str, Predictions],
    look: Mapping[str, Look],
    usual: str,
) -> None:
    ax.set_xlim(0.0, 1.0)
    ax.spines["left"].set_visible(False)
    ax.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    ax.set_xlabel(f"Share of examples by {group.scores[score].title if score in group.scores else score}")
    bars: dict[int, tuple[Floats, Look]] = {}
    for place, setup in enumerate(group.setups):
        seeds = _of(setup, score, predictions)
        if not seeds:
            ax.text(0.02, place, DASH if setup.ok else CROSS, va="center", color=GREY)
            continue
        bars[place] = shares(np.concatenate(seeds)), look[setup.method]
        if (n := size(seeds)) != usual:
            ax.text(1.03, place, f"n = {n}", transform=ax.get_yaxis_transform(), fontsize=7, va="center")
    _bars(ax, bars)


def _of(setup: Setup, score: str, predictions: Mapping[str, Predictions]) -> list[Floats]:
    """By seed, of the cells that ended ok and kept their answers, where every number lies between 0 and 1."""
    answered = [predictions[cell.folder] for cell in setup.ok if cell.folder in predictions]
    seeds = [each.scores[score] for each in answered if np.isfinite(each.scores.get(score, NONE)).any()]
    inside = all(np.nanmin(seed) >= -NEARLY and np.nanmax(seed) <= 1 + NEARLY for seed in seeds)
    return seeds if inside else []


def _bars(ax: Axes, bars: Mapping[int, tuple[Floats, Look]]) -> None:
    """Shares in the method's colour, by the place of their bar."""
    parts = [
        (place, start, share, _mixed(look.colour, strength))
        for place, (found, look) in bars.items()
        for start, share, strength in zip(np.cumsum([0.0, *found[:-1]]), found, STRENGTHS, strict=True)
    ]
    for place, start, share, colour in parts:
        if share >= ROOM:
            dark = np.dot(colour, (0.299, 0.587, 0.114)) < 0.5
            told, seen = f"{100 * share:.0f}", "white" if dark else "black"
            ax.text(start + share / 2, place, told, ha="center", va="center", fontsize=6.5, color=seen)
    if parts:
        # All at once: of hundreds, each on its own takes longer to be made than to be drawn
        places, starts, widths, colours = zip(*parts, strict=True)
        ax.barh(places, widths, left=starts, height=0.7, color=colours, edgecolor="black", linewidth=0.5)


def _mixed(colour: str, strength: float) -> tuple[float, float, float]:
    red, green, blue = (1 - strength + strength * part for part in to_rgb(colour))
    return red, green, blue


def _legend(figure: Figure) -> None:
    """The levels, in grey: every method has them in its own colour."""
    width, height = figure.get_size_inches()
    patches = [
        Patch(facecolor=_mixed("#333333", strength), edgecolor="black", linewidth=0.5, label=level)
        for strength, level in zip(STRENGTHS, LEVELS, strict=True)
    ]
    lowest = min(ax.get_position().y0 for ax in figure.axes) - (BELOW + 0.04) / height
    figure.legend(
        handles=patches,
        ncols=len(LEVELS),
        loc="upper left",
        bbox_to_anchor=(0.06 / width, lowest),
        borderaxespad=0.0,
        borderpad=0.0,
        columnspacing=1.2,
        frameon=False,
        fontsize=7,
    )
