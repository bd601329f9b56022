"""The page in a real browser: headless Chromium, told what to do over a pipe in its DevTools protocol."""

import json
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import pytest

from bench.report.compare.choice import Pick, Picks
from bench.report.compare.comparisons import Comparison
from bench.report.compare.setups import Setup
from bench.report.figures.chart import Chart
from bench.report.numbers import fixed
from bench.report.page.browser import Answered, browser_html
from bench.report.page.contents import Contents
from bench.report.page.index import index_html
from bench.report.read.predictions import Asked, Predictions
from bench.report.render.table import Column, Row, Table, TableCell

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not on the PATH (Debian's package is called chromium)"
)

HOSTILE = (
    "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> <!-- \u202egnp \x1b["
)
N = 45
METHODS = ("baseline", "lora")


class Browser:
    """One tab."""

    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self._commands, self._answers = commands, answers
        self._last = 0
        self._session: dict[str, str] = {}
        self.told: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params} | self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while (answer := self._read()).get("id") != self._last:
            self.told.append(answer)
        assert "error" not in answer, answer["error"]
        return dict(answer["result"])

    def open(self, address: str) -> None:
        """A page, until it has loaded; a blank one before it, so that another fragment of the same page loads too."""
        for each in ("about:blank", address):
            self.told.clear()
            self.call("Page.navigate", url=each)
            while not any(event.get("method") == "Page.loadEventFired" for event in self.told):
                self.told.append(self._read())

    def run(self, script: str) -> Any:
        """What a script gives, as JSON has it."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def key(self, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text, windowsVirtualKeyCode=13)

    def faults(self) -> list[dict[str, Any]]:
        """Exceptions, refusals of the page's policy, and whatever was asked of a network."""
        network = [event for event in self.told if event["method"] == "Network.requestWillBeSent"]
        asked = [event["params"]["request"]["url"] for event in network]
        outside = [{"url": url} for url in asked if not url.startswith(("file:", "data:", "about:"))]
        return outside + [
            event for event in self.told if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "Chromium ended"
            message += byte
        return dict(json.loads(message))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Started once for all tests; it has no network, a profile of its own, and ends with the tests."""
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    profile = tmp_path_factory.mktemp("profile")
    options = [
        *("--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}"),
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),
    ]
    # It reads from file 3 and writes to file 4
    command = ["bash", "-c", f'exec "$@" 3<&{commands_out} 4>&{answers_in}', "bash", str(CHROMIUM), *options]
    process = subprocess.Popen(command, pass_fds=(commands_out, answers_in), stderr=subprocess.DEVNULL)
    os.close(commands_out)
    os.close(answers_in)
    with os.fdopen(commands_in, "wb") as commands, os.fdopen(answers_out, "rb") as answers:
        try:
            yield Browser(commands, answers)
        finally:
            process.terminate()
            process.wait(20)


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def group(model):
    def setup(method):
        cell = SimpleNamespace(folder=f"demo/{model}-{method}-events-s0-key", seed=0, ok=True)
        return Setup(method, method, (cell,))

    return Comparison(model, "events", model, tuple(map(setup, METHODS)))


def answered(model, method, seed):
    """LoRA is right in the first ten examples, the baseline in the first five; with seed 1 the answers differ."""
    right = np.array([float(at < (10 if method == "lora" else 5)) for at in range(N)])
    answers = [f"answer {at} of seed {seed}" for at in range(N)]
    answers[2], answers[3], answers[4] = HOSTILE, "\u05db\u05df (yes) \u0627\u0644", ""
    return Answered(
        model=model,
        method=method,
        label=method,
        seed=seed,
        scored="events, fingerprint 5e6f7a8b",
        predictions=Predictions(
            ids=tuple(f"q/{at}&" for at in range(N)),
            clusters=("d",) * N,
            answers=tuple(answers),
            scores={"exact_match": right, "token_f1": np.where(right == 1, 1.0, 0.4)},
            parts={},
        ),
        criteria={"exact_match": "Exact match", "token_f1": "Token F1"},
        asked=Asked(
            questions=tuple(HOSTILE if at == 2 else f"Who is number {at}?" for at in range(N)),
            contexts=("Some context.",) * N,
            references=(("the answer", "another"),) * N,
        ),
    )


TABLE = Table(
    name="costs-time",
    title="Time",
    columns=(
        Column("model", "Model", align="left"),
        Column("method", "Method", align="left"),
        Column("seconds", "Cell", "s", format=fixed(1)),
    ),
    rows=(
        Row((TableCell("tiny"), TableCell("baseline"), TableCell(10.04))),
        Row((TableCell("tiny"), TableCell("lora"), TableCell(None, "no clock"))),
        Row((TableCell("<b>"), TableCell("baseline"), TableCell(10.01, "resumed"))),
        Row((TableCell("<b>"), TableCell("lora"), TableCell(None)), instead="out of memory in train"),
        Row((TableCell("tiny"), TableCell("lora"), TableCell(9.0))),
    ),
    section="costs",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with all that a page can have."""
    only = Table("model-b", "Of one model", TABLE.columns, TABLE.rows[2:4])
    traces = [
        Chart(f"traces/{model}-{method}-events-s0-key", "", "A trace.", png(100, 40), b"")
        for model in ("tiny",)
        for method in METHODS
    ]
    contents = Contents(
        study=f"demo {HOSTILE}",
        summary="8 cells: 8 ok.",
        picks=[
            Picks("tiny", "tiny", "12 documents, 3 seeds", (Pick("Best score", "lora", HOSTILE),)),
            Picks("<b>", "<b>", "3 seeds", ()),
        ],
        tables=[TABLE, only],
        charts=[Chart("scores", "Scores by method", HOSTILE, png(200, 100), b"")],
        traces=traces,
        untraced="",
        predictions=browser_html(
            [answered(model, method, seed) for model in ("tiny", "<b>") for method in METHODS for seed in (0, 1)]
        ),
        problems=[],
        comparisons=[group("tiny"), group("<b>")],
    )
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(index_html(contents))
    return path.as_uri()


def column(browser, number, table="costs-time"):
    rows = f"[...document.querySelectorAll('#{table} tbody tr')].filter(row => !row.hidden)"
    return browser.run(f"{rows}.map(row => row.cells[Math.min({number}, row.cells.length - 1)].innerText)")


def click(browser, selector, text=None):
    browser.run(
        f"[...document.querySelectorAll({json.dumps(selector)})].find(one => {json.dumps(text)} === null || "
        f"one.textContent.includes({json.dumps(text)})).click()"
    )


def shown(browser):
    return browser.run("[...document.querySelectorAll('.example')].map(one => one.dataset.example)")


def count(browser):
    return browser.run("document.getElementById('browser-count').textContent")


def choose(browser, name, value):
    browser.run(
        f"(() => {{ const box = document.querySelector('#browser [name={name}]'); box.value = {json.dumps(value)}; "
        "box.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def follow(browser, fragment):
    """Goes there, and waits until the page has heard of it."""
    browser.run(
        "new Promise(done => { addEventListener('hashchange', () => setTimeout(done), {once: true}); "
        f"location.hash = {json.dumps(fragment)}; }})"
    )


def test_nothing_that_was_written_by_others_runs_and_nothing_is_fetched(browser, page):
    browser.open(f"{page}#example=q%2F2%26")
    assert browser.run("document.title").startswith("Report of the study demo </script>")
    assert browser.run("document.querySelectorAll('script').length") == 4
    assert browser.run("document.querySelectorAll('main b').length") == 0
    images = browser.run("[...document.images].map(image => image.getAttribute('src').slice(0, 21))")
    assert images == ["data:image/png;base64"] * 3
    text = browser.run("document.querySelector('details[open] .answer .text').textContent")
    assert text == HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\u001b")
    assert browser.faults() == []


def test_what_the_page_did_not_come_with_is_refused(browser, page):
    browser.open(page)
    browser.run("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
    browser.run("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\" onclick=\"x\">')")
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/x.png\">')")
    assert browser.run("document.title").startswith("Report of the study")
    assert browser.run("getComputedStyle(document.body.lastChild.previousSibling).color") != "rgb(255, 0, 0)"
    refused = [event["params"]["entry"]["text"] for event in browser.faults() if "params" in event]
    assert len(refused) >= 3
    assert all("Content Security Policy" in text for text in refused)


def test_tables_are_sorted_by_unrounded_numbers_with_what_is_missing_last(browser, page):
    browser.open(page)
    button = "#costs-time th:nth-child(3) button"
    sorts = "[...document.querySelectorAll('#costs-time th')].map(head => head.getAttribute('aria-sort'))"
    written = ["10.0", "—a", "10.0b", "out of memory in train", "9.0"]
    assert column(browser, 2) == written
    click(browser, button)
    assert column(browser, 2) == ["9.0", "10.0b", "10.0", "—a", "out of memory in train"]
    assert browser.run(sorts) == ["none", "none", "ascending"]
    click(browser, button)
    assert column(browser, 2) == ["10.0", "10.0b", "9.0", "—a", "out of memory in train"]
    assert browser.run(sorts) == ["none", "none", "descending"]
    click(browser, button)
    assert column(browser, 2) == written
    assert browser.run(sorts) == ["none", "none", "none"]


def test_the_keyboard_sorts_too(browser, page):
    browser.open(page)
    browser.run("document.querySelector('#costs-time th:nth-child(2) button').focus()")
    browser.key("Enter", "\r")
    assert column(browser, 1) == ["baseline", "baseline", "lora", "lora", "lora"]
    assert browser.run("document.activeElement.textContent") == "Method"


def test_the_filter_acts_on_tables_figures_picks_and_predictions(browser, page):
    browser.open(page)
    visible = (
        "[...document.querySelectorAll('main section, figure')].filter(one => one.checkVisibility()).map("
        "one => one.id || one.textContent.trim().slice(0, 4).trim())"
    )
    parts = ["part-picks", "part-results", "part-figures", "part-costs", "part-predictions", "part-traces"]
    assert set(browser.run(visible)) >= {*parts, "tiny", "<b>", "model-b", "figure-scores"}
    click(browser, "#filters label", "<b>")
    assert set(browser.run(visible)) >= {*parts, "tiny", "costs-time", "figure-scores"}
    assert not {"<b>", "model-b"} & set(browser.run(visible))
    assert column(browser, 0) == ["tiny", "tiny", "tiny"]
    click(browser, "#filters label", "lora")
    assert column(browser, 1) == ["baseline"]
    assert "figure-traces/tiny-baseline-events-s0-key" in browser.run(visible)
    assert "figure-traces/tiny-lora-events-s0-key" not in browser.run(visible)
    tally = "document.querySelector('.example .tallies').innerText"
    assert browser.run(tally) == "baseline 2/2"
    click(browser, "#filters button")
    assert len(column(browser, 0)) == 5
    assert browser.run(tally).split() == ["baseline", "4/4", "lora", "4/4"]


def test_predictions_are_found_by_text_and_by_right_and_wrong(browser, page):
    browser.open(page)
    assert count(browser) == "45 examples shown"
    choose(browser, "verdict", "mixed")
    assert shown(browser) == [f"q/{at}&" for at in range(5, 10)]
    choose(browser, "verdict", "all-right")
    assert shown(browser) == [f"q/{at}&" for at in range(5)]
    choose(browser, "verdict", "all-wrong")
    assert count(browser) == "35 of 45 examples shown"
    choose(browser, "criterion", "token_f1")
    choose(browser, "threshold", "0.4")
    assert shown(browser) == []
    choose(browser, "threshold", "0.41")
    assert count(browser) == "35 of 45 examples shown"
    choose(browser, "text", "NUMBER 44")
    assert shown(browser) == ["q/44&"]
    choose(browser, "verdict", "")
    choose(browser, "text", "answer 7 of seed 1")
    assert shown(browser) == ["q/7&"]


def test_predictions_are_paged(browser, page):
    browser.open(page)
    where = "document.querySelector('.pager').innerText.replace(/\\s+/g, ' ')"
    assert browser.run(where) == "Previous 1 to 20 of 45 Next"
    assert len(shown(browser)) == 20
    click(browser, ".pager [name=next]")
    click(browser, ".pager [name=next]")
    assert shown(browser) == [f"q/{at}&" for at in range(40, 45)]
    assert browser.run(where) == "Previous 41 to 45 of 45 Next"
    assert browser.run("document.querySelector('[name=next]').disabled") is True


def test_an_example_has_everything_side_by_side_and_an_address(browser, page):
    browser.open(f"{page}#example=q%2F41%26")
    opened = "document.querySelector('details[open]')"
    assert browser.run(f"{opened}.dataset.example") == "q/41&"
    box = browser.run(f"{opened}.getBoundingClientRect().toJSON()")
    assert 0 <= box["top"] < 600
    assert browser.run(f"[...{opened}.querySelectorAll('dd')].map(one => one.innerText)") == [
        "Some context.",
        "the answer",
        "another",
        "q/41&",
    ]
    assert browser.run(f"[...{opened}.querySelectorAll('h4')].map(one => one.innerText)") == ["tiny", "<b>"]
    cards = browser.run(f"[...{opened}.querySelector('.cards').children].map(one => one.innerText.split(/\\n+/))")
    told = [
        "answer 41 of seed 0",
        "seed 0 · ✗ wrong · Token F1 0.40",
        "answer 41 of seed 1",
        "seed 1 · ✗ wrong · Token F1 0.40",
    ]
    assert cards == [["baseline", *told], ["lora", *told]]
    # Its link names it again, whatever is searched for
    choose(browser, "text", "number 1?")
    follow(browser, "#example=q%2F4%26")
    assert browser.run(f"{opened}.dataset.example") == "q/4&"
    assert browser.run(f"{opened}.querySelector('a').getAttribute('href')") == "#example=q%2F4%26"
    assert browser.run(f"{opened}.querySelector('.answer').innerText.split(/\\n+/)") == [
        "(empty answer)",
        "seeds 0, 1 · ✓ right · Exact match · Token F1 1.00",
    ]
    follow(browser, "#example=gone")
    assert count(browser) == 'This page has no example "gone".'


def test_right_to_left_text_turns_nothing_beside_it(browser, page):
    browser.open(f"{page}#example=q%2F3%26")
    answer = "document.querySelector('details[open] .answer')"
    styles = browser.run(
        f"(({{direction, unicodeBidi}}) => [direction, unicodeBidi])(getComputedStyle({answer}.firstChild))"
    )
    assert styles[0] == "rtl"
    assert styles[1] in ("isolate", "plaintext", "isolate-override")
    assert browser.run(f"getComputedStyle({answer}.lastChild).direction") == "ltr"
    assert browser.run(f"{answer}.lastChild.innerText") == "seeds 0, 1 · ✓ right · Exact match · Token F1 1.00"


def test_on_a_narrow_screen_only_tables_are_wider_than_it(browser, page):
    browser.call("Emulation.setDeviceMetricsOverride", width=420, height=900, deviceScaleFactor=1, mobile=True)
    browser.open(f"{page}#example=q%2F2%26")
    assert browser.run("document.documentElement.scrollWidth") == 420
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_without_scripts_everything_but_the_browser_is_there(browser, page):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.run("document.querySelectorAll('th button').length") == 0
    assert browser.run("document.getElementById('filters').checkVisibility()") is False
    assert browser.run("document.getElementById('browser').checkVisibility()") is False
    assert "The predictions browser needs JavaScript." in browser.run("document.body.innerText")
    assert column(browser, 2)[0] == "10.0"


def write_page(path, cells):
    nothing = {"picks": [], "tables": [], "charts": [], "traces": [], "untraced": "", "problems": [], "comparisons": []}
    path.write_text(index_html(Contents(study="demo", summary="", predictions=browser_html(cells), **nothing)))
    return path.as_uri()


def opened(browser):
    """The text of the first example, opened."""
    browser.run("document.querySelector('.example').open = true; new Promise(done => setTimeout(done, 50))")
    return browser.run("document.querySelector('.example').innerText").split("\n")


def test_a_conversation_is_shown_turn_by_turn(browser, tmp_path):
    cell = answered("tiny", "lora", 0)
    turns = (("system", "Be <b>brief</b>."), ("user", "Hello?"), ("assistant", "Yes?"), ("user", "Who is number 0?"))
    messages = (turns, *((),) * (N - 1))
    browser.open(write_page(tmp_path / "index.html", [replace(cell, asked=replace(cell.asked, messages=messages))]))
    lines = [line for line in opened(browser) if line]
    at = lines.index("Conversation")
    said = ["System", "Be <b>brief</b>.", "User", "Hello?", "Assistant", "Yes?", "User", "Who is number 0?"]
    assert lines[at + 1 : at + 9] == said
    choose(browser, "text", "yes?")
    assert shown(browser) == ["q/0&"]


def test_a_text_that_asks_nothing_is_shown_with_its_perplexity_by_seed(browser, tmp_path):
    text = "Once upon a time.\nThe end."
    cells = [
        replace(
            answered("tiny", "lora", seed),
            predictions=Predictions(("t",), ("d",), ("",), {}, {}, ((2.0 + seed, 2),)),
            asked=Asked((text,), ("",), ((text,),)),
        )
        for seed in (0, 1)
    ]
    browser.open(write_page(tmp_path / "index.html", cells))
    lines = [line for line in opened(browser) if line]
    assert lines[lines.index("Text") :] == [
        "Text",
        "Once upon a time.",
        "The end.",
        "Link to this example",
        "t",
        "lora",
        "seed 0 · perplexity 2.718",
        "seed 1 · perplexity 4.482",
    ]
