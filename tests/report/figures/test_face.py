from fontTools.ttLib import TTFont
from matplotlib import font_manager

from bench.report.figures import face


def test_figures_are_set_in_a_face_that_has_what_they_use():
    assert font_manager.findfont(face.FAMILY, fallback_to_default=False) == str(face.FILE)
    with TTFont(face.FILE) as font:
        assert set(map(ord, face.CHARACTERS)) == font.getBestCmap().keys()


def test_the_face_can_be_made_again(tmp_path, monkeypatch):
    committed = face.FILE.read_bytes()
    monkeypatch.setattr(face, "FILE", tmp_path / "figures.ttf")
    face.make()
    assert face.FILE.read_bytes() == committed
