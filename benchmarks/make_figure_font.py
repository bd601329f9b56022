"""Makes the font that the report's figures are set in, from matplotlib's DejaVu Sans.

python benchmarks/make_figure_font.py
"""

from pathlib import Path

from fontTools import subset
from matplotlib import font_manager

from bench.report.figures.face import CHARACTERS, FAMILY, FILE


def make(file: Path = FILE) -> None:
    """Write the font; the same version of DejaVu Sans always gives the same bytes."""
    options = subset.Options(layout_features=[], name_IDs=[1, 2, 4, 6], notdef_outline=True, glyph_names=True)
    options.drop_tables += ["FFTM", "GDEF", "GPOS", "GSUB", "MATH", "kern"]
    with subset.load_font(font_manager.findfont("DejaVu Sans"), options) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(text=CHARACTERS)
        cutter.subset(font)
        for kind, name in ((1, FAMILY), (2, "Regular"), (4, FAMILY), (6, FAMILY.title().replace(" ", ""))):
            font["name"].setName(name, kind, 3, 1, 0x409)
            font["name"].setName(name, kind, 1, 0, 0)
        subset.save_font(font, file, options)


if __name__ == "__main__":
    make()
