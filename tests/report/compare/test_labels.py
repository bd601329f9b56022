import pytest

from bench.report.compare.labels import labels
from bench.report.read.cells import StoredCell


@pytest.fixture
def labels_of(make_record):
    """The labels of setups, given the settings of the method of each, and of other parts after `/`."""

    def found(*settings):
        cells = []
        for at, own in enumerate(settings):
            record = make_record("lora", method_settings=own.get("method"))
            cell = record.cell | {
                part: record.cell.get(part, {}) | new for part, new in own.items() if part != "method"
            }
            cells.append(StoredCell(f"demo/{at}", record.model_copy(update={"cell": cell})))
        return [label for label, _ in labels(cells)]

    return found


def test_what_follows_from_a_swept_setting_is_left_out(labels_of):
    settings = [{"method": {"rank": rank, "alpha": 2 * rank, "dropout": 0.1}} for rank in (4, 16)]
    assert labels_of(*settings) == ["lora (rank=4)", "lora (rank=16)"]


def test_settings_that_were_swept_together_are_all_shown(labels_of):
    settings = [{"method": {"rank": rank}, "train": {"epochs": epochs}} for rank in (4, 16) for epochs in (1, 3)]
    assert labels_of(*settings) == [
        "lora (rank=4, epochs=1)",
        "lora (rank=4, epochs=3)",
        "lora (rank=16, epochs=1)",
        "lora (rank=16, epochs=3)",
    ]


def test_two_settings_of_one_name_are_shown_by_their_paths(labels_of):
    settings = [{"method": {"seed": a}, "dataset": {"seed": b}} for a in (0, 1) for b in (0, 1)]
    assert labels_of(*settings)[1] == "lora (method.seed=0, dataset.seed=1)"


def test_choices_of_a_group_are_shown_as_they_are_typed(labels_of):
    assert labels_of(*({"prompt": {"name": name}} for name in ("squad", "alpaca"))) == [
        "lora (prompt=squad)",
        "lora (prompt=alpaca)",
    ]
    assert labels_of({"metric": {}}, {"metric": {"bleu": {"name": "bleu"}}})[1] == "lora (metric=bleu)"


def test_lists_are_shown_without_quotation_marks(labels_of):
    settings = [{"method": {"target_modules": modules}} for modules in (["q_proj", "v_proj"], ["a, b"], "all-linear")]
    assert labels_of(*settings) == [
        "lora (target_modules=[q_proj, v_proj])",
        'lora (target_modules=["a, b"])',
        "lora (target_modules=all-linear)",
    ]


def test_one_setup_needs_no_settings(labels_of):
    assert labels_of({"method": {"rank": 4}}) == ["lora"]
