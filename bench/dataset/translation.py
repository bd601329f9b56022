"""Translations by a local checkpoint, each made once: they are kept on disk, by the checkpoint's content and the text.

They are in `~/.cache/tunebench/translations`, or `$TUNEBENCH_CACHE/translations` if set: a file of JSON
Lines for each checkpoint, with a `text` and its `translation` in each line.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bench.content import digests
from bench.errors import InputError, first_line
from bench.hub import CHECKPOINT_FILES, local_folder

BATCH = 16
"""Pieces that are translated at once."""
LOG_EVERY = 10
"""Batches between two lines that say how far it is."""
LONGEST_PIECE = 200
"""In characters. Translation models are trained on sentences, and read a few hundred tokens."""
LONGEST_TRANSLATION = 400
"""In tokens, of one piece."""
STUCK_S = 1800.0
"""Another process that has added no translation for so long will not add any more."""
FILES = (*CHECKPOINT_FILES, "*.spm")
"""The files of a translation checkpoint that are read."""


def checkpoint_digests(path: str) -> list[list[str]]:
    """The name and the content's digest of each file of a translation checkpoint.

    Raises:
        InputError: there is no such folder, or it is no checkpoint with safetensors weights.
    """
    folder = local_folder(path)
    if folder is None or not (folder / "config.json").exists() or not any(folder.glob("*.safetensors")):
        raise InputError(
            f"dataset.translate: {path} must be the folder of a translation model, with its config.json, tokenizer and "
            "safetensors weights; download one with `hf download`, or use null to stay in Chinese"
        )
    return digests(folder, FILES)


def translations(texts: Iterable[str], checkpoint: str) -> dict[str, str]:
    """The translation of each of the texts by the checkpoint in a local folder, made greedily, sentence by sentence.

    Raises:
        InputError: the folder is no translation checkpoint that can be loaded, another process hangs that translates
            with it, or the translations cannot be kept.
    """
    file = (
        cache_folder() / f"{hashlib.sha256(json.dumps(checkpoint_digests(checkpoint)).encode()).hexdigest()[:16]}.jsonl"
    )
    pieces = {text: _pieces(text) for text in dict.fromkeys(texts)}
    wanted = dict.fromkeys(piece for own in pieces.values() for piece in own)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _locked(file, checkpoint):
            known = _read(file)
            missing = [piece for piece in wanted if piece not in known]
            if missing:
                known |= _made(missing, checkpoint, file)
    except OSError as error:
        raise InputError(
            f"dataset.translate: translations cannot be kept in {file.parent} ({error.strerror}); make room there, or "
            "name another folder in the environment variable TUNEBENCH_CACHE"
        ) from error
    # What the checkpoint translates to nothing stays as it is: an empty answer would mean to abstain
    return {text: " ".join(known[piece] or piece for piece in own) for text, own in pieces.items()}


def cache_folder() -> Path:
    """Where translations are kept."""
    return Path(os.path.expanduser(os.environ.get("TUNEBENCH_CACHE") or "~/.cache/tunebench"), "translations")


@contextmanager
def _locked(file: Path, checkpoint: str) -> Iterator[None]:
    """Lock the file against other processes. One that waits here then finds the translations of the first."""
    lock = FileLock(f"{file}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        print(f"waiting for another process that translates ({checkpoint})", file=sys.stderr, flush=True)
        _wait(lock, file)
    try:
        yield
    finally:
        lock.release()


def _wait(lock: FileLock, file: Path) -> None:
    """Acquire the lock, as long as the process that has it goes on translating."""
    while not lock.is_locked:
        size = _size(file)
        try:
            lock.acquire(timeout=STUCK_S)
        except Timeout as error:
            if _size(file) == size:
                raise InputError(
                    f"dataset.translate: another process has {lock.lock_file} and has translated nothing for "
                    f"{STUCK_S / 60:.0f} minutes; end it, or remove that file if there is none, and run again"
                ) from error


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _pieces(text: str) -> list[str]:
    """The sentences of a text; one that is too long for a piece is divided at commas, or anywhere without these."""
    sentences = re.split(r"(?<=[。！？；])(?![”’」』）])|\n", text)
    return [piece for sentence in map(str.strip, sentences) if sentence for piece in _short(sentence)]


def _short(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST_PIECE:
        at = sentence.rfind("，", 0, LONGEST_PIECE) + 1 or LONGEST_PIECE
        yield sentence[:at]
        sentence = sentence[at:]
    if sentence:
        yield sentence


def _read(file: Path) -> dict[str, str]:
    """The translations in a file. A line that is cut off is skipped: the process that wrote it was stopped."""
    known = {}
    for line in file.read_text(encoding="utf-8").split("\n") if file.exists() else ():
        try:
            entry = json.loads(line)
            known[entry["text"]] = entry["translation"]
        except (ValueError, KeyError, TypeError):
            continue
    return known


def _made(pieces: Sequence[str], checkpoint: str, file: Path) -> dict[str, str]:
    """The translations of pieces, which are added to the file as they are made."""
    made: dict[str, str] = {}
    # Similar lengths together need the least padding
    pieces = sorted(pieces, key=len)
    with file.open("a", encoding="utf-8") as cache:
        cache.write("\n")
        for batch in _batches(pieces, checkpoint):
            made |= batch
            entries = [{"text": text, "translation": translation} for text, translation in batch.items()]
            cache.write("".join(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in entries))
            cache.flush()
            if len(made) % (BATCH * LOG_EVERY) == 0 or len(made) == len(pieces):
                print(f"translated {len(made)} of {len(pieces)} sentences ({checkpoint})", file=sys.stderr, flush=True)
    return made


def _batches(pieces: Sequence[str], checkpoint: str) -> Iterator[dict[str, str]]:
    """Batches of pieces with their translations, on the GPU if there is one."""
    try:
        import torch
    except ImportError as error:  # `tunebench data` does without it, and shows translations that are there.
        raise InputError(
            f"dataset.translate: {len(pieces)} sentences are not translated yet; the first cell with this data "
            "translates them, or see the Chinese with dataset.translate=null"
        ) from error
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = str(local_folder(checkpoint))
    # Loading may draw random numbers, and whether it happens here depends on the cache
    with torch.random.fork_rng():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForSeq2SeqLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        except (ImportError, OSError, ValueError) as error:
            raise InputError(f"dataset.translate: {checkpoint} cannot be loaded ({first_line(error)})") from error
    model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    for start in range(0, len(pieces), BATCH):
        batch = pieces[start : start + BATCH]
        inputs = tokenizer(batch, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST_TRANSLATION)
        with torch.inference_mode():
            outputs = model.generate(
                **inputs.to(model.device), do_sample=False, num_beams=1, max_new_tokens=LONGEST_TRANSLATION
            )
        made = tokenizer.batch_decode(outputs, skip_special_tokens=True)
        yield dict(zip(batch, map(str.strip, made), strict=True))
