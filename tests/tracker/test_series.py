import pytest

from bench.protocol import Evaluated, PhaseStarted, Step
from bench.record_sections import Evaluation
from bench.telemetry.reading import Reading
from bench.tracker.series import Point, Thinned, point_of

STEP = Step(
    at_s=104.0, step=3, n_steps=9, epoch=0.5, loss=3.5, learning_rate=1e-4, grad_norm=1.5, seconds=0.5, tokens=600
)


def test_a_step_is_a_point_of_every_curve_of_training() -> None:
    assert point_of(STEP) == Point(
        3,
        {
            "train/loss": 3.5,
            "train/learning_rate": 1e-4,
            "train/grad_norm": 1.5,
            "train/epoch": 0.5,
            "train/step_time_s": 0.5,
            "train/tokens_per_s": 1200.0,
        },
    )


def test_what_is_not_finite_is_left_out() -> None:
    point = point_of(STEP.model_copy(update={"loss": None, "grad_norm": None}))
    assert point == Point(
        3,
        {
            "train/learning_rate": 1e-4,
            "train/epoch": 0.5,
            "train/step_time_s": 0.5,
            "train/tokens_per_s": 1200.0,
        },
    )
    assert point_of(Evaluated(at_s=1.0, evaluation=Evaluation(step=4, epoch=1.0, loss=None))) is None


def test_an_evaluation_is_a_point_at_its_step() -> None:
    event = Evaluated(at_s=1.0, evaluation=Evaluation(step=4, epoch=1.0, loss=2.25))
    assert point_of(event) == Point(4, {"evaluation/loss": 2.25})


def test_other_events_are_no_points() -> None:
    assert point_of(PhaseStarted(phase="train", at_s=1.0)) is None


def test_a_second_has_its_mean_and_its_peak(readings: list[Reading]) -> None:
    thinned = Thinned()
    points = [point for reading in readings if (point := thinned.add(reading)) is not None]
    first_s = [
        Point(
            0,
            {
                "telemetry/gpu0/power_w_mean": pytest.approx(160.0),
                "telemetry/gpu0/power_w_max": 700.0,
                "telemetry/gpu0/energy_j": 5_009.0,
            },
        ),
        Point(
            0,
            {
                "telemetry/host/rss_bytes_mean": pytest.approx(1_004.5),
                "telemetry/host/rss_bytes_max": 1_009,
                "telemetry/host/cpu_s": 1.8,
            },
        ),
    ]
    assert points == first_s
    assert thinned.rest() == [
        Point(
            1,
            {
                "telemetry/gpu0/power_w_mean": 100.0,
                "telemetry/gpu0/power_w_max": 100.0,
                "telemetry/gpu0/energy_j": 5_019.0,
            },
        ),
        Point(
            1,
            {
                "telemetry/host/rss_bytes_mean": pytest.approx(1_014.5),
                "telemetry/host/rss_bytes_max": 1_019,
                "telemetry/host/cpu_s": 3.8,
            },
        ),
    ]
    assert thinned.rest() == []


def test_time_before_the_start_has_seconds_of_its_own() -> None:
    thinned = Thinned()
    points = [
        thinned.add(Reading("host", t_s, 0.0, values={"rss_bytes": used}))
        for t_s, used in ((-1.5, 60.0), (-1.2, 62.0), (-0.5, 70.0), (0.5, 100.0))
    ]
    assert points == [
        None,
        None,
        Point(-2, {"telemetry/host/rss_bytes_mean": 61.0, "telemetry/host/rss_bytes_max": 62.0}),
        Point(-1, {"telemetry/host/rss_bytes_mean": 70.0, "telemetry/host/rss_bytes_max": 70.0}),
    ]


def test_gpus_are_numbered_as_the_cell_sees_them() -> None:
    thinned = Thinned()
    thinned.add(Reading("gpu", 0.0, facts={"devices": {"GPU-z": {}, "GPU-a": {}}}))
    thinned.add(Reading("gpu", 0.1, 0.0, values={"devices": {"GPU-a": {"power_w": 1.0}}}))
    thinned.add(Reading("gpu", 0.2, 0.0, values={"devices": {"GPU-z": {"power_w": 2.0}}}))
    assert thinned.devices == {"GPU-z": "gpu0", "GPU-a": "gpu1"}
    assert thinned.rest() == [
        Point(
            0,
            {
                "telemetry/gpu1/power_w_mean": 1.0,
                "telemetry/gpu1/power_w_max": 1.0,
                "telemetry/gpu0/power_w_mean": 2.0,
                "telemetry/gpu0/power_w_max": 2.0,
            },
        )
    ]


def test_a_second_without_values_is_no_point() -> None:
    thinned = Thinned()
    assert thinned.add(Reading("gpu", 0.0, reasons={"": "no_nvml"})) is None
    assert thinned.add(Reading("gpu", 5.0, facts={"closed": {"status": "no_nvml"}})) is None
    assert thinned.rest() == []
