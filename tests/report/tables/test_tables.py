import csv
import io

import pytest

from bench.record_sections import Error, ScoreInfo
from bench.report.render.formats import csv_table, latex_table, markdown_table
from bench.report.request import Request

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="Tried to allocate 2 GiB", phase="train")}


@pytest.fixture
def small(write_cell, answer_lines, make_record, runs):
    """Three cells on a machine without a GPU, one of which ran out of memory; what Macro F1 is made of was not kept."""

    def write(method, **changes):
        lines = answer_lines(make_record(method, **changes))
        write_cell(method, answered=[line | {"parts": {}} for line in lines], **changes)

    write("lora", scores={"answer_macro_f1": 0.1825, "bleu": 0.22434}, score_settings={"bleu": "nrefs:1|eff:yes"})
    write("baseline", rss_bytes=1_250_000_000, scores={"bleu": 0.0148}, score_settings={"bleu": "nrefs:1|eff:yes"})
    write_cell("qlora", rss_bytes=3_200_000_000, **OOM)
    return runs


POOLED = "no interval: it is computed over all examples at once, and what each contributes was not kept"
CONSTANT = "no interval: it is the same for all documents"
BRACKETS = (
    "In brackets, scores: 95 % intervals over documents alone; one seed says nothing about other seeds. With one seed, "
    "this is about these trained models and not about their methods. Intervals over fewer than 20 documents were not "
    "simulated. Near the bounds of a score, in simulations, intervals contain the true value in 91 to 98 % of studies."
)


def columns_of(table, *keys):
    """The rows of a table's CSV, of the columns asked for."""
    return [tuple(row[key] for key in keys) for row in csv.DictReader(io.StringIO(csv_table(table)))]


REMARKS = (
    "Test examples: 60, from 12 documents. One seed: 0.",
    BRACKETS,
    "Nothing is bold, because not all methods can be tested (one seed: run seed=0,1,2).",
    "Not measured: Train energy (nothing is trained; no NVML device on this machine); Peak power (no NVML device on "
    "this machine).",
    "Trainable: parameters that are trained; 1 M is 1,000,000. Peak process memory: resident memory of the cell's "
    "processes together, shared pages counted in each (sampled). Saved: size on disk of what training changed; 1 MB is "
    "1,000,000 bytes.",
)


def test_the_first_table_has_the_first_scores_all_costs_and_no_empty_column(tables_of, small):
    assert markdown_table(tables_of(small)["model-tiny"]) == (
        "### tiny: quality and cost of each method\n"
        "\n"
        "| Method | Trainable (M) | Trainable (%) | Token F1 | Exact match | Macro F1 | Train time (s) "
        "| Peak process memory (GB) | Saved (MB) |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| baseline | 0 | 0 | 0.7000<sup>a</sup> | 0.40<br><sub>\\[0.15, 0.71\\]</sub> | 0.2500<sup>b</sup> "
        "| —<sup>c</sup> | 1.25 | —<sup>c</sup> |\n"
        "| lora | 0.00100 | 0.1000 | 0.7000<sup>a</sup> | 0.40<br><sub>\\[0.15, 0.71\\]</sub> | 0.1825<sup>b</sup> "
        "| 30.0 | 1.50 | 0.00410 |\n"
        "| qlora: **out of memory in train (peak process memory 3.20 GB)** | — | — | — | — | — | — | — | — |\n"
        "\n"
        f"<sup>a</sup> {CONSTANT}\n"
        "\n"
        f"<sup>b</sup> {POOLED}\n"
        "\n"
        "<sup>c</sup> nothing is trained\n" + "".join(f"\n{remark}\n" for remark in REMARKS)
    )


