import csv
import gzip
import hashlib
import json
import re
from pathlib import Path

import pandas
import pytest

from bench.content import digest
from bench.dataset import files
from bench.dataset.files import Record, files_of, place, read_json
from bench.errors import InputError

AFTER_QUOTE = "text after a closing quotation mark; write those inside of a field twice"
KINDS = "name a .json, .jsonl, .csv, .tsv or .txt file (with or without .gz), or a .parquet file"
RECORDS = [{"id": "a", "text": 'one,\n"two"'}, {"id": "b", "text": "äö 漢\u2028字"}]


def write(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def read_records(path: str) -> list[tuple[int, Record]]:
    return list(files.read_records(path))


def message(name: str, content: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read_records(write(name, content))
    return str(caught.value)


def test_all_formats_give_the_same_records() -> None:
    write("a.json", json.dumps(RECORDS))
    write("a.jsonl", "\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS))
    pandas.DataFrame(RECORDS).to_csv("a.csv", index=False)
    pandas.DataFrame(RECORDS).to_parquet("a.parquet")

    assert read_records("a.json") == list(zip((1, 2), RECORDS, strict=True))
    assert read_records("a.jsonl") == list(zip((1, 2), RECORDS, strict=True))
    assert read_records("a.csv") == list(zip((2, 4), RECORDS, strict=True))
    assert read_records("a.parquet") == list(zip((1, 2), RECORDS, strict=True))


def test_numbers_are_lines_of_the_file() -> None:
    assert read_records(write("a.jsonl", '\r\n{"x": 1}\r\n\r\n{"x": 2}\r\n')) == [(2, {"x": 1}), (4, {"x": 2})]
    assert read_records(write("a.csv", '\nx,y\n\n"1\n2",3\n4,5\n')) == [
        (4, {"x": "1\n2", "y": "3"}),
        (6, {"x": "4", "y": "5"}),
    ]


def test_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert read_records(write("a.csv", b"\xef\xbb\xbfx,y\r\n1,2\r\n")) == [(2, {"x": "1", "y": "2"})]


def test_csv_field_may_be_longer_than_the_csv_module_allows() -> None:
    limit = csv.field_size_limit()
    text = "word " * 40_000
    assert read_records(write("a.csv", f"x\n{text}\n")) == [(2, {"x": text})]
    assert csv.field_size_limit() == limit


def test_rows_without_any_text_are_skipped() -> None:
    """Spreadsheets write them after the last row."""
    assert read_records(write("a.csv", "x,y\n1,2\n,\n3,4\n,\n")) == [
        (2, {"x": "1", "y": "2"}),
        (4, {"x": "3", "y": "4"}),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_csv_with_semicolons_or_tabs(delimiter: str) -> None:
    header = delimiter.join(("id", "question", "answer, short"))
    row = delimiter.join(("1", f'"What is 1,5{delimiter} and 2,5?"', "4,0"))
    assert read_records(write("a.csv", f"{header}\n{row}\n")) == [
        (2, {"id": "1", "question": f"What is 1,5{delimiter} and 2,5?", "answer, short": "4,0"})
    ]


def test_tsv_has_tabs_even_where_there_are_more_commas() -> None:
    assert read_records(write("a.tsv", "a,b,c\td\n1,5\t2\n")) == [(2, {"a,b,c": "1,5", "d": "2"})]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.tsv"])
def test_gzip_gives_the_same_records(name: str) -> None:
    content = {"a.json": '[{"x": "1"}]', "a.jsonl": '{"x": "1"}\n', "a.csv": "x,y\n1,2\n", "a.tsv": "x\ty\n1\t2\n"}[
        name
    ]
    assert read_records(write(f"{name}.gz", gzip.compress(content.encode()))) == read_records(write(name, content))


def test_broken_gzip() -> None:
    whole = gzip.compress(b'{"x": "1"}\n')
    assert message("a.jsonl.gz", b'{"x": "1"}') == "a.jsonl.gz: broken gzip: Not a gzipped file (b'{\"')"
    assert message("a.jsonl.gz", whole[:-9]) == (
        "a.jsonl.gz: broken gzip: Compressed file ended before the end-of-stream marker was reached"
    )


def test_json_that_python_cannot_read() -> None:
    deep, digits = 100_000 * "[" + 100_000 * "]", 6_000 * "7"
    nested = "JSON that is nested too deeply to be read"
    long = "a whole number has more than 4300 digits; write it as a string"
    assert message("a.json", f'[\n{{"x": "[["}},\n{{"x": {deep}}}]') == f"a.json:3: {nested}"
    assert message("a.jsonl", f'{{"x": 1}}\n\n{{"x": {deep}}}\n') == f"a.jsonl:3: {nested}"
    assert message("a.json", f'[\n{{"x": 1}},\n{{"x": {digits}}}]') == f"a.json:3: {long}"
    assert message("a.jsonl", f'{{"x": 1}}\n{{"x": {digits}}}\n') == f"a.jsonl:2: {long}"


def test_the_home_folder_is_known_by_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write("a.csv", "x\n1\n")
    assert read_records("~/a.csv") == [(2, {"x": "1"})]
    assert digest("~/a.csv") == digest("a.csv")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", "", "a.json is empty; it must hold one JSON value"),
        ("a.json", "[]", "a.json is empty; it must hold at least one record"),
        ("a.json", '[\n{"x": 1},\n]', "a.json:3: broken JSON: Expecting value (column 1)"),
        ("a.json", '{"x": 1}', "a.json: must hold a list of objects, got an object"),
        ("a.json", '[{"x": 1}, null]', "a.json, record 2: every record must be an object, got null"),
        ("a.json", b'[{"x": "\n\xe4"}]', "a.json:2: not UTF-8; save the file in that encoding"),
        (
            "a.json",
            '{"x": 1}\n{"x": 2}\n',
            "a.json:2: broken JSON: Extra data (column 1); name a file with an object in each line .jsonl",
        ),
        ("a.jsonl", '{"x": 1} {"x": 2}\n', "a.jsonl:1: broken JSON: Extra data (column 10)"),
        ("a.jsonl", b'{"x": 1}\n{"x": "\xe4"}\n', "a.jsonl:2: not UTF-8; save the file in that encoding"),
        ("a.jsonl", "\n", "a.jsonl is empty; it must hold at least one record"),
        ("a.jsonl", '{"x": 1}\n{"x": \n', "a.jsonl:2: broken JSON: Expecting value (column 7)"),
        ("a.jsonl", '{"x": 1}\n[1]\n', "a.jsonl:2: every record must be an object, got a list"),
        ("a.jsonl", "7\n", "a.jsonl:1: every record must be an object, got a number"),
        ("a.csv", "x,y\n", "a.csv is empty; it must hold at least one record"),
        ("a.csv", "x,y\n1,2\n3\n", "a.csv:3: broken CSV: 1 fields where the header has 2"),
        ("a.csv", 'x,y\n1,"2\n', "a.csv:2: broken CSV: a quotation mark of this record is never closed"),
        ("a.csv", 'x,y\n\n1,2\n"3\n4,5\n6,7\n', "a.csv:4: broken CSV: a quotation mark of this record is never closed"),
        (
            "a.csv",
            'x,y\n1,2\n"3,4\n5,6\n"7,8"\n',
            f"a.csv:5: broken CSV: {AFTER_QUOTE} (the record begins on line 3)",
        ),
        ("a.csv", 'x,y\n1,"2"3\n', f"a.csv:2: broken CSV: {AFTER_QUOTE}"),
        ("a.csv", "x,y,x\n1,2,3\n", "a.csv:1: the header names a column twice: 'x', 'y', 'x'"),
        ("a.csv", "x,y\n1,2\n3,ä\n".encode("latin-1"), "a.csv:3: not UTF-8; save the file in that encoding"),
        ("a.csv", "x,y\n1,2\n".encode("utf-16"), "a.csv:1: not UTF-8; save the file in that encoding"),
        ("a.tsv", "x\ty\n1,2\n", "a.tsv:2: broken CSV: 1 fields where the header has 2"),
        ("a.tsv", "", "a.tsv is empty; it must hold at least one record"),
        ("a.pdf", "x", f"a.pdf: cannot read a .pdf file; {KINDS}"),
        ("a.pdf.gz", "x", f"a.pdf.gz: cannot read a .pdf.gz file; {KINDS}"),
        ("a.txt", " \n", "a.txt is empty; it must hold at least one record"),
        ("a.parquet.gz", "x", f"a.parquet.gz: cannot read a .parquet.gz file; {KINDS}"),
        ("data", "x", f"data: cannot read a suffixless file; {KINDS}"),
    ],
)
def test_unusable_file_is_named_with_the_place(name: str, content: str | bytes, expected: str) -> None:
    assert message(name, content) == expected


LATE = 30_000
"""Rows before a fault: more than is read from the disk at once."""


@pytest.mark.parametrize(
    ("name", "first", "row", "last", "expected"),
    [
        ("a.csv", b"x,y\n", b"1,2\n", b"\xe4,2\n", f"a.csv:{LATE + 2}: not UTF-8; save the file in that encoding"),
        ("a.tsv", b"x\ty\n", b"1\t2\n", b"3\n", f"a.tsv:{LATE + 2}: broken CSV: 1 fields where the header has 2"),
        (
            "a.jsonl",
            b"",
            b'{"x": 1}\n',
            b'{"x": "\xe4"}\n',
            f"a.jsonl:{LATE + 1}: not UTF-8; save the file in that encoding",
        ),
        ("a.jsonl", b"", b'{"x": 1}\n', b"[1]", f"a.jsonl:{LATE + 1}: every record must be an object, got a list"),
        (
            "a.json",
            b"[\n",
            b'{"x": 1},\n',
            b"null]",
            f"a.json, record {LATE + 1}: every record must be an object, got null",
        ),
        ("a.txt", b"", b"A line.\n", b"\xe4", f"a.txt:{LATE + 1}: not UTF-8; save the file in that encoding"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_fault_far_into_a_file_is_named_with_its_place(
    name: str, first: bytes, row: bytes, last: bytes, expected: str, compressed: bool
) -> None:
    content = first + LATE * row + last
    if compressed:
        name, content, expected = f"{name}.gz", gzip.compress(content), expected.replace(name, f"{name}.gz")
    assert message(name, content) == expected


def test_gzip_that_breaks_off_far_into_a_file() -> None:
    rows = "".join(f'{{"x": {number * 7919 % 10007}}}\n' for number in range(LATE))
    whole = gzip.compress(rows.encode())
    assert message("a.jsonl.gz", whole[: len(whole) // 2]) == (
        "a.jsonl.gz: broken gzip: Compressed file ended before the end-of-stream marker was reached"
    )


def test_a_quotation_mark_that_is_never_closed_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LONGEST_FIELD", 1000)
    assert message("a.csv", "x,y\n1,2\n" + '"3,4\n' + 500 * "5,6\n") == (
        "a.csv:3: broken CSV: a field of this record has more than 1,000 characters; close its quotation marks"
    )


def test_records_are_read_one_after_the_other() -> None:
    """A fault is not noticed before it is reached."""
    rows = files.read_records(write("a.jsonl", '{"x": 1}\n{"x": 2}\nbroken'))
    assert [next(rows), next(rows)] == [(1, {"x": 1}), (2, {"x": 2})]
    with pytest.raises(InputError):
        next(rows)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json.gz", "[\n[1]]", "a.json.gz, record 1: every record must be an object, got a list"),
        ("a.jsonl.gz", '{"x": 1}\n{"x": \n', "a.jsonl.gz:2: broken JSON: Expecting value (column 7)"),
        ("a.jsonl.gz", '{"x": 1}\n{"x": "ä"}\n', "a.jsonl.gz:2: not UTF-8; save the file in that encoding"),
        ("a.csv.gz", 'x,y\n1,"2\n', "a.csv.gz:2: broken CSV: a quotation mark of this record is never closed"),
        ("a.tsv.gz", "x\ty\n1\n", "a.tsv.gz:2: broken CSV: 1 fields where the header has 2"),
        ("a.txt.gz", "", "a.txt.gz is empty; it must hold at least one record"),
    ],
)
def test_unusable_content_of_gzip_is_named_with_the_place(name: str, content: str, expected: str) -> None:
    assert message(name, gzip.compress(content.encode("latin-1"))) == expected


GOOD = b'{"x": 1}\n'


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ({}, "parts has no files; a folder of data must hold files of one kind, such as .jsonl"),
        (
            {"a.jsonl": GOOD, "README.md": b"Data."},
            "parts has files of several kinds (.jsonl, .md); a folder of data must hold files of one kind, such as "
            ".jsonl",
        ),
        ({"a.pdf": b"x"}, f"parts/a.pdf: cannot read a .pdf file; {KINDS}"),
        ({"a.jsonl": GOOD, "b.jsonl": b""}, "parts/b.jsonl is empty; it must hold at least one record"),
        ({"a.jsonl": GOOD, "b.jsonl": GOOD + b"[1]"}, "parts/b.jsonl:2: every record must be an object, got a list"),
        (
            {"a.jsonl": GOOD, "b.jsonl.gz": gzip.compress(GOOD)[:-9]},
            "parts/b.jsonl.gz: broken gzip: Compressed file ended before the end-of-stream marker was reached",
        ),
    ],
)
def test_unusable_file_of_a_folder_is_named_with_the_place(contents: dict[str, bytes], expected: str) -> None:
    Path("parts").mkdir()
    for name, content in contents.items():
        write(f"parts/{name}", content)
    with pytest.raises(InputError) as caught:
        [record for file in files_of("parts") for record in read_records(file)]
    assert str(caught.value) == expected


def test_a_folder_gives_its_files_by_name_packed_or_not() -> None:
    Path("parts/older").mkdir(parents=True)
    for name in ("b.jsonl", "a.jsonl.gz", ".hidden.csv", "older/c.jsonl"):
        Path("parts", name).touch()
    assert files_of("parts") == ["parts/a.jsonl.gz", "parts/b.jsonl"]


def test_parquet_without_rows() -> None:
    pandas.DataFrame({"x": []}).to_parquet("a.parquet")
    with pytest.raises(InputError, match=r"^a\.parquet is empty; it must hold at least one record$"):
        read_records("a.parquet")


def test_cut_off_parquet_is_named_with_what_pyarrow_says() -> None:
    pandas.DataFrame(RECORDS).to_parquet("whole.parquet")
    whole = Path("whole.parquet").read_bytes()
    assert re.fullmatch(r"a\.parquet: broken Parquet: .*magic bytes not found.*", message("a.parquet", whole[:-9]))
    assert re.fullmatch(r"a\.parquet: broken Parquet: .*size is 0 bytes", message("a.parquet", b""))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.parquet", "a.pdf", "folder"])
def test_missing_file(name: str) -> None:
    expected = f"{name}: cannot be read (No such file or directory); name an existing file"
    for read in (read_records, digest):
        with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
            read(name)


def test_read_json_gives_any_value() -> None:
    assert read_json(write("a.json", '{"x": [1, null]}')) == {"x": [1, None]}


def test_place_is_a_line_where_the_file_has_lines() -> None:
    assert [place(path, 7) for path in ("a.csv", "a.tsv.gz", "b/c.jsonl", "a.json", "a.parquet", "o/n train")] == [
        "a.csv:7",
        "a.tsv.gz:7",
        "b/c.jsonl:7",
        "a.json, record 7",
        "a.parquet, record 7",
        "o/n train, record 7",
    ]


def test_digest_is_of_the_content_alone() -> None:
    expected = hashlib.sha256(b"[1]").hexdigest()
    assert digest(write("a.json", "[1]")) == digest(write("b.json", "[1]")) == expected


def test_a_text_file_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("One line,\nand another.\n")
    assert read_records(str(path)) == [(1, {"text": "One line,\nand another.\n"})]
