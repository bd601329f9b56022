"""What a cell that trains reports, from its first event to its last."""

from bench.phase import PhaseName
from bench.protocol import (
    Answering,
    AnyEvent,
    DataPrepared,
    Evaluated,
    Finished,
    LatencyMeasured,
    Missing,
    ModelLoaded,
    PhaseEnded,
    PhaseStarted,
    Saved,
    Scored,
    Step,
    Trained,
)
from bench.record_history import SCORES_OF_VERSION_1
from bench.record_sections import (
    Base,
    Data,
    Evaluation,
    Latency,
    LatencyAtBatch,
    Overlap,
    Parameters,
    ScoreInfo,
    SplitCounts,
    Training,
)

EVALUATION = Evaluation(step=2, epoch=1.0, loss=2.25)
LATENCY = LatencyAtBatch(
    batch=1,
    n_runs=5,
    n_output_tokens=16,
    time_to_first_token_s_p50=0.1,
    time_to_first_token_s_p95=0.2,
    time_per_output_token_s_p50=0.01,
    time_per_output_token_s_p95=0.02,
    tokens_per_s_p50=64.0,
    tokens_per_s_p95=60.0,
)


def ended(phase: PhaseName, at_s: float, allocated: int | None = None, reserved: int | None = None) -> PhaseEnded:
    return PhaseEnded(phase=phase, at_s=at_s, torch_allocated_peak_bytes=allocated, torch_reserved_peak_bytes=reserved)


CELL_EVENTS: tuple[AnyEvent, ...] = (
    PhaseStarted(phase="load", at_s=100.5),
    ModelLoaded(
        base=Base(weights="pretrained", revision=None, precision="float32", device="cpu", context_length=256),
        parameters=Parameters(trainable=1_024, total=100_000, trainable_percent=1.024, saved_bytes=None),
    ),
    ended("load", 102.0),
    PhaseStarted(phase="prepare", at_s=102.0),
    DataPrepared(
        data=Data(
            n_train=39,
            scored_on="test",
            n_tune=5,
            n_test=8,
            n_dropped=1,
            n_truncated=2,
            n_references_too_long=0,
            n_clusters_tune=2,
            n_clusters_test=3,
            train=SplitCounts(n_read=40, n_dropped=1, n_truncated=2),
            tune=SplitCounts(n_read=5, n_dropped=0, n_truncated=0),
            test=SplitCounts(n_read=8, n_dropped=0, n_truncated=0),
            train_fingerprint=64 * "a",
            tune_fingerprint=64 * "c",
            test_fingerprint=64 * "b",
            overlap=Overlap(method="documents and texts", n_shared_clusters=0, n_shared_texts=0),
        )
    ),
    ended("prepare", 103.0),
    PhaseStarted(phase="train", at_s=103.0),
    Step(
        at_s=104.0,
        step=1,
        n_steps=2,
        epoch=0.5,
        loss=3.5,
        learning_rate=1e-4,
        grad_norm=1.5,
        seconds=0.5,
        tokens=600,
    ),
    ended("train", 111.0, 2_000, 8_000),
    PhaseStarted(phase="validate", at_s=111.0),
    ended("validate", 114.0, 1_000, 6_000),
    PhaseStarted(phase="train", at_s=114.0),
    Evaluated(at_s=114.0, evaluation=EVALUATION),
    ended("train", 123.0, 3_000, 7_000),
    Trained(
        training=Training(
            steps=2,
            epochs=1.0,
            tokens=1_200,
            completion_tokens=90,
            first_loss=3.5,
            last_loss=2.5,
            step_time_s_p50=None,
            step_time_s_p95=None,
            n_steps_timed=0,
            tokens_per_s=None,
            micro_batch=16,
            effective_batch=16,
            micro_batches_tried=(16,),
            resumed_from_step=0,
            stopped_early=False,
            best_step=None,
            evaluations=(EVALUATION,),
        )
    ),
    Missing(
        reasons={
            "training.best_step": "last_weights_kept",
            "training.step_time_s_p50": "too_few_steps",
            "training.step_time_s_p95": "too_few_steps",
            "training.tokens_per_s": "too_few_steps",
        }
    ),
    PhaseStarted(phase="generate", at_s=123.0),
    Answering(answered=8, n_examples=8),
    ended("generate", 125.0),
    PhaseStarted(phase="score", at_s=125.0),
    Scored(
        scores={"token_f1": 0.625, "bertscore_f1": None},
        score_settings={"bleu": "signature"},
        score_info={name: ScoreInfo(**SCORES_OF_VERSION_1[name]) for name in ("token_f1", "bertscore_f1")},
    ),
    Missing(reasons={"scores.bertscore_f1": "encoder_not_available"}),
    ended("score", 126.0),
    PhaseStarted(phase="latency", at_s=126.0),
    LatencyMeasured(latency=Latency(single=LATENCY, batched=LATENCY.model_copy(update={"batch": 32}))),
    ended("latency", 127.0),
    PhaseStarted(phase="save", at_s=127.0),
    Saved(bytes=4_096),
    ended("save", 127.5),
    Finished(),
)
"""On a clock that showed 100 s when the cell started."""
