"""Checkpoints of the model hub: their copy on this machine, and whether the hub answers."""

import json
import mmap
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from bench.errors import InputError, first_line

WEIGHTS = "*.safetensors"
CHECKPOINT_FILES = ("*.json", WEIGHTS, "*.model", "*.txt", "*.jinja")
"""The files of a checkpoint that are read: no pickled weights, and no code."""

ASK_AGAIN_AFTER_S = 600.0
_NAME = re.compile(r"(?=.{1,96}$)[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")

_last_answer = memoryview(mmap.mmap(-1, 16)).cast("d")
"""When the hub was last asked (monotonic clock, 0 for never) and whether it answered. Forked processes share this
memory: the cells of a sweep, all forked from one server, wait only once for a hub that is silent."""


def local_folder(path: str) -> Path | None:
    """The folder that `path` names on this machine, or None if there is none."""
    folder = os.path.expanduser(path)
    # Unlike Path.is_dir, this takes a name of any length.
    return Path(folder) if os.path.isdir(folder) else None


def folder_or_hub_name(path: str) -> Path | None:
    """The folder that `path` names, or None if it is a name on the hub, such as `owner/model`.

    Raises:
        InputError: there is no such folder, and it cannot be a name on the hub.
    """
    folder = local_folder(path)
    if folder is None and not is_hub_name(path):
        raise _no_folder(path)
    return folder


def is_hub_name(path: str) -> bool:
    """Whether `path` can be a name on the hub, such as `owner/model`."""
    return _NAME.fullmatch(path) is not None


def snapshot(name: str, revision: str | None, patterns: Sequence[str], otherwise: str) -> Path:
    """A folder with the files of the hub's model `name` that match `patterns`, downloaded if need be.

    A commit is taken from the hub's cache if it is complete there, without asking the hub. For anything else the hub is
    asked for its newest version; if it does not answer, the newest in the cache is taken. `otherwise` ends the error's
    sentence: what the user can do instead of downloading.

    Raises:
        InputError: this is no name on the hub, the model is gated or missing, or the hub cannot be reached.
    """
    if not is_hub_name(name):
        raise _no_folder(name)
    if revision and _COMMIT.fullmatch(revision) and (folder := cached_snapshot(name, revision, patterns)):
        return folder
    from huggingface_hub import errors, snapshot_download

    try:
        # The library itself waits for most of a minute for a hub that does not answer.
        offline = not hub_answers()
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns), local_files_only=offline))
    except errors.HFValidationError as error:
        raise _no_folder(name) from error
    except errors.GatedRepoError as error:
        raise InputError(
            f"{name} is gated, and no token with access was found. Accept its licence on its hub page and run "
            f"`hf auth login`, {otherwise}"
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise InputError(
            f"The hub has no model {name}{at}, or you have no access to it. Check the name, {otherwise}"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise InputError(
            f"{name} is not on this machine, and the hub cannot be reached. Check the network, {otherwise}"
        ) from error
    except Exception as error:  # The HTTP library, and so the type of its errors, depends on the hub client's version.
        raise InputError(
            f"{name} cannot be downloaded from the hub ({first_line(error)}). Check the network, {otherwise}"
        ) from error


def cached_snapshot(name: str, revision: str | None, patterns: Sequence[str]) -> Path | None:
    """The folder of `name` in the hub's cache, or None if it is not there with all of its weights and its code."""
    from huggingface_hub import errors, snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns), local_files_only=True))
    except (errors.LocalEntryNotFoundError, errors.HFValidationError):
        return None
    return folder if _is_complete(folder, patterns) else None


def hub_answers(timeout_s: float = 5.0) -> bool:
    """Whether the hub (`HF_ENDPOINT`) answers a request in time; False in its offline mode (`HF_HUB_OFFLINE=1`).

    To be asked before a download, since libraries repeat each failing request for up to minutes. An answer holds for
    ten minutes, in this process and in all that share `_last_answer`.
    """
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    asked_at_s, answered = _last_answer
    if not asked_at_s or time.monotonic() - asked_at_s > ASK_AGAIN_AFTER_S:
        try:
            get_session().head(constants.ENDPOINT, timeout=timeout_s)
            answered = True
        except Exception:  # The type of the error depends on the hub client's version.
            answered = False
        _last_answer[0], _last_answer[1] = time.monotonic(), answered
    return bool(answered)


def _is_complete(folder: Path, patterns: Sequence[str]) -> bool:
    """Whether a download of the files that match `patterns` was whole, and not interrupted or one without code."""
    index = folder / "model.safetensors.index.json"
    sharded = WEIGHTS in patterns and index.exists()
    shards = set(json.loads(index.read_bytes())["weight_map"].values()) if sharded else set()
    has_all_kinds = all(any(folder.glob(kind)) for kind in ("*.json", WEIGHTS, "*.py") if kind in patterns)
    return has_all_kinds and all((folder / shard).exists() for shard in shards)


def _no_folder(path: str) -> InputError:
    return InputError(f"There is no folder {path}. Give one with a config.json and safetensors weights, or a hub name.")
