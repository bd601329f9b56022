from fontTools.ttLib import TTFont
from make_figure_font import make
from matplotlib import font_manager

from bench.report.figures import face


def test_the_font_has_the_characters_of_figures():
    assert font_manager.findfont(face.FAMILY, fallback_to_default=False) == str(face.FILE)
    with TTFont(face.FILE) as font:
        assert set(map(ord, face.CHARACTERS)) == font.getBestCmap().keys()


def test_the_font_can_be_made_again(tmp_path):
    make(tmp_path / "figures.ttf")
    assert (tmp_path / "figures.ttf").read_bytes() == face.FILE.read_bytes()