def test_other_scores_have_a_table_of_their_own(tables_of, small):
    assert markdown_table(tables_of(small)["scores-tiny"]) == (
        "### tiny: other scores\n"
        "\n"
        "| Method | BLEU | ROUGE-1 | ROUGE-2 | ROUGE-L | Perplexity |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: |\n"
        "| baseline | 0.0148<sup>a</sup> | 0.6250<sup>a</sup> | 0.3750<sup>a</sup> | 0.6000<sup>a</sup> "
        "| 3.500<sup>a</sup> |\n"
        "| lora | 0.2243<sup>a</sup> | 0.6250<sup>a</sup> | 0.3750<sup>a</sup> | 0.6000<sup>a</sup> "
        "| 3.500<sup>a</sup> |\n"
        "| qlora: **out of memory in train (peak process memory 3.20 GB)** | — | — | — | — | — |\n"
        "\n"
        f"<sup>a</sup> {CONSTANT}\n"
        "\n"
        "Rows, brackets and bold numbers are as in the table of quality and cost.\n"
        "\n"
        "Computed: BLEU with nrefs:1\\|eff:yes.\n"
        "\n"
        "Not measured: BERTScore (the metric's encoder model is not available).\n"
    )


def test_standard_errors_that_a_metric_gives_are_named_and_in_the_csv_of_cells(tables_of, write_cell, runs):
    task = ScoreInfo(title="arc acc", lowest=None, highest=None, better="higher", pooling=None)
    for method, error in (("baseline", 0.01234), ("lora", 0.015)):
        given = {"scores": {"arc_acc": 0.5}, "infos": {"arc_acc": task}, "score_errors": {"arc_acc": error}}
        write_cell(method, only_scores=True, answered=(), **given)
    tables = tables_of(runs)
    assert tables["model-tiny"].remarks[2] == (
        "Standard errors of one cell over the examples of the score's own task: arc acc 0.012 to 0.015."
    )
    assert columns_of(tables["cells"], "scores.arc_acc", "score_errors.arc_acc") == [
        ("0.5", "0.01234"),
        ("0.5", "0.015"),
    ]
    assert [column.title for column in tables["cells"].shown_columns[2:5]] == ["Status", "arc acc", "Train time"]


def test_many_methods_are_said_to_be_in_the_order_of_their_score(tables_of, write_cell, runs):
    for at in range(9):
        write_cell(f"method{at}", scores={"token_f1": at / 16}, readings=(), answered=())
    table = tables_of(runs)["model-tiny"]
    assert columns_of(table, "method") == [(f"method{at}",) for at in reversed(range(9))]
    assert table.remarks[0] == "Rows are in the order of Token F1, the best first."


def test_the_csv_file_has_the_empty_columns_too(tables_of, small):
    encoder, nvml = "the metric's encoder model is not available", "no NVML device on this machine"
    oom = "out of memory in train (peak process memory 3.20 GB)"
    rows = list(csv.DictReader(io.StringIO(csv_table(tables_of(small)["model-tiny"]))))
    for row, trainable, bleu, rss in zip(rows, ("0", "0.1"), ("0.0148", "0.22434"), (125, 150), strict=False):
        assert (row["parameters.trainable_percent"], row["scores.bleu"]) == (trainable, bleu)
        assert (row["scores.bertscore_f1"], row["scores.bertscore_f1_missing"]) == ("", encoder)
        assert (row["power.peak_sampled_power_w"], row["power.peak_sampled_power_w_missing"]) == ("", nvml)
        assert (row["memory.rss_peak_bytes"], row["note"]) == (f"{rss}0000000", f"{CONSTANT}; {POOLED}")
        assert (row["status"], row["seeds"], row["n_scored"]) == ("ok", "0", "60")
    assert (rows[2]["status"], rows[2]["seeds"], rows[2]["scores.bleu_missing"]) == ("out of memory", "", oom)


