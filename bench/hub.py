"""Checkpoints of the model hub: their copy on this machine, and whether the hub can be asked for what is missing."""

import json
import mmap
import os
import re
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from bench.errors import InputError, first_line

CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What is read of a checkpoint: no pickled weights, and no code."""

ASK_AGAIN_AFTER_S = 600.0
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ANSWER = struct.Struct("d?")

_last_answer = mmap.mmap(-1, _ANSWER.size)
"""When the hub was last asked (monotonic clock, 0 for never) and whether it answered. Forked processes share this
memory, so the cells of a sweep, all forked from one server, wait for a silent hub once and not once each."""


def local_folder(path: str) -> Path | None:
    """The folder that `path` names on this machine, or None if there is none."""
    folder = os.path.expanduser(path)
    # Unlike Path.is_dir, this takes a name of any length.
    return Path(folder) if os.path.isdir(folder) else None


def require_name(path: str) -> None:
    """Check that `path`, which names no folder, can be a repository's name on the hub, such as `owner/model`.

    Raises:
        InputError: it cannot, so it was meant as a folder.
    """
    if not _NAME.fullmatch(path):
        raise _no_folder(path)


def snapshot(name: str, revision: str | None, patterns: Sequence[str], otherwise: str) -> Path:
    """A folder with the files of the hub's model `name` that match `patterns`, downloaded if need be.

    A commit that is complete in the hub's cache is taken from there, and the hub is not asked. Of anything else the
    hub's newest version is taken, or, if the hub does not answer, the newest in the cache. `otherwise` ends the error's
    sentence: what the user can do in place of a download.

    Raises:
        InputError: the name is no folder and no hub name, the model is gated or missing, or the hub cannot be reached.
    """
    require_name(name)
    if revision and _COMMIT.fullmatch(revision) and (folder := cached_snapshot(name, revision, patterns)):
        return folder
    from huggingface_hub import errors, snapshot_download

    try:
        # The library would try a hub that does not answer for the better part of a minute.
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
    """The folder of `name` in the hub's cache, or None if it is not there with all of its weights."""
    from huggingface_hub import errors, snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns), local_files_only=True))
    except (errors.LocalEntryNotFoundError, errors.HFValidationError):
        return None
    return folder if _is_complete(folder) else None


def hub_answers(timeout_s: float = 5.0) -> bool:
    """Whether the hub (`HF_ENDPOINT`) answers a request in time; False in its offline mode (`HF_HUB_OFFLINE=1`).

    Asked before anything is downloaded, since libraries repeat each failing request for up to minutes. An answer holds
    for ten minutes in this process and in those forked from it or with it.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    asked_at_s, answered = _ANSWER.unpack(_last_answer[:])
    if not asked_at_s or time.monotonic() - asked_at_s > ASK_AGAIN_AFTER_S:
        answered = _answers_now(timeout_s)
        _last_answer[:] = _ANSWER.pack(time.monotonic(), answered)
    return bool(answered)


def _answers_now(timeout_s: float) -> bool:
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=timeout_s)
    except Exception:  # As above: the type of the error depends on the hub client's version.
        return False
    return True


def _is_complete(folder: Path) -> bool:
    """Whether the folder has all of its weights: a download that was cut short, or of less, leaves a part of them."""
    index = folder / "model.safetensors.index.json"
    shards = set(json.loads(index.read_bytes())["weight_map"].values()) if index.exists() else set()
    return any(folder.glob("*.safetensors")) and all((folder / shard).exists() for shard in shards)


def _no_folder(path: str) -> InputError:
    return InputError(f"There is no folder {path}. Give one with a config.json and safetensors weights, or a hub name.")
