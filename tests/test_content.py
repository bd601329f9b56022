"""Files by content: read anew as soon as they change, and missing ones named in a sentence."""

import hashlib
import os
from pathlib import Path

import pytest

from bench.content import digest, digests
from bench.errors import InputError


def test_a_digest_follows_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("[1]")
    assert digest(file) == digest(str(file)) == hashlib.sha256(b"[1]").hexdigest()
    file.write_text("[2]")
    # The clock of a file system can stand still for some milliseconds.
    os.utime(file, (1, 1))
    assert digest(file) == hashlib.sha256(b"[2]").hexdigest()
    file.write_text("[22]")
    os.utime(file, (1, 1))
    assert digest(file) == hashlib.sha256(b"[22]").hexdigest()


@pytest.mark.parametrize(("name", "cause"), [("nowhere", "No such file or directory"), ("folder", "Is a directory")])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, cause: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as caught:
        digest(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read ({cause}); name an existing file"


def test_a_pipe_is_refused_since_every_cell_reads_its_data_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(InputError) as caught:
        digest(tmp_path / "pipe.jsonl")
    assert str(caught.value) == (
        f"{tmp_path / 'pipe.jsonl'}: is no file on disk, and each cell has to read it again; save it as a file first"
    )


def test_the_home_of_nobody() -> None:
    with pytest.raises(InputError) as caught:
        digest("~nobody-of-that-name/a.csv")
    assert str(caught.value) == (
        "~nobody-of-that-name/a.csv: cannot be read (No such file or directory); name an existing file"
    )


def test_digests_are_of_the_files_that_match_sorted_by_path(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.json", "a.txt", "c.md", "deep/d.json"):
        (tmp_path / name).write_text(name)
    found = digests(tmp_path, ["*.json", "*.txt", "b.*"])
    assert found == [[name, hashlib.sha256(name.encode()).hexdigest()] for name in ("a.txt", "b.json")]
    assert [name for name, _ in digests(tmp_path, ["**/*.json"])] == ["b.json", "deep/d.json"]