def test_the_first_table_in_latex(tables_of, small):
    stacked = "{\\begin{tabular}[b]{@{}r@{}}%s\\end{tabular}}"
    heads = [
        "{Method}",
        *(stacked % f"Trainable\\\\({unit})" for unit in ("M", "\\%")),
        "{Token F1}",
        stacked % "Exact\\\\match",
        "{Macro F1}",
        stacked % "Train\\\\time\\\\(s)",
        stacked % "Peak\\\\process\\\\memory\\\\(GB)",
        stacked % "Saved\\\\(MB)",
    ]
    a, b, c = (f"\\textsuperscript{{{mark}}}" for mark in "abc")
    room = {None: "", a: f", table-space-text-post={{{a}}}", b: f", table-space-text-post={{{b}}}"}
    columns = [("1.5", None), ("1.4", None), ("1.4", a), ("1.2", None), ("1.4", b), ("2.1", None), ("1.2", None)]
    columns += [("1.5", None)]
    formats = "".join(f"S[table-format={digits}{room[mark]}]" for digits, mark in columns)
    interval = " &  &  &  & {\\scriptsize {[}0.15, 0.71{]}} &  &  &  &  \\\\\n"
    notes = [f"\\textsuperscript{{a}}~{CONSTANT}", f"\\textsuperscript{{b}}~{POOLED}"]
    notes += ["\\textsuperscript{c}~nothing is trained"]
    notes += [remark.replace("%", "\\%").replace("|", "\\textbar{}") for remark in REMARKS]
    assert latex_table(tables_of(small)["model-tiny"]) == (
        "% Needs \\usepackage{booktabs, graphicx, siunitx} and, for bold numbers, \\sisetup{detect-weight = true, "
        "mode = text, group-minimum-digits = 9}.\n"
        "\\begin{table}[htbp]\n"
        "\\centering\n"
        "\\footnotesize\n"
        "\\setlength{\\tabcolsep}{3pt}\n"
        "\\caption{tiny: quality and cost of each method}\n"
        "\\smallskip\n"
        "\\setbox0=\\hbox{%\n"
        f"\\begin{{tabular}}{{@{{}}l{formats}@{{}}}}\n"
        "\\toprule\n"
        f"{' & '.join(heads)} \\\\\n"
        "\\midrule\n"
        f"baseline & 0 & 0 & 0.7000 {{{a}}} & 0.40 & 0.2500 {{{b}}} & {{---{c}}} & 1.25 & {{---{c}}} \\\\\n"
        f"{interval}"
        f"lora & 0.00100 & 0.1000 & 0.7000 {{{a}}} & 0.40 & 0.1825 {{{b}}} & 30.0 & 1.50 & 0.00410 \\\\\n"
        f"{interval}"
        "qlora & \\multicolumn{8}{l@{}}{\\emph{out of memory in train (peak process memory 3.20 GB)}} \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}}%\n"
        "\\leavevmode\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}\\else\\box0\\fi\n"
        "\n"
        "\\smallskip\n"
        "\\begin{minipage}{\\linewidth}\\raggedright\n" + "\n\\par ".join(notes) + "\n\\end{minipage}\n"
        "\\end{table}\n"
    )


def test_all_cells(tables_of, small):
    table = tables_of(small)["cells"]
    assert markdown_table(table) == (
        "### All cells\n"
        "\n"
        "| Method | Seed | Status | Token F1 | Exact match | Macro F1 | Train time (s) | Step time (s) "
        "| Throughput (tokens/s) | Cell time (s) |\n"
        "| :--- | :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| baseline | 0 | ok | 0.7000 | 0.4000 | 0.2500 | —<sup>a</sup> | —<sup>a</sup> | —<sup>a</sup> "
        "| 42.2 |\n"
        "| lora | 0 | ok | 0.7000 | 0.4000 | 0.1825 | 30.0 | 0.123 | 9876 | 42.2 |\n"
        "| qlora | 0 | out of memory in train | —<sup>b</sup> | —<sup>b</sup> | —<sup>b</sup> | —<sup>b</sup> "
        "| —<sup>b</sup> | —<sup>b</sup> | —<sup>b</sup> |\n"
        "\n"
        "<sup>a</sup> nothing is trained\n"
        "\n"
        "<sup>b</sup> the cell did not end ok\n"
        "\n"
        "Step time: the median of the steps after warm-up. Throughput: tokens trained on per second of the steps after "
        "warm-up, without padding. Cell time: from start to record, longer than all phases together, above all in the "
        "first cell of a sweep, which waits for imports.\n"
    )
    assert columns_of(table, "scores.perplexity") == [("3.5",), ("3.5",), ("",)]


