"""The face that figures are set in: DejaVu Sans, of which every PDF embeds what it uses.

To cut that out of the face that matplotlib has, with its 6,000 glyphs and the rules for how they join, takes longer
than all the drawing. So this package has one of the same shapes with nothing but what figures use, made with

    python -m bench.report.figures.face

Its licence lies beside it; it is renamed, so that nobody takes it for the whole.
"""

from pathlib import Path

from matplotlib import font_manager

FAMILY = "tunebench figures"
FILE = Path(__file__).with_name("figures.ttf")
CHARACTERS = "".join(map(chr, range(0x20, 0x7F))) + "\N{MULTIPLICATION SIGN}\N{MINUS SIGN}\N{EM DASH}"
"""What `plain` leaves of text, the marks of figures, and the minus of their axes."""

if FILE.exists():
    font_manager.fontManager.addfont(FILE)


def make() -> None:
    """Write `FILE`, the same bytes for the same version of matplotlib's DejaVu Sans."""
    from fontTools import subset

    options = subset.Options(layout_features=[], name_IDs=[1, 2, 4, 6], notdef_outline=True, glyph_names=True)
    options.drop_tables += ["FFTM", "GDEF", "GPOS", "GSUB", "MATH", "kern"]
    with subset.load_font(font_manager.findfont("DejaVu Sans"), options) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(text=CHARACTERS)
        cutter.subset(font)
        for kind, name in ((1, FAMILY), (2, "Regular"), (4, FAMILY), (6, FAMILY.title().replace(" ", ""))):
            font["name"].setName(name, kind, 3, 1, 0x409)
            font["name"].setName(name, kind, 1, 0, 0)
        subset.save_font(font, FILE, options)


if __name__ == "__main__":
    make()
