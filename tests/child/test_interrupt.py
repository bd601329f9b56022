import pytest

from bench.child.interrupt import Interrupted, StopRequest


def test_a_request_raises_what_no_handler_of_exceptions_catches() -> None:
    with pytest.raises(Interrupted) as caught:
        StopRequest().make()
    assert not isinstance(caught.value, Exception)
    assert str(caught.value) == "stopped before the cell was done"


def test_a_deferred_request_is_noted() -> None:
    stop = StopRequest()
    stop.check()
    stop.deferred = True
    stop.make()
    with pytest.raises(Interrupted):
        stop.check()