def test_failures_and_provenance(tables_of, small):
    found = tables_of(small)
    costs = [f"costs-{what}" for what in ("time", "memory", "training")]
    names = ["model-tiny", "scores-tiny", "effects", *costs, "settings-shared", "cells", "failures", "provenance"]
    assert list(found) == names
    assert columns_of(found["failures"], "folder", "ending", "error") == [
        ("demo/tiny-qlora-events-s0-qlora0", "out of memory in train", "OutOfMemoryError: Tried to allocate 2 GiB")
    ]
    assert columns_of(found["provenance"], "fact", "value") == [
        ("Commit", "0123456789abcdef0123456789abcdef01234567"),
        ("Record schema", "3"),
        ("Started", "2026-07-01T12:00:00+00:00"),
        ("Host", "bench-1"),
        ("Platform", "Linux-6.1-x86_64"),
        ("CPU", "Example CPU, 2 cores"),
        ("Memory", "8.0 GB"),
        ("GPU", "no NVML device on this machine"),
        ("Driver", "no NVML device on this machine"),
        ("CUDA", "no NVML device on this machine"),
        ("Base model", "tiny: pretrained weights, revision not from the hub, float32, on cpu"),
        ("Seed", "0"),
        ("Training set", "events, 400 examples, fingerprint 1a2b3c4d"),
        ("Tune set", "events, 40 examples, fingerprint 9d8c7b6a"),
        ("Test set", "events, 60 examples, fingerprint 5e6f7a8b"),
        ("Scored", "test"),
        ("In two sets", "0 documents, 0 texts (cluster ids and texts)"),
        ("Python", "3.11.9"),
        ("torch", "2.13.0"),
        ("transformers", "5.23.0"),
    ]


def test_provenance_counts_cells_where_they_differ(tables_of, write_cell, runs):
    write_cell("baseline", seed=0)
    write_cell("lora", seed=0, host="bench-2", device_bytes=10**9, started_at="2026-07-03T00:00:00+00:00")
    write_cell("lora", seed=1, host="bench-2", device_bytes=10**9)
    told = dict(columns_of(tables_of(runs)["provenance"], "fact", "value"))
    assert told["Host"] == "bench-1 (1 cell); bench-2 (2 cells)"
    assert told["GPU"] == "no NVML device on this machine (1 cell); NVIDIA H100 (2 cells)"
    assert told["Seed"] == "0 (2 cells); 1 (1 cell)"
    assert told["Started"] == "2026-07-01T12:00:00+00:00 to 2026-07-03T00:00:00+00:00"


def test_rows_say_where_cells_ran_if_it_was_not_one_machine(tables_of, write_cell, runs):
    write_cell("baseline", device_bytes=10**9)
    table = tables_of(runs)["cells"]
    assert columns_of(table, "host", "gpu", "driver") == [("bench-1", "NVIDIA H100", "570.1")]
    assert not {"Host", "GPU", "Driver"} & {column.title for column in table.shown_columns}
    write_cell("lora", host="bench-2", device_bytes=10**9, driver="580.2")
    table = tables_of(runs)["cells"]
    assert columns_of(table, "method", "host", "gpu", "driver") == [
        ("baseline", "bench-1", "NVIDIA H100", "570.1"),
        ("lora", "bench-2", "NVIDIA H100", "580.2"),
    ]
    assert [column.title for column in table.shown_columns[:5]] == ["Method", "Seed", "Status", "Host", "Driver"]


