import html
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from bench.report.page.browser import Answered, browser_html, evenly, json_script
from bench.report.read.predictions import Asked, Predictions


def answered(answers, *, asked=True, exact=None, f1=None, ids=None, seed=0, scored="events, fingerprint 5e6f7a8b"):
    n = len(answers)
    scores = {name: np.array(own, dtype=float) for name, own in (("exact_match", exact), ("token_f1", f1)) if own}
    return Answered(
        model="tiny",
        method="lora",
        label="lora (rank=8)",
        seed=seed,
        scored=scored,
        predictions=Predictions(ids or tuple(f"q{at}" for at in range(n)), ("d",) * n, tuple(answers), scores, {}),
        criteria={"exact_match": "Exact match", "token_f1": "Token F1", "bleu": "BLEU"},
        asked=Asked(tuple(f"Question {at}?" for at in range(n)), ("Context.",) * n, (("Context.", ""),) * n)
        if asked
        else None,
    )


def data_of(text):
    (block,) = re.findall(r'<script type="application/json" id="predictions">(.*?)</script>', text, re.DOTALL)
    return json.loads(block)["sets"]


def criteria_of(text):
    return json.loads(text.split('id="predictions">')[1].split("</script>")[0])["criteria"]


def test_every_text_stands_once_and_answers_are_numbers_of_it():
    cells = [
        answered(["yes", "Context."], exact=[1, 0], f1=[1, 2 / 3]),
        answered(["yes", ""], exact=[1, 0], f1=[math.nan, 0], seed=1),
    ]
    same = {"model": "tiny", "method": "lora", "label": "lora (rank=8)"}
    assert data_of(browser_html(cells)) == [
        {
            "name": "events, fingerprint 5e6f7a8b",
            "n": 2,
            "examples": [
                {"id": "q0", "question": 0, "context": 1, "references": [1, 2]},
                {"id": "q1", "question": 3, "context": 1, "references": [1, 2]},
            ],
            "cells": [
                same | {"seed": 0, "answers": [4, 1], "scores": {"exact_match": [1.0, 0.0], "token_f1": [1.0, 0.667]}},
                same | {"seed": 1, "answers": [4, 2], "scores": {"exact_match": [1.0, 0.0], "token_f1": [None, 0.0]}},
            ],
            "texts": ["Question 0?", "Context.", "", "Question 1?", "yes"],
        }
    ]


def test_what_was_not_kept_is_left_out_and_answers_are_matched_by_id():
    cells = [answered(["a", "b"], asked=False), answered(["B", "C"], asked=False, ids=("q1", "q2"), exact=[1, 0])]
    (found,) = data_of(browser_html(cells))
    assert found["examples"] == [{"id": "q0"}, {"id": "q1"}]
    assert [cell["answers"] for cell in found["cells"]] == [[0, 1], [None, 2]]
    assert [cell["scores"]["exact_match"] for cell in found["cells"]] == [None, [None, 1.0]]
    assert found["texts"] == ["a", "b", "B"]


def test_answers_are_judged_by_whatever_scores_the_cells_have():
    cells = [answered(["yes", "no"], exact=[1, 0]), answered(["yes", "no"], exact=[1, 0], f1=[1, math.nan], seed=1)]
    # BLEU was declared, and no cell has it for its answers.
    assert criteria_of(browser_html(cells)) == {
        "exact_match": {"title": "Exact match", "is_binary": True},
        "token_f1": {"title": "Token F1", "is_binary": True},
    }
    cells.append(answered(["yes", "no"], f1=[1, 0.5], seed=2))
    assert criteria_of(browser_html(cells))["token_f1"] == {"title": "Token F1", "is_binary": False}
    many = {f"own{at}": np.array([1.0, 0.0]) for at in range(9)}
    own = replace(
        cells[0], criteria={name: name for name in many}, predictions=replace(cells[0].predictions, scores=many)
    )
    assert list(criteria_of(browser_html([own]))) == ["own0", "own1", "own2", "own3"]


