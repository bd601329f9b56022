import pytest

from bench.report.wording import file_stem, inert, listed, printable, reason


def test_the_nearest_reason_counts_and_reads_as_words():
    missing = {
        "power": "no_nvml",
        "scores.bertscore_f1": "encoder_not_available",
        "training.best_step": "not_asked_for",
    }
    assert reason(missing, "power.peak_sampled_power_w") == "no NVML device on this machine"
    assert reason(missing, "scores.bertscore_f1") == "the metric's encoder model is not available"
    assert reason(missing, "training.best_step") == "not asked for"
    assert reason(missing, "scores.bleu") == "not in this cell's record"
    assert reason(missing, "powers") == "not in this cell's record"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("read_failed: NVMLError_Unknown: Unknown Error", "reading it failed: NVMLError_Unknown: Unknown Error"),
        (
            "device_order_unknown: set CUDA_DEVICE_ORDER=PCI_BUS_ID",
            "it is not known which GPU the cell used: set CUDA_DEVICE_ORDER=PCI_BUS_ID",
        ),
        ("hung", "its source of telemetry stopped responding"),
        ("failed: ValueError: a\u202eb", "its source of telemetry failed: ValueError: a\\u202eb"),
        ("some_new_code", "some new code"),
        ("some_new_code: with_its: own_words", "some new code: with_its: own_words"),
    ],
)
def test_the_words_of_a_fault_follow_the_reason_as_they_are(code, words):
    assert reason({"power": code}, "power.energy_j") == words


def test_text_is_made_one_visible_bounded_line():
    assert printable("a\r\n\tb  c") == "a b c"
    assert printable("abc\u202egnp.exe\x1b[31m\ud800") == "abc\\u202egnp.exe\\u001b[31m\\ud800"
    assert printable("Überraschung 中文") == "Überraschung 中文"
    assert printable("x" * 301) == "x" * 299 + "…"


def test_text_is_made_visible_in_full_and_keeps_its_lines():
    assert inert("a  b\r\nc\td\re") == "a  b\nc\\u0009d\\u000de"
    assert inert("abc\u202egnp\x1b[31m\ud800\u2028\u2066") == "abc\\u202egnp\\u001b[31m\\ud800\\u2028\\u2066"
    assert inert("\u00dcber\u00a0\u4e2d\u6587 \u05db\u05df") == "\u00dcber\u00a0\u4e2d\u6587 \u05db\u05df"
    assert inert("x" * 1000) == "x" * 1000


def test_file_stems_are_safe_and_distinct():
    assert file_stem("model", "llama3.2_1b") == "model-llama3.2_1b"
    assert file_stem("model", "../../etc/passwd") == "model-..-..-etc-passwd-22732241"
    assert file_stem("model", "Qwen3-0.6B") == "model-Qwen3-0.6B"
    assert file_stem("a-b", "c") != file_stem("a", "b-c") == "a-b-c"


def test_lists():
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