def test_a_grid_without_failures_has_no_table_of_them(tables_of, write_cell, runs):
    write_cell("lora")
    names = [name for name in tables_of(runs) if not name.startswith("costs-")]
    assert names == ["model-tiny", "scores-tiny", "settings-shared", "cells", "provenance"]


def test_several_seeds_are_a_mean_and_say_so(tables_of, write_cell, runs):
    for seed, (bleu, watts) in enumerate(((0.25, 300.0), (0.75, 301.0))):
        changes = {"power_w": watts, "device_bytes": 5 * 10**9}
        write_cell("baseline", seed=seed, **changes)
        write_cell("lora", seed=seed, scores={"bleu": bleu}, **changes)
    table = tables_of(runs)["model-tiny"]
    keys = ("method", "seeds", "scores.bleu", "power.peak_sampled_power_w", "memory.device_peak_bytes")
    assert columns_of(table, *keys) == [
        ("baseline", "0 1", "0.5", "300.5", "5000000000"),
        ("lora", "0 1", "0.5", "300.5", "5000000000"),
    ]
    assert table.remarks[0] == "Test examples: 60, from 12 documents. Each number is a mean over 2 seeds: 0, 1."
    assert table.shown_columns[-2].heading == "Peak GPU memory (GB)"


def test_a_failed_seed_is_a_footnote_of_the_mean_over_the_others(tables_of, write_cell, runs):
    for seed in (0, 1):
        write_cell("baseline", seed=seed)
        write_cell("lora", seed=seed, rss_bytes=3_200_000_000, **(OOM if seed else {}))
    table = tables_of(runs)["model-tiny"]
    told = "1 of 2 seeds; seed 1: out of memory in train (peak process memory 3.20 GB)"
    assert columns_of(table, "method", "status", "seeds", "note") == [
        ("baseline", "ok", "0 1", CONSTANT),
        ("lora", "ok and out of memory", "0", f"{told}; {CONSTANT}"),
    ]
    assert table.footnotes == (CONSTANT, "nothing is trained", told)
    assert table.remarks[0] == (
        "Test examples: 60, from 12 documents. Each number is a mean over seeds: baseline 0, 1; lora 0."
    )


def test_memory_figures_are_never_mixed_in_one_column(tables_of, write_cell, runs):
    write_cell("baseline", rss_bytes=7 * 10**9)
    write_cell("lora", device_bytes=20 * 10**9)
    table = tables_of(runs)["model-tiny"]
    assert columns_of(table, "memory.device_peak_bytes", "memory.device_peak_bytes_missing") == [
        ("", "no NVML device on this machine; peak process memory 7.00 GB"),
        ("20000000000", ""),
    ]


def test_random_weights_have_costs_and_no_scores(tables_of, write_cell, runs):
    names = ("answer_macro_f1", "bleu", "bertscore_f1", "rouge1", "rouge2", "rougeL", "token_f1", "exact_match")
    missing = {f"scores.{name}": "random_weights" for name in names}
    write_cell("lora", scores=dict.fromkeys(names), missing=missing)
    table = tables_of(runs)["model-tiny"]
    assert columns_of(table, "scores.bleu", "scores.bleu_missing", "memory.rss_peak_bytes") == [
        ("", "the model's weights are random, so its answers mean nothing", "1500000000")
    ]


def test_cells_that_cannot_be_compared_are_warned_of_in_every_format(tables_of, write_cell, runs):
    write_cell("baseline")
    write_cell("lora", test_fingerprint="99999999" + 56 * "0")
    table = tables_of(runs)["model-tiny"]
    warning = "the cells of tiny differ in the fingerprint of the examples that were scored: 5e6f7a8b for baseline; "
    warning += "99999999 for lora."
    assert table.warnings == (warning,)
    assert f"\n**Warning:** {warning}\n" in markdown_table(table)
    assert f"\\textbf{{Warning:}} {warning}\n" in latex_table(table)


