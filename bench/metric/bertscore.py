"""BERTScore: how well the tokens of an answer and of its reference match in an encoder's space."""

import csv
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PositiveInt

from bench.content import digests
from bench.hub import CHECKPOINT_FILES, folder_or_hub_name, local_folder
from bench.metric import Answer, Language, Metric, Scores, means
from bench.metric.encoder import Encoder, NoEncoder, encoder_folder, load_encoder, weights_digest
from bench.metric.words import stated
from bench.record_sections import ScoreInfo

if TYPE_CHECKING:
    from torch import Tensor

_NAME = "bertscore_f1"
_INFO = {_NAME: ScoreInfo(title="BERTScore", lowest=None, highest=None, better="higher", pooling="mean")}
"""Without bounds, because rescaling takes the score out of the cosine's range."""
_DEFAULT_MODEL = {"en": "roberta-large", "zh": "bert-base-chinese"}


class BertScore(Metric):
    """`bertscore_f1`: BERTScore F1 (Zhang et al. 2020), the best over the references, averaged over answers.

    The numbers are bert-score's, without idf weights; the encoder runs in float32, on the GPU if there is one. An empty
    answer has a raw score of 0 and is rescaled like any other. If abstaining is right, which bert-score does not cover,
    an empty answer has a score of 1 and any other a raw score of 0.

    None, with a sentence in `settings`, if the encoder cannot be loaded from a folder, the hub's cache or the hub
    (`encoder_not_available`), is no encoder with a padding token (`encoder_not_supported`), has no tuned layer
    (`layer_not_set`) or too few layers (`layer_out_of_range`), if bert-score has no baseline to rescale with
    (`no_baseline`), or if there is too little GPU memory beside the model (`out_of_memory`).
    """

    model: str | None
    """A hub name or a local folder; None for bert-score's default: roberta-large (en), bert-base-chinese (zh)."""
    num_layers: PositiveInt | None
    """The layer whose output is compared; None for the one that bert-score has tuned for a model of this name."""
    rescale_with_baseline: bool
    """Make 0 the score of unrelated texts instead of a cosine of 0. Scores can then be negative."""
    batch_size: PositiveInt
    """Texts that are encoded together."""

    def identity(self) -> dict[str, Any]:
        """The settings, with a local encoder by its files' content and by its name, which decides on the layer."""
        settings = super().identity()
        if self.model is not None and (folder := folder_or_hub_name(self.model)):
            settings["model"] = [folder.resolve().name, digests(folder, CHECKPOINT_FILES)]
        return settings

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        from bert_score.utils import get_hash
        from torch import OutOfMemoryError

        source = self.model or _DEFAULT_MODEL[language]
        try:
            folder = encoder_folder(source)
            name = folder.name if local_folder(source) else source
            layer = self.num_layers or _tuned_layer(name)
            baseline = _baseline_f1(name, layer, language) if self.rescale_with_baseline else 0.0
            raw = _raw_f1(load_encoder(folder, name, layer), answers, self.batch_size)
        except NoEncoder as error:
            return _no_score(error.reason, str(error))
        except OutOfMemoryError:
            return _no_score(
                "out_of_memory", f"{source} does not fit beside the model; lower metric.bertscore.batch_size"
            )
        examples = tuple((score - baseline) / (1 - baseline) for score in raw)
        pinned = get_hash(name, layer, False, self.rescale_with_baseline, False, False)
        return means(_INFO, {_NAME: examples}, f"{pinned}|weights:sha256:{weights_digest(folder)}")


def _no_score(reason: str, sentence: str) -> Scores:
    return Scores(values={_NAME: None}, missing={_NAME: reason}, info=_INFO, settings={_NAME: sentence})


def _tuned_layer(name: str) -> int:
    from bert_score.utils import model2layers

    if name not in model2layers:
        raise NoEncoder(
            "layer_not_set", f"metric.bertscore.num_layers must be set, bert-score knows no layer for {name}"
        )
    return int(model2layers[name])


def _baseline_f1(name: str, layer: int, language: Language) -> float:
    """bert-score's raw F1 of unrelated texts for this encoder, layer and language."""
    import bert_score

    path = Path(bert_score.__file__).parent / "rescale_baseline" / language / f"{name}.tsv"
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if int(row["LAYER"]) == layer:
                    return float(row["F"])
    raise NoEncoder("no_baseline", f"bert-score has no baseline for layer {layer} of {name} and language {language}")


def _raw_f1(encoder: Encoder, answers: Sequence[Answer], batch_size: int) -> list[float]:
    """The best F1 over the references of each answer. Blank texts are never encoded: bert-score fails on them."""
    references = [stated(answer.references) if answer.prediction.strip() else [] for answer in answers]
    texts = {answer.prediction for answer, accepted in zip(answers, references, strict=True) if accepted}
    encoded = _encode(encoder, texts.union(*references), batch_size)
    return [
        max(_f1(encoded[answer.prediction], encoded[reference]) for reference in accepted)
        if accepted
        else float(not answer.prediction.strip() and not stated(answer.references))
        for answer, accepted in zip(answers, references, strict=True)
    ]


def _encode(encoder: Encoder, texts: Collection[str], batch_size: int) -> "dict[str, tuple[Tensor, Tensor]]":
    """Maps each text to its tokens' vectors (tokens, width) and weights (tokens), 0 for the start and end tokens.

    bert-score's own loop reads texts of equal length in the order of a set, so the last digits of its scores change
    from run to run.
    """
    from bert_score.utils import get_bert_embedding

    weight = defaultdict(lambda: 1.0, {encoder.tokenizer.sep_token_id: 0.0, encoder.tokenizer.cls_token_id: 0.0})
    ordered = sorted(texts, key=lambda text: (len(text), text))
    encoded = {}
    for start in range(0, len(ordered), batch_size):
        batch = ordered[start : start + batch_size]
        vectors, mask, weights = get_bert_embedding(
            batch, encoder.model, encoder.tokenizer, weight, device=encoder.model.device
        )
        for text, vector, kept, own in zip(batch, vectors.cpu(), mask.cpu().bool(), weights, strict=True):
            encoded[text] = (vector[kept], own[kept])
    return encoded


def _f1(prediction: "tuple[Tensor, Tensor]", reference: "tuple[Tensor, Tensor]") -> float:
    """F1 of one pair (Zhang et al. 2020, section 3). Without padding, it does not depend on the other pairs."""
    import torch
    from bert_score.utils import greedy_cos_idf

    sides: list[Tensor] = []
    for vectors, weights in (reference, prediction):
        # Copies, because bert-score normalises in place.
        sides += (vectors[None].clone(), torch.ones(1, len(weights)), weights[None].clone())
    return float(greedy_cos_idf(*sides)[2])
