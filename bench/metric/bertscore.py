"""BERTScore: how well the tokens of an answer and of its reference match in an encoder's space."""

import csv
import hashlib
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import PositiveInt

from bench.hub import hub_answers
from bench.metric import Answer, Language, Metric, Scores
from bench.metric.words import stated
from bench.record import ScoreInfo

if TYPE_CHECKING:
    from torch import Tensor

_INFO = {"bertscore_f1": ScoreInfo(title="BERTScore", lowest=None, highest=None, better="higher", pooling="mean")}
"""Without bounds: rescaling takes it out of the cosine's range."""
_DEFAULT_MODEL = {"en": "roberta-large", "zh": "bert-base-chinese"}
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_LONGEST_TEXT_TOKENS = 512
"""Of encoders whose tokenizer and configuration both set no limit."""


class _Missing(Exception):
    """Why there is no score: a reason for `Scores.missing`, and a sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class _Encoder(NamedTuple):
    model: Any
    tokenizer: Any
    settings: str


class BertScore(Metric):
    """`bertscore_f1`: BERTScore F1 (Zhang et al. 2020), the best over the references, averaged over answers.

    The numbers are bert-score's, without idf weights; the encoder runs in float32, on the GPU if there is one. An empty
    answer has a raw score of 0 and is rescaled like any other; where the right answer is to abstain, an empty answer
    has 1, which bert-score leaves open, and any other a raw score of 0.

    Null, with a sentence in `settings`, where the encoder is neither a folder, nor in the hub's cache, nor to be had
    from the hub, or is not whole (`encoder_not_available`); where it is not an encoder that pads
    (`encoder_not_supported`); where the layer is unknown (`layer_not_set`) or there is none of that number
    (`layer_out_of_range`); and where bert-score has no baseline to rescale with (`no_baseline`).
    """

    model: str | None
    """A hub name or a local folder; null for what bert-score takes: roberta-large (en), bert-base-chinese (zh)."""
    num_layers: PositiveInt | None
    """Which layer's output to compare; null for the one that bert-score has tuned for a model of this name."""
    rescale_with_baseline: bool
    """Whether 0 is what unrelated texts score, instead of a cosine of 0. Scores can then be negative."""
    batch_size: PositiveInt
    """Texts that the encoder reads at once."""

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        source = self.model or _DEFAULT_MODEL[language]
        try:
            folder = _encoder_folder(source)
            name = folder.name if Path(source).expanduser().is_dir() else source
            layer = self.num_layers or _tuned_layer(name)
            baseline = _baseline_f1(name, layer, language) if self.rescale_with_baseline else 0.0
            encoder = self._load(folder, name, layer)
        except _Missing as missing:
            return Scores(
                values={"bertscore_f1": None},
                missing={"bertscore_f1": missing.reason},
                info=_INFO,
                settings={"bertscore_f1": str(missing)},
            )
        raw = _raw_f1(encoder, answers, self.batch_size)
        examples = tuple((score - baseline) / (1 - baseline) for score in raw)
        return Scores(
            values={"bertscore_f1": fmean(examples)},
            examples={"bertscore_f1": examples},
            info=_INFO,
            settings={"bertscore_f1": encoder.settings},
        )

    def _load(self, folder: Path, name: str, layer: int) -> _Encoder:
        """The encoder's first `layer` blocks, and the string that pins what they compute."""
        import torch
        from bert_score.utils import get_hash
        from safetensors import SafetensorError
        from transformers import AutoConfig, AutoModel, AutoTokenizer
        from transformers.utils.logging import get_verbosity, set_verbosity

        verbosity = get_verbosity()
        # transformers would list every weight of the blocks that are left out; what lacks is looked at below.
        set_verbosity(logging.ERROR)
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            if config.is_encoder_decoder or tokenizer.pad_token_id is None:
                raise _Missing("encoder_not_supported", f"{name} is not an encoder with a padding token")
            if layer > config.num_hidden_layers:
                raise _Missing(
                    "layer_out_of_range",
                    f"metric.bertscore.num_layers: {name} has {config.num_hidden_layers} layers, got {layer}",
                )
            config.num_hidden_layers = layer
            model, loading = AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (ImportError, OSError, RuntimeError, SafetensorError, ValueError) as error:
            raise _Missing("encoder_not_available", f"{name} cannot be loaded ({_first_line(error)})") from error
        finally:
            set_verbosity(verbosity)
        lacking = sorted(key for key in loading["missing_keys"] if not key.startswith("pooler."))
        if lacking:
            raise _Missing("encoder_not_available", f"{name} lacks {len(lacking)} weights, such as {lacking[0]}")

        positions = getattr(config, "max_position_embeddings", -1)
        if positions < 0:  # XLNet's way to say that they have no end.
            positions = _LONGEST_TEXT_TOKENS
        if tokenizer.model_max_length > positions:
            # No limit is 10^30 in transformers, which its tokenizers then do not take. RoBERTa counts positions from
            # behind the padding's id.
            tokenizer.model_max_length = positions - tokenizer.pad_token_id - 1
        return _Encoder(
            model=model.eval().to("cuda" if torch.cuda.is_available() else "cpu"),
            tokenizer=tokenizer,
            settings=f"{get_hash(name, layer, False, self.rescale_with_baseline, False, False)}"
            f"|weights:sha256:{_weights_digest(folder)}",
        )