def test_models_and_data_sets_have_tables_of_their_own(tables_of, write_cell, runs):
    for model in ("tiny", "llama1b"):
        for dataset in ("events", "squad_v2"):
            write_cell("lora", model=model, dataset=dataset)
    found = tables_of(runs)
    assert list(found)[:4] == [
        "model-llama1b-events",
        "model-llama1b-squad_v2",
        "model-tiny-events",
        "model-tiny-squad_v2",
    ]
    assert "Data set" in [column.title for column in found["cells"].columns]


def test_a_model_whose_cells_all_failed_still_has_its_table(tables_of, write_cell, runs):
    write_cell("lora", **OOM)
    table = tables_of(runs)["model-tiny"]
    assert [row.instead for row in table.rows] == ["out of memory in train (peak process memory 1.50 GB)"]
    assert (table.remarks, table.warnings) == ((), ())


@pytest.mark.parametrize(
    ("n_lora", "costs"),
    [
        (3, "95 % intervals over seeds, or in rows with fewer than 5 seeds the smallest and the largest of the seeds"),
        (5, "95 % intervals over seeds"),
    ],
)
def test_what_brackets_mean_holds_for_rows_of_few_and_of_many_seeds(tables_of, write_cell, runs, n_lora, costs):
    for method, n_seeds in (("baseline", 5), ("lora", n_lora)):
        for seed in range(n_seeds):
            write_cell(method, seed=seed)
    assert f"over documents and seeds; other figures: {costs}. Intervals" in tables_of(runs)["model-tiny"].remarks[1]


def test_all_pairs_have_a_table_of_their_own_name(tables_of, write_cell, runs):
    for method in ("baseline", "lora", "qlora"):
        for seed in range(3):
            write_cell(method, seed=seed)
    table = tables_of(runs, Request(family=("token_f1",), pairs="all"))["effects"]
    assert table.title == "Differences between all methods"
    assert columns_of(table, "setup", "reference") == [("lora", "baseline"), ("qlora", "baseline"), ("qlora", "lora")]
    assert "--pairs all" not in " ".join(table.remarks)
    usual = tables_of(runs, Request(family=("token_f1",)))["effects"]
    assert usual.title == "Differences from the reference"
    assert columns_of(usual, "setup", "reference") == [("lora", "baseline"), ("qlora", "baseline")]
    assert "; --pairs all also compares the other methods with each other." in usual.remarks[1]


def test_bold_says_what_it_means_and_of_which_family(tables_of, write_cell, runs):
    for method, f1 in (("baseline", 0.2), ("lora", 0.8), ("qlora", 0.8)):
        for seed in range(3):
            write_cell(method, seed=seed, scores={"token_f1": f1})
    table = tables_of(runs)["model-tiny"]
    at = [column.key for column in table.columns].index("scores.token_f1")
    assert [row.cells[at].bold for row in table.rows] == [False, True, True]
    (meaning,) = (remark for remark in table.remarks if remark.startswith("Bold"))
    assert meaning.startswith(
        "Bold: may be the best. That is the best mean, and each that does not differ significantly from it: the p of "
        "the difference, adjusted (Holm) for all methods of this table in that score, is 0.05 or more."
    )


@pytest.mark.parametrize(
    ("n_seeds", "said"), [(2, "Two seeds are too few: in simulations"), (3, "Macro F1 over fewer")]
)
def test_where_simulations_do_not_support_intervals_the_table_says_so(tables_of, write_cell, runs, n_seeds, said):
    data = {"n_clusters_test": 30}
    for seed in range(n_seeds):
        write_cell("lora", seed=seed, data=data)
    brackets = tables_of(runs)["model-tiny"].remarks[1]
    assert said in brackets
    assert ("Two seeds" in brackets) == (n_seeds == 2)