def test_a_conversation_has_its_turns():
    turns = (("system", "Context."), ("user", "Question 0?"))
    cell = answered(["yes", "no"])
    own = replace(cell, asked=replace(cell.asked, messages=(turns, ())))
    (found,) = data_of(browser_html([own]))
    assert [example.get("messages") for example in found["examples"]] == [[["system", 1], ["user", 0]], None]


def test_of_texts_that_ask_nothing_the_perplexity_is_kept():
    texts = ("A text.", "Another.", "A third.")
    cell = answered(["", "", ""])
    likelihoods = ((3 * math.log(7.5), 3), (None, 2), (9000.0, 3))
    own = replace(
        cell,
        predictions=replace(cell.predictions, likelihoods=likelihoods),
        asked=Asked(texts, ("",) * 3, tuple((text,) for text in texts)),
    )
    (found,) = data_of(browser_html([own]))
    assert found["cells"][0]["perplexities"] == [7.5, None, None]
    assert "perplexities" not in data_of(browser_html([cell]))[0]["cells"][0]


def test_cells_with_different_test_sets_stand_apart():
    sets = data_of(browser_html([answered(["a"]), answered(["b", "c"], scored="squad, fingerprint 01234567")]))
    assert [(each["name"], each["n"], len(each["cells"])) for each in sets] == [
        ("events, fingerprint 5e6f7a8b", 1, 1),
        ("squad, fingerprint 01234567", 2, 1),
    ]


def test_no_answers_are_a_sentence():
    assert browser_html([]) == "<p>No cell of this study has answers that can be read.</p>\n"


def test_a_large_study_is_thinned_evenly_and_says_so():
    cells = [answered([f"{at} {seed} {'x' * 1000}" for at in range(100)], seed=seed) for seed in range(10)]
    text = browser_html(cells, budget_bytes=300_000)
    (found,) = data_of(text)
    n = len(found["examples"])
    assert 25 <= n <= 30
    assert len(text.encode()) < 320_000
    assert [example["id"] for example in found["examples"]] == [f"q{at * 100 // n}" for at in range(n)]
    assert all(len(cell["answers"]) == n for cell in found["cells"])
    assert html.unescape(text).startswith(
        f"<p>100 examples, answered by 10 cells. To keep this page small it shows {n} of them, evenly spaced over "
        f"the set, each with every answer. The other {100 - n} are in each cell's predictions.jsonl.</p>"
    )
    assert browser_html(cells[:1]).startswith("<p>100 examples, answered by 1 cell.</p>")


def test_one_endless_answer_is_cut():
    (found,) = data_of(browser_html([answered(["x" * 10_007])]))
    assert found["texts"][-1] == f"{'x' * 10_000}… (7 more characters)"


@pytest.mark.parametrize(
    "hostile", ["</script><script>x</script>", "<!--<script>", "]]>", "\u2028\u202e\u200f\x00\ud800"]
)
def test_nothing_in_a_data_block_ends_it_or_hides(hostile):
    text = browser_html([answered([hostile])])
    block = text[text.index('id="predictions">') + len('id="predictions">') : -len("</script>\n")]
    assert not re.search(r"[<>&\u2028\u202e\u200f\x00\ud800]", block)
    assert data_of(text)[0]["texts"][-1] == "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}" for character in hostile
    )


def test_a_data_block_is_its_content():
    content = {"a": ['&lt;"', None, 1.5, "é\n"]}
    block = json_script("x", content)
    assert block == '<script type="application/json" id="x">{"a":["\\u0026lt;\\"",null,1.5,"é\\n"]}</script>'


def test_evenly():
    assert evenly(10, 10) == list(range(10))
    assert evenly(10, 4) == [0, 2, 5, 7]
    assert evenly(3, 1) == [0]