def _encoder_folder(source: str) -> Path:
    """A folder with the encoder's files: `source` itself, its copy in the hub's cache, or one fetched from the hub."""
    from huggingface_hub import snapshot_download

    local = Path(source).expanduser()
    if local.is_dir():
        return local.resolve()
    try:
        cached = Path(snapshot_download(source, allow_patterns=_FILES, local_files_only=True))
        # What needed less of the repository may have left only a part of it in the cache.
        if any(cached.glob("*.safetensors")):
            return cached
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise _Missing("encoder_not_available", f"{source} is neither a folder nor a name on the hub") from error
    if not hub_answers():
        raise _Missing("encoder_not_available", f"{source} is not on this machine and the hub cannot be reached")
    try:
        return Path(snapshot_download(source, allow_patterns=_FILES))
    except Exception as error:  # The HTTP library, and so the type of its errors, depends on the hub client's version.
        raise _Missing("encoder_not_available", f"{source} cannot be fetched ({_first_line(error)})") from error


def _tuned_layer(name: str) -> int:
    from bert_score.utils import model2layers

    if name not in model2layers:
        raise _Missing(
            "layer_not_set", f"metric.bertscore.num_layers must be set, bert-score knows no layer for {name}"
        )
    return int(model2layers[name])


def _baseline_f1(name: str, layer: int, language: Language) -> float:
    """The raw F1 of unrelated texts, as bert-score has measured it for this encoder, layer and language."""
    import bert_score

    path = Path(bert_score.__file__).parent / "rescale_baseline" / language / f"{name}.tsv"
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if int(row["LAYER"]) == layer:
                    return float(row["F"])
    raise _Missing("no_baseline", f"bert-score has no baseline for layer {layer} of {name} and language {language}")


def _weights_digest(folder: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over all weight files."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _raw_f1(encoder: _Encoder, answers: Sequence[Answer], batch_size: int) -> list[float]:
    """Per answer, the best F1 over its references. Blank texts do not reach bert-score, which fails on them."""
    references = [stated(answer.references) if answer.prediction.strip() else [] for answer in answers]
    texts = {answer.prediction for answer, accepted in zip(answers, references, strict=True) if accepted}
    encoded = _encode(encoder, texts.union(*references), batch_size)
    return [
        max(_f1(encoded[answer.prediction], encoded[reference]) for reference in accepted)
        if accepted
        else float(not answer.prediction.strip() and not stated(answer.references))
        for answer, accepted in zip(answers, references, strict=True)
    ]


def _encode(encoder: _Encoder, texts: Collection[str], batch_size: int) -> "dict[str, tuple[Tensor, Tensor]]":
    """Per text, its tokens' vectors (tokens x width) and weights (tokens), which are 0 for the marks of start and end.

    bert-score's own loop takes texts of a length in the order of a set, which changes from run to run, and the last
    digits of the scores with it.
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
    """F1 of one pair (Zhang et al. 2020, section 3), without padding, so that it does not depend on the other pairs."""
    import torch
    from bert_score.utils import greedy_cos_idf

    sides: list[Tensor] = []
    for vectors, weights in (reference, prediction):
        # Copies, because bert-score normalises in place.
        sides += (vectors[None].clone(), torch.ones(1, len(weights)), weights[None].clone())
    return float(greedy_cos_idf(*sides)[2])


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
