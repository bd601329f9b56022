import base64
import hashlib
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from bench.report.compare.choice import Pick, Picks
from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.figures.chart import Chart
from bench.report.page import index
from bench.report.page.index import index_html, png_size
from bench.report.read.problem import Problem
from bench.report.render.table import Column, Row, Table, TableCell

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x03\xe8\x00\x00\x00\xc8" + 20 * b"\0"


def group(model, *methods):
    def setup(method):
        cell = SimpleNamespace(folder=f"demo/{model}-{method}-events-s0-key", seed=0, ok=True)
        return Setup(method, f"{method} (rank=8)", (cell,))

    return Comparison(model, "events", model, tuple(map(setup, methods)))


def tags_of(page):
    tags = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append((tag, dict(attrs)))

    Reader().feed(page)
    return tags


def test_only_the_page_s_own_scripts_and_style_are_allowed(contents):
    page = index_html(contents())
    assert "\r" not in page
    (policy,) = (each["content"] for tag, each in tags_of(page) if each.get("http-equiv") == "Content-Security-Policy")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 3

    def allowed(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; img-src data:; style-src {allowed(style)}; "
        f"script-src {' '.join(map(allowed, scripts))}; base-uri 'none'; form-action 'none'"
    )
    # The policy stands before all that it is about
    assert page.index("Content-Security-Policy") < page.index("<title>")
    assert not any("style" in attributes for _, attributes in tags_of(page))


def test_parts_are_in_reading_order_and_listed(contents):
    columns = (Column("a", "A"),)
    tables = {
        "provenance": "provenance",
        "cells": "cells",
        "costs-time": "costs",
        "costs-energy": "costs",
        "failures": "cells",
        "model-tiny": "results",
        "effects": "results",
    }
    page = index_html(
        contents(
            tables=[
                Table(name, f"Table {name}", columns, (Row((TableCell("x"),)),), section=section)
                for name, section in tables.items()
            ],
            charts=[Chart("scores", "Scores", "Bars.", PNG, b"")],
            traces=[Chart("traces/one", "One", "Lines.", PNG, b"")],
            picks=[Picks("tiny", "tiny", "12 documents, 3 seeds", (Pick("Best score", "lora & co", "It <has> 0.9."),))],
            problems=[Problem("demo/<b>", "is odd.")],
        )
    )
    assert re.findall(r'<section class="part" id="part-([a-z]+)">\n<h2>(.*)</h2>', page) == [
        ("picks", "Which method?"),
        ("results", "Results"),
        ("figures", "Figures"),
        ("costs", "Costs"),
        ("predictions", "Predictions"),
        ("cells", "Cells"),
        ("traces", "Power and memory over time"),
        ("problems", "Not in this report"),
        ("provenance", "Provenance"),
    ]
    assert [name for tag, name in re.findall(r'<section class="(table)" id="(.*)">', page)] == [
        *("model-tiny", "effects", "costs-time", "costs-energy", "cells", "failures", "provenance")
    ]
    links = re.findall(r'<a href="#([^"]+)">', page)
    assert links == [
        *("part-picks", "part-results", "model-tiny", "effects", "part-figures", "part-costs", "costs-time"),
        *("costs-energy", "part-predictions", "part-cells", "cells", "failures", "part-traces", "part-problems"),
        "part-provenance",
    ]
    assert all(f'id="{link}"' in page for link in links)
    assert "<dt>Best score</dt>\n<dd><strong>lora &amp; co</strong> It &lt;has&gt; 0.9.</dd>" in page
    assert "<li><code>demo/&lt;b&gt;</code> is odd.</li>" in page
    # Half of the page's letters are in figures of 150 dots an inch
    assert '<img alt="Bars." width="780" height="156" loading="lazy" src="data:image/png;base64,iVBORw0KGgo' in page


