"""The font of the figures: DejaVu Sans, of which every PDF embeds the characters that it uses.

To select those from matplotlib's own copy, which has 6,000 characters, would take longer than all the drawing. So this
package has a copy with only what figures use, made by `benchmarks/make_figure_font.py`. Its licence is in
figures.LICENSE; it has another name because it is not the whole font.
"""

from pathlib import Path

from matplotlib import font_manager

FAMILY = "tunebench figures"
FILE = Path(__file__).with_name("figures.ttf")
CHARACTERS = "".join(map(chr, range(0x20, 0x7F))) + "\N{MULTIPLICATION SIGN}\N{MINUS SIGN}\N{EM DASH}"
"""ASCII, the marks in figures, and the minus on their axes."""

if FILE.exists():
    font_manager.fontManager.addfont(FILE)
