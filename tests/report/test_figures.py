import io

from PIL import Image

from bench.report.figures import charts
from bench.report.load import read_studies
from bench.report.setups import groups


def test_files_open_and_have_the_expected_size(write_cell, runs):
    for method in ("baseline", "lora", "qlora"):
        write_cell(method)
    study = read_studies(runs)[0]
    scores, costs = charts(study, groups(study.cells), [])
    assert (scores.name, costs.name) == ("scores", "costs")
    assert scores.alt == "Bars of Macro F1, BLEU, BERTScore, ROUGE-1, ROUGE-2 and ROUGE-L by method, for tiny."
    # Six panels of 1.45 in or two of 3 in, and 0.07 in for each letter of "baseline", at 150 dots per inch
    for chart, width in ((scores, 1389), (costs, 984)):
        with Image.open(io.BytesIO(chart.png)) as image:
            image.load()
            # 3 rows of 0.24 in, 0.75 in for the axis and 0.3 in for the key
            assert (image.format, image.size) == ("PNG", (width, 265))
            assert len(image.convert("RGB").getcolors(maxcolors=2**20)) > 100
            assert "Software" not in image.info
        assert chart.pdf.startswith(b"%PDF-1.4")
        assert b"/CreationDate" not in chart.pdf
        # Type 3 fonts are refused by publishers
        assert b"/Subtype /Type3" not in chart.pdf