def test_the_header_says_what_was_run_and_what_to_know_before_reading_on(contents):
    page = index_html(contents(facts={"Model": "tiny <b>", "Seeds": "0, 1"}, cautions=["471 of 946 <i> are left out."]))
    assert (
        '<p class="lead">1 cell: 1 ok. A cell is one run: one combination of model, method, data set, settings and '
        "seed.</p>\n"
        '<dl class="facts">\n'
        "<dt>Model</dt><dd>tiny &lt;b&gt;</dd>\n"
        "<dt>Seeds</dt><dd>0, 1</dd>\n"
        "</dl>\n"
        '<p class="warning"><strong>Note:</strong> 471 of 946 &lt;i&gt; are left out.</p>\n'
        "</header>\n"
    ) in page


def test_a_part_with_nothing_in_it_is_left_out(contents):
    assert re.findall(r'id="part-([a-z]+)"', index_html(contents())) == ["predictions"]


@pytest.mark.parametrize(
    ("groups", "boxes"),
    [
        ([group("tiny", "lora")], []),
        ([group("tiny", "lora", "qlora")], ["lora", "qlora"]),
        ([group("tiny", "lora"), group('<"b">', "lora")], ["tiny", '<"b">']),
        ([group("a", "lora", "qlora"), group("b", "lora", "lora")], ["a", "b", "lora", "qlora"]),
    ],
)
def test_the_filter_has_what_there_is_to_choose(contents, groups, boxes):
    page = index_html(contents(comparisons=groups))
    assert [each["value"] for tag, each in tags_of(page) if each.get("type") == "checkbox"] == boxes
    assert ('id="filters"' in page) == bool(boxes)


def test_rows_and_figures_say_whose_they_are(contents):
    columns = (Column("model", ""), Column("method", "Method"), Column("x", "X"))
    costs = Table(
        "costs-time",
        "Time",
        columns,
        tuple(
            Row((TableCell(model), TableCell(label), TableCell("x")))
            for model, label in (("tiny", "lora (rank=8)"), ("tiny", "unknown"))
        ),
    )
    failures = Table(
        "failures", "Failures", (Column("folder", "Cell"),), (Row((TableCell("demo/tiny-lora-events-s0-key"),)),)
    )
    traces = [Chart("traces/tiny-lora-events-s0-key", "", "One.", PNG, b""), Chart("traces/x", "", "Two.", PNG, b"")]
    page = index_html(contents(tables=[costs, failures], traces=traces, comparisons=[group("tiny", "lora", "qlora")]))
    own = {"data-model": "tiny", "data-method": "lora"}
    tags = tags_of(page)
    assert [attributes for tag, attributes in tags if tag == "tr" and attributes] == [own, own]
    figures = [attributes for tag, attributes in tags if tag == "figure"]
    assert figures == [{"id": "figure-traces/tiny-lora-events-s0-key"} | own, {"id": "figure-traces/x"}]


def test_figures_of_cells_are_taken_in_as_far_as_there_is_room(contents, monkeypatch):
    monkeypatch.setattr(index, "FIGURE_BYTES", 3 * len(PNG))
    traces = [Chart(f"traces/{at}", "", f"Cell {at}.", PNG, b"") for at in range(4)]
    page = index_html(contents(charts=[Chart("scores", "Scores", "Bars.", PNG, b"")], traces=traces))
    assert re.findall(r'<img alt="([^"]*)"', page) == ["Bars.", "Cell 0.", "Cell 1."]
    assert '<p class="note">To keep this page small, 2 more figures are in figures/traces only.</p>' in page
    page = index_html(contents(traces=traces))
    assert '<p class="note">To keep this page small, 1 more figure is in figures/traces only.</p>' in page
    page = index_html(contents(traces=traces[:1], untraced="Some <are> left out."))
    assert '<p class="note">Some &lt;are&gt; left out.</p>\n<div class="gallery">' in page
    assert "To keep" not in index_html(contents(traces=traces[:3]))


def test_the_size_of_a_png():
    assert png_size(PNG) == (1000, 200)
