import os
import signal
import subprocess
import sys
import time
from itertools import count

import pytest

from bench.report.parallel import WORTH, begin


def doubled(number):
    return 2 * number


def process_of(_):
    return os.getpid()


def refused(number):
    raise ValueError(f"{number} is refused")


@pytest.fixture(params=[1, 2])
def cores(request, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: request.param)


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("n_items", [0, WORTH - 1, WORTH, 20])
def test_results_come_in_the_order_of_the_items(n_items):
    assert list(begin(doubled, iter(range(n_items)))) == [2 * number for number in range(n_items)]


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("n_items", [1, WORTH])
def test_an_error_is_raised_where_its_result_is_asked_for(n_items):
    results = begin(refused, range(n_items))
    with pytest.raises(ValueError, match="0 is refused"):
        next(results)


def test_few_items_stay_in_this_process(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert list(begin(process_of, range(WORTH - 1))) == [os.getpid()] * (WORTH - 1)
    assert list(begin(process_of, range(WORTH), worth=WORTH + 1)) == [os.getpid()] * WORTH
    assert os.getpid() not in begin(process_of, range(WORTH))


def test_one_core_makes_no_item_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    results = begin(doubled, count())
    assert [next(results) for _ in range(20)] == [2 * number for number in range(20)]


@pytest.mark.parametrize(("n_cores", "n_started"), [(1, 0), (2, 1)])
def test_other_processes_get_ready_where_there_is_a_core_for_them(n_cores, n_started):
    script = f"""
import os, psutil, time
os.cpu_count = lambda: {n_cores}
from bench.report import parallel as cores
cores.prepare()
# Until the new process has replaced its copy of this one's command line.
give_up_s = time.monotonic() + 10
commands = []
while sum("forkserver" in command for command in commands) < {n_started} and time.monotonic() < give_up_s:
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children()]
commands = [" ".join(child.cmdline()) for child in psutil.Process().children()]
print(sum("forkserver" in command and "bench.report.write" in command for command in commands))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) == n_started


def test_ctrl_c_ends_all_processes_without_a_traceback():
    code = (
        "import os, sys, time; from bench import output; from bench.report import parallel\n"
        "os.cpu_count = lambda: 2\n"
        "def work():\n"
        "    try:\n"
        "        next(parallel.begin(time.sleep, [0, *[0.2] * 100])); print('begun', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        parallel.cancel(); raise\n"
        "if __name__ == '__main__': sys.exit(output.run(work))\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True, text=True, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        os.killpg(process.pid, signal.SIGINT)
        assert (process.communicate(timeout=30)[1], process.returncode) == ("", 130)
    # The fork server ends once it notices that nobody is connected to it
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a process is left")
