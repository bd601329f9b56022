from pathlib import Path

import pytest

from bench.telemetry.reading import Reading, parse, read_file

WHOLE = Reading("gpu", 1.25, 0.000_123, 2, {"devices": {"GPU-a": {"power_w": 301.5}}}, {"driver": "575"}, {"": None})


def test_a_line_holds_a_reading() -> None:
    line = WHOLE.to_line()
    assert line == (
        b'{"role":"gpu","t_s":1.25,"late_s":0.000123,"missed":2,"values":{"devices":{"GPU-a":{"power_w":301.5}}},'
        b'"facts":{"driver":"575"},"reasons":{"":null}}\n'
    )
    assert Reading.from_line(line) == WHOLE


def test_what_is_empty_is_left_out() -> None:
    assert Reading("host", 0.1234567).to_line() == b'{"role":"host","t_s":0.123457}\n'


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        Reading("host", 0.0, values={"rss_bytes": float("nan")}).to_line()


@pytest.mark.parametrize(
    "torn", [b'{"role":"gpu","t_', b'{"role":"gpu","t_s":2.0}', b"\x00\xff\n", b'{"a":1}\n', b"[]\n"]
)
def test_a_torn_last_line_is_left_out(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(WHOLE.to_line() + WHOLE.to_line() + torn)
    assert list(read_file(path)) == [WHOLE, WHOLE]


def test_nothing_is_read_behind_a_torn_line() -> None:
    assert list(parse([WHOLE.to_line(), b"torn\n", WHOLE.to_line()])) == [WHOLE]
