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
    for version, step in ((1, _from_version_1), (2, _from_version_2)):
        if content.get("schema_version") == version:
            content = step(content)
    return content


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


def _from_version_2(content: dict[str, Any]) -> dict[str, Any]:
    """Version 3 has three splits. Until then, one served to choose and to report."""
    data, missing = content.get("data"), dict(content.get("missing") or {})
    if isinstance(data, dict):
        named = {old: data[old] for old in data if "validation" in old}
        data = {key: value for key, value in data.items() if key not in named}
        data |= {old.replace("validation", "test"): value for old, value in named.items()}
        left_out = [_renamed(step) for step in data.get("left_out") or ()]
        nothing = {"n_read": 0, "n_dropped": 0, "n_truncated": 0}
        data |= {"scored_on": "validation", "n_tune": 0, "n_clusters_tune": 0, "tune": nothing, "left_out": left_out}
        data["tune_fingerprint"] = None
        missing["data.tune_fingerprint"] = "no_tune_split"
    return content | {"schema_version": 3, "data": data, "missing": missing}


def _renamed(step: Any) -> Any:
    names = {"training": "train", "validation": "test"}
    return step | {"split": names.get(str(step.get("split")))} if isinstance(step, dict) else step


def _described(name: str) -> dict[str, Any]:
    unknown = {"title": name, "lowest": None, "highest": None, "better": None, "pooling": None}
    # A second metric of the same kind had its name in front: `bleu2.bleu`.
    return SCORES_OF_VERSION_1.get(name.rpartition(".")[2], unknown)
