from bench.record_sections import Error
from bench.report.compare.comparisons import comparisons_of
from bench.report.compare.quantities import MEMORIES
from bench.report.read.study import read_studies

OOM = {"status": "oom", "error": Error(type="OutOfMemoryError", message="too large", phase="train")}


def group_of(runs):
    (group,) = comparisons_of(read_studies(runs)[0].cells)
    return group


def test_seeds_of_one_setup_are_averaged(write_cell, runs):
    for seed, bleu in enumerate((0.125, 0.25, 0.75)):
        write_cell("lora", seed=seed, scores={"bleu": bleu})
    (setup,) = group_of(runs).setups
    assert (setup.label, setup.seeds) == ("lora", (0, 1, 2))
    bleu = setup.measure(group_of(runs).scores["bleu"])
    assert (bleu.mean, bleu.by_seed, bleu.reason) == (0.375, (0.125, 0.25, 0.75), None)


def test_a_mean_over_some_of_the_seeds_is_no_mean(write_cell, runs):
    write_cell("lora", seed=0)
    write_cell("lora", seed=1, scores={"bleu": None}, missing={"scores.bleu": "too_short"})
    write_cell("lora", seed=2, scores={"bleu": float("inf")})
    group = group_of(runs)
    bleu = group.setups[0].measure(group.scores["bleu"])
    assert (bleu.mean, bleu.by_seed) == (None, ())
    assert bleu.reason == "seed 1: the phase was too short to measure; seed 2: not a finite number"


def test_failed_seeds_are_left_out_and_said(write_cell, runs):
    write_cell("lora", seed=0, scores={"bleu": 0.25})
    write_cell("lora", seed=1, rss_bytes=3_000_000_000, **OOM)
    write_cell("lora", seed=2, rss_bytes=4_000_000_000, **OOM)
    (setup,) = group_of(runs).setups
    assert (setup.seeds, setup.measure(group_of(runs).scores["bleu"]).mean) == ((0,), 0.25)
    assert setup.ending == "seed 1, 2: out of memory in train (peak process memory 4.00 GB)"


def test_a_setup_without_an_ok_cell_has_no_numbers(write_cell, runs):
    write_cell("lora", rss_bytes=3_000_000_000, **OOM)
    (setup,) = group_of(runs).setups
    measured = setup.measure(MEMORIES[-1])
    assert (measured.mean, measured.reason) == (None, "out of memory in train (peak process memory 3.00 GB)")


def test_setups_of_one_method_are_told_apart_by_what_differs(write_cell, runs):
    write_cell("lora", folder="a", method_settings={"rank": 8, "alpha": 16, "modules": ["q", "v"]})
    write_cell("lora", folder="b", method_settings={"rank": 16, "alpha": 16, "modules": ["q"]})
    write_cell("toplayer", method_settings={"blocks": 2})
    assert [setup.label for setup in group_of(runs).setups] == [
        "lora (rank=8)",
        "lora (rank=16)",
        "toplayer",
    ]


def test_data_sets_are_groups_of_their_own(write_cell, runs):
    write_cell("lora", dataset="events")
    write_cell("lora", dataset="squad_v2")
    found = comparisons_of(read_studies(runs)[0].cells)
    assert [(group.title, len(group.setups)) for group in found] == [("tiny on events", 1), ("tiny on squad_v2", 1)]


def test_the_memory_of_a_group_is_one_figure(write_cell, runs):
    write_cell("baseline", device_bytes=None)
    write_cell("lora", device_bytes=2_000_000_000)
    assert group_of(runs).memory.key == "memory.device_peak_bytes"


def test_cells_that_share_everything_that_they_must_have_no_disagreement(write_cell, runs):
    write_cell("baseline")
    write_cell("lora", method_settings={"rank": 8})
    assert (group_of(runs).refusals, group_of(runs).warnings) == ([], [])


def test_what_must_be_shared_and_is_not_is_named_with_its_cells(write_cell, runs):
    write_cell("baseline")
    write_cell("lora", seed=0, score_settings={"bleu": "nrefs:1|eff:yes"})
    write_cell("lora", seed=1, test_fingerprint="99999999" + 56 * "0", score_settings={"bleu": "nrefs:1|eff:no"})
    write_cell("qlora", prompt={"name": "alpaca", "max_length": 512}, test_fingerprint="9" * 64)
    assert group_of(runs).warnings == []
    assert group_of(runs).refusals == [
        "the cells of tiny differ in prompt._target_: bench.prompt.Template for baseline, lora; not set for qlora.",
        "the cells of tiny differ in prompt.name: squad for baseline, lora; alpaca for qlora.",
        "the cells of tiny differ in the fingerprint of the examples that were scored: 5e6f7a8b for baseline, "
        "lora seed 0; 99999999 for lora seed 1, qlora.",
        "the cells of tiny differ in score_settings.bleu: nrefs:1|eff:yes for lora seed 0; "
        "nrefs:1|eff:no for lora seed 1.",
    ]


def test_costs_of_different_machines_are_not_compared_in_silence(write_cell, runs):
    write_cell("baseline")
    write_cell("lora", device_bytes=2_000_000_000)
    assert group_of(runs).refusals == []
    assert group_of(runs).warnings == [
        "the cells of tiny differ in their GPU: none for baseline; NVIDIA H100 for lora."
    ]
    write_cell("lora", seed=1, device_bytes=2_000_000_000, host="bench-2", driver="580.2")
    assert group_of(runs).refusals == []
    assert group_of(runs).warnings == [
        "the cells of tiny differ in their host: bench-1 for baseline, lora seed 0; bench-2 for lora seed 1.",
        "the cells of tiny differ in their GPU: none for baseline; NVIDIA H100 for lora.",
        "the cells of tiny differ in their driver: 570.1 for lora seed 0; 580.2 for lora seed 1.",
    ]


def test_a_failed_cell_disagrees_with_nothing(write_cell, runs):
    write_cell("baseline")
    write_cell("lora", test_fingerprint="9" * 64, **OOM)
    assert (group_of(runs).refusals, group_of(runs).warnings) == ([], [])
