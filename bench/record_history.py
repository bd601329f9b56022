"""What older records say, as later schema versions say it."""

from typing import Any

_FRACTION = {"lowest": 0.0, "highest": 1.0, "better": "higher", "pooling": "mean"}

SCORES_OF_VERSION_1: dict[str, dict[str, Any]] = {
    "token_f1": _FRACTION | {"title": "Token F1"},
    "exact_match": _FRACTION | {"title": "Exact match"},
    "answer_macro_f1": _FRACTION | {"title": "Macro F1", "pooling": "macro_f1"},
    "bleu": _FRACTION | {"title": "BLEU"},
    "corpus_bleu": _FRACTION | {"title": "Corpus BLEU", "pooling": "corpus_bleu"},
    "bertscore_f1": {"title": "BERTScore", "lowest": None, "highest": None, "better": "higher", "pooling": "mean"},
    "rouge1": _FRACTION | {"title": "ROUGE-1"},
    "rouge2": _FRACTION | {"title": "ROUGE-2"},
    "rougeL": _FRACTION | {"title": "ROUGE-L"},
    "perplexity": {"title": "Perplexity", "lowest": 1.0, "highest": None, "better": "lower", "pooling": "exp_ratio"},
}
"""The scores that metrics gave when records did not describe them."""


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """A record's content in the newest schema version. Who raises it adds the step from the one before."""
    return _from_version_1(content) if content.get("schema_version") == 1 else content


def _from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """Version 2 describes every score and counts references that are longer than an answer can be."""
    scores, data, missing = content.get("scores"), content.get("data"), dict(content.get("missing") or {})
    if isinstance(data, dict):
        data = data | {"n_references_too_long": None}
        missing["data.n_references_too_long"] = "not_in_record"
    if isinstance(scores, dict):
        info: dict[str, Any] | None = {name: _described(name) for name in scores}
    else:
        info, missing["score_info"] = None, missing.get("scores", "not_in_record")
    return content | {"schema_version": 2, "data": data, "score_info": info, "missing": missing}


def _described(name: str) -> dict[str, Any]:
    unknown = {"title": name, "lowest": None, "highest": None, "better": None, "pooling": None}
    # A second metric of the same kind had its name in front: `bleu2.bleu`.
    return SCORES_OF_VERSION_1.get(name.rpartition(".")[2], unknown)
