"""Which devices are meant, and the real nvidia-ml-py binding against a stand-in for the driver's library."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.telemetry import Unavailable
from bench.telemetry.nvml import Nvml
from bench.telemetry.nvml.boards import Board, choose
from bench.telemetry.nvml.queries import QUERIES

A, B = "GPU-00000000-0000-0000-0000-000000000000", "GPU-00000001-0000-0000-0000-000000000000"
GIB = 2**30
ALIKE = [Board("GPU-aa11", "H100", 0), Board("GPU-aa22", "H100", 1), Board("GPU-bb33", "H100", 2)]
MIXED = [Board("GPU-aa11", "H100", 0), Board("GPU-bb22", "L4", 1)]
PARTS = (
    Board("MIG-p1", "H100", 10, shared=True, old_uuid="MIG-GPU-aa11/1/0"),
    Board("MIG-p2", "H100", 11, shared=True, old_uuid="MIG-GPU-aa11/2/0"),
)
DIVIDED = [Board("GPU-aa11", "H100", 0, shared=True, instances=PARTS), Board("GPU-bb22", "H100", 1)]


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        (None, ["GPU-aa11", "GPU-aa22", "GPU-bb33"]),
        ("0", ["GPU-aa11"]),
        ("2,0", ["GPU-bb33", "GPU-aa11"]),
        ("0,7,1", ["GPU-aa11"]),
        ("0,2,-1,1", ["GPU-aa11", "GPU-bb33"]),
        ("1,1", ["GPU-aa22"]),
        ("GPU-aa22", ["GPU-aa22"]),
        ("GPU-b", ["GPU-bb33"]),
        ("GPU-bb33, GPU-aa11", ["GPU-bb33", "GPU-aa11"]),
        ("GPU-bb33,GPU-aa", ["GPU-bb33"]),
    ],
)
def test_visible_devices(visible: str | None, uuids: list[str]) -> None:
    assert [device.uuid for device in choose(ALIKE, visible, pci_order=False)] == uuids


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles", "9", "GPU-aa", "GPU-zz", "MIG-p1", "MIG-GPU-aa11/1/0"])
def test_no_visible_device(visible: str) -> None:
    with pytest.raises(Unavailable, match=r"^no_visible_device$"):
        choose(ALIKE, visible, pci_order=False)


def test_no_board() -> None:
    with pytest.raises(Unavailable, match=r"^no_visible_device$"):
        choose([], None, pci_order=False)


def test_an_index_among_unlike_boards_needs_the_bus_order() -> None:
    with pytest.raises(Unavailable, match=r"^device_order_unknown: set CUDA_DEVICE_ORDER=PCI_BUS_ID$"):
        choose(MIXED, "1", pci_order=False)
    assert [device.uuid for device in choose(MIXED, "1", pci_order=True)] == ["GPU-bb22"]
    assert [device.uuid for device in choose(MIXED, "GPU-bb22", pci_order=False)] == ["GPU-bb22"]


@pytest.mark.parametrize(
    ("visible", "handles"),
    [
        ("MIG-p2", [11]),
        ("MIG-p1,MIG-p2", [10, 11]),
        ("MIG-GPU-aa11/2/0", [11]),
        ("0", [10]),
        ("GPU-aa11", [10]),
        ("MIG-GPU-aa11/3/0,1", None),
        ("MIG-p", None),
    ],
)
def test_parts_of_a_board(visible: str, handles: list[int] | None) -> None:
    if handles is None:
        with pytest.raises(Unavailable, match=r"^no_visible_device$"):
            choose(DIVIDED, visible, pci_order=False)
    else:
        chosen = choose(DIVIDED, visible, pci_order=False)
        assert [(device.handle, device.shared) for device in chosen] == [(handle, True) for handle in handles]


def test_a_whole_board_beside_a_divided_one_is_not_shared() -> None:
    assert [(device.uuid, device.shared) for device in choose(DIVIDED, None, pci_order=False)] == [
        ("MIG-p1", True),
        ("GPU-bb22", False),
    ]


def test_a_board_that_does_not_answer_has_its_place() -> None:
    boards = [ALIKE[0], Board("unreadable-1", None, None), ALIKE[2]]
    assert [device.uuid for device in choose(boards, None, pci_order=True)] == ["GPU-aa11", "unreadable-1", "GPU-bb33"]
    assert choose(boards, "1", pci_order=True)[0].handle is None


def test_the_devices_of_a_cell_take_the_place_of_the_variable_but_not_of_a_setting() -> None:
    assert Nvml(name="nvml").of([A, B]) == Nvml(name="nvml", visible_devices=f"{A},{B}")
    chosen = Nvml(name="nvml", visible_devices="1")
    assert chosen.of([A]) == chosen


@dataclass(frozen=True)
class Scenario:
    """What the stand-in plays. Function names and error codes are NVML's; see nvml_stub.c for the rules."""

    rules: str = ""
    boards: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    library: str = "current"
    """Which build of the stand-in: `current`, `old` or `none`."""


SCENARIOS = {
    "good": Scenario(boards=2),
    "chosen": Scenario(boards=3, environment={"CUDA_VISIBLE_DEVICES": B}),
    "chosen by number": Scenario(boards=2, environment={"CUDA_VISIBLE_DEVICES": "1", "NVML_STUB_NAMES": "A100,H100"}),
    "no library": Scenario(library="none"),
    "init fails": Scenario("nvmlInit=9"),
    "count fails": Scenario("nvmlDeviceGetCount=999"),
    "init hangs": Scenario("nvmlInit=hang"),
    "reading hangs": Scenario("nvmlDeviceGetTotalEnergyConsumption=hang@15"),
    "slow": Scenario("nvmlDeviceGetTotalEnergyConsumption=slow@15"),
    "shutdown hangs": Scenario("nvmlShutdown=hang"),
    "error in the middle": Scenario("field186=999@15 nvmlDeviceGetTotalEnergyConsumption=999@15"),
    "lost": Scenario("nvmlDeviceGetTotalEnergyConsumption=15@15"),
    "one of two lost": Scenario("nvmlDeviceGetTotalEnergyConsumption#1=15@25", boards=2),
    "one of two not there": Scenario("nvmlDeviceGetHandleByIndex#1=15", boards=2),
    "absurd power": Scenario("field186~4294967295"),
    "no power": Scenario("field186~0"),
    "absurd energy": Scenario("nvmlDeviceGetTotalEnergyConsumption~1000 nvmlDeviceGetTotalEnergyConsumption~9e12@25"),
    "counter reset": Scenario("nvmlDeviceGetTotalEnergyConsumption~5000@25"),
    "absurd rest": Scenario(
        "nvmlDeviceGetMemoryInfo~9e18 nvmlDeviceGetUtilizationRates~4294967295 nvmlDeviceGetTemperature~4294967295 "
        "nvmlDeviceGetClockInfo~0"
    ),
    "old card": Scenario("field186=3 field185=3 nvmlDeviceGetTotalEnergyConsumption=3 nvmlDeviceGetUtilizationRates=3"),
    "old driver": Scenario("field186=2 field185=2 nvmlDeviceGetMemoryInfo=13"),
    "no power at all": Scenario("field186=3 nvmlDeviceGetPowerUsage=3 nvmlDeviceGetTotalEnergyConsumption=3"),
    "only a counter": Scenario("field186=3 nvmlDeviceGetPowerUsage=3", boards=2),
    "no limit": Scenario("nvmlDeviceGetPowerManagementLimitConstraints=3"),
    "no limit, absurd power": Scenario("nvmlDeviceGetPowerManagementLimitConstraints=3 field186~4900000"),
    "driver without process lists": Scenario(library="old", environment={"NVML_STUB_PID": "own"}),
    "name is not UTF-8": Scenario(environment={"NVML_STUB_NAMES": "H\udcff100"}),
    "forbidden": Scenario("nvmlDeviceGetTotalEnergyConsumption=4"),
    "mig": Scenario(environment={"NVML_STUB_MIG": "1"}),
    "busy and throttled": Scenario("nvmlDeviceGetUtilizationRates~90 nvmlDeviceGetCurrentClocksEventReasons~36"),
    "another's process": Scenario(environment={"NVML_STUB_PID": "1"}),
    "processes": Scenario("nvmlDeviceGetComputeRunningProcesses~3221225472", environment={"NVML_STUB_PID": "own"}),
}

CELL = """
    import json, os, sys, time
    from pathlib import Path
    import numpy, psutil, pynvml
    from bench.telemetry import Telemetry
    from bench.telemetry.join import measure
    from bench.telemetry.nvml import Nvml
    from bench.telemetry.reading import read_file
    from bench.telemetry.sampler import Sampler
    from bench.telemetry.windows import Stretch

    def cell(folder):
        settings = Telemetry(name="test", hz=10.0, idle_s=1.2, hang_s=1.0, gpu=Nvml(name="nvml"))
        origin_s = time.monotonic()
        sampler = Sampler(settings, folder / "telemetry.jsonl", origin_s)
        sampler.start()
        sampler.wait_idle()
        sampler.watch(os.getpid())
        start_s = time.monotonic() - origin_s
        time.sleep(2.5)
        end_s = time.monotonic() - origin_s
        begun_s = time.monotonic()
        recording = sampler.stop()
        stopping_s = time.monotonic() - begun_s
        time.sleep(0.5)  # The other scenarios' last readings are not to wait for this one's arithmetic.
        readings = list(read_file(folder / "telemetry.jsonl"))
        measured = measure(
            recording.gathered, [Stretch("train", start_s, end_s - start_s)], settings, file_bytes=recording.file_bytes,
            torch_peaks={}, torch_missing="no_cuda", step_time_s=None,
        )
        devices = [device for reading in readings for device in reading.values.get("devices", {}).values()]
        (folder / "outcome.json").write_text(json.dumps({
            "power": measured.power and measured.power.model_dump(),
            "memory": measured.memory and measured.memory.model_dump(),
            "telemetry": measured.telemetry.model_dump(),
            "missing": measured.missing,
            "reasons": {path: why for reading in readings for path, why in reading.reasons.items() if why},
            "fields": sorted({name for device in devices for name in device}),
            "facts": readings[0].facts,
            "stopping_s": stopping_s,
        }))

    children = []
    for folder, environment in json.loads(sys.argv[1]):
        child = os.fork()
        if child == 0:
            os.environ.update(environment)
            if "NVML_STUB_PID" in environment:
                os.environ["NVML_STUB_PID"] = str(os.getpid())
            cell(Path(folder))
            sys.stdout.flush()
            # As in a supervisor, a thread that hangs in the library must not keep the process from ending.
            sys.exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(max(map(abs, codes)))
"""
"""Plays scenarios side by side, one process each: what they import they share, and mostly they sleep."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, build_nvml: Callable[..., Path]) -> dict[str, dict[str, Any]]:
    """What a cell of some 4 s measured in each scenario."""
    libraries = {"current": build_nvml(), "old": build_nvml("-DOLD_DRIVER")}
    folders = {name: tmp_path_factory.mktemp(name.replace(" ", "-")) for name in SCENARIOS}
    base = {name: value for name, value in os.environ.items() if not name.startswith(("CUDA_", "NVML_STUB"))}
    players = []
    for library in ("current", "old", "none"):
        plays = [
            (
                str(folders[name]),
                {"NVML_STUB": scenario.rules, "NVML_STUB_BOARDS": str(scenario.boards)} | scenario.environment,
            )
            for name, scenario in SCENARIOS.items()
            if scenario.library == library
        ]
        player = subprocess.Popen(
            [sys.executable, "-W", "error:::bench", "-c", textwrap.dedent(CELL), json.dumps(plays)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=base | {"LD_LIBRARY_PATH": str(libraries.get(library, ""))},
        )
        players.append(player)
    for player in players:
        stdout, stderr = player.communicate(timeout=120)
        assert (player.returncode, stdout, stderr) == (0, "", "")
    return {name: json.loads((folder / "outcome.json").read_text()) for name, folder in folders.items()}


def test_a_good_driver(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["good"]
    power = outcome["power"]
    assert power["energy_method"] == "counter"
    assert power["energy_j"] == pytest.approx(700.0 * power["seconds"], rel=0.002)
    assert power["residual_percent"] == pytest.approx(0.0, abs=0.5)
    assert (power["peak_sampled_power_w"], power["idle_power_w"]) == (700.0, 700.0)
    assert power["coverage"] == 1.0
    assert {uuid: device["power_reading"] for uuid, device in power["devices"].items()} == {A: "instant", B: "instant"}
    assert outcome["memory"]["device_peak_bytes"] == outcome["memory"]["device_before_bytes"] == 21 * GIB
    assert outcome["telemetry"]["gpu"]["status"] == "ok"
    assert outcome["facts"]["driver"] == "575.00"
    assert outcome["fields"] == [
        "average_power_w",
        "energy_j",
        "memory_clock_mhz",
        "memory_free_bytes",
        "memory_reserved_bytes",
        "memory_used_bytes",
        "memory_utilisation_percent",
        "other_processes",
        "power_w",
        "sm_clock_mhz",
        "temperature_c",
        "throttle_reasons",
        "utilisation_percent",
    ]


@pytest.mark.parametrize("scenario", ["chosen", "chosen by number"])
def test_the_visible_device_alone_is_read(outcomes: dict[str, dict[str, Any]], scenario: str) -> None:
    assert list(outcomes[scenario]["power"]["devices"]) == [B]
    assert outcomes[scenario]["power"]["mean_power_w"] == pytest.approx(400.0, rel=0.002)


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("no library", "no_nvml"),
        ("init fails", "nvml_init_failed: Driver Not Loaded"),
        ("count fails", "nvml_failed: Unknown Error"),
        ("init hangs", "hung"),
        ("no power at all", "not_supported"),
        ("mig", "mig_shared"),
    ],
)
def test_no_power(scenario: str, reason: str, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[scenario]
    assert outcome["power"] is None
    assert outcome["missing"]["power"] == reason
    if scenario in ("no library", "init fails", "count fails", "init hangs"):
        assert outcome["memory"]["device_peak_bytes"] is None
        assert outcome["missing"]["memory.device_peak_bytes"] == reason
        assert outcome["telemetry"]["gpu"]["status"] == reason
    else:
        assert outcome["memory"]["device_peak_bytes"] == 10 * GIB


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("only a counter", "not_supported"),
        ("absurd power", "implausible"),
        ("no power", "implausible"),
        ("no limit, absurd power", "implausible"),
    ],
)
def test_without_usable_power_the_counter_still_gives_energy(
    scenario: str, reason: str, outcomes: dict[str, dict[str, Any]]
) -> None:
    outcome = outcomes[scenario]
    power, watts = outcome["power"], 300.0 * (scenario != "only a counter") or 700.0
    assert power["energy_method"] == "counter"
    assert power["energy_j"] == power["energy_counter_j"] == pytest.approx(watts * power["seconds"], rel=0.002)
    assert power["mean_power_w"] == pytest.approx(watts, rel=0.002)
    absent = ("peak_sampled_power_w", "energy_integral_j", "idle_power_w", "net_energy_j")
    assert {outcome["missing"][f"power.{name}"] for name in absent} == {reason}
    assert outcome["missing"]["power.phases.train.peak_sampled_power_w"] == reason
    assert outcome["missing"][f"power.devices.{A}.peak_sampled_power_w"] == reason
    assert (power["coverage"], power["n_samples"]) == (0.0, 0)


def test_without_a_known_limit_power_is_read_all_the_same(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["no limit"]
    assert outcome["power"]["peak_sampled_power_w"] == 300.0
    assert outcome["missing"][f"power.devices.{A}.power_limit_w"] == "not_supported"


def test_a_driver_that_cannot_list_processes_loses_only_what_is_about_them(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["driver without process lists"]
    assert outcome["fields"] == [name for name in outcomes["good"]["fields"] if name != "other_processes"]
    assert outcome["telemetry"]["shared_board"] == {}
    assert outcome["power"]["coverage"] == 1.0
    assert outcome["power"]["energy_counter_j"] == pytest.approx(300.0 * outcome["power"]["seconds"], rel=0.001)
    assert outcome["memory"]["process_device_peak_bytes"] is None
    assert outcome["missing"]["memory.process_device_peak_bytes"] == "not_supported"
    assert set(outcome["reasons"]) == {f"{A}.process_memory_bytes", f"{A}.other_processes"}


def test_a_name_that_is_not_utf_8_costs_nothing(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["name is not UTF-8"]
    assert outcome["telemetry"]["gpu"]["status"] == "ok"
    assert outcome["power"]["devices"][A]["name"] == "H\ufffd100"
    assert outcome["power"]["mean_power_w"] == pytest.approx(300.0, rel=0.002)


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("reading hangs", "hung"),
        ("lost", "gpu_lost"),
        ("error in the middle", "read_failed: Unknown Error"),
        ("slow", "slow_reading"),
    ],
)
def test_a_fault_in_the_middle(scenario: str, reason: str, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[scenario]
    power = outcome["power"]
    assert (power["energy_j"], power["mean_power_w"], power["peak_sampled_power_w"]) == (None, None, None)
    assert 0 <= power["coverage"] < 0.5
    assert outcome["missing"]["power.energy_j"] == reason
    assert outcome["missing"]["power.energy_counter_j"] == reason
    assert outcome["missing"]["power.energy_integral_j"] == reason


@pytest.mark.parametrize(
    ("scenario", "longest_s"), [("good", 0.5), ("init hangs", 0.5), ("reading hangs", 0.5), ("shutdown hangs", 1.5)]
)
def test_stopping_never_hangs(scenario: str, longest_s: float, outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes[scenario]["stopping_s"] < longest_s


def test_a_shutdown_that_hangs_costs_no_number(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["shutdown hangs"]["power"]["mean_power_w"] == pytest.approx(300.0, rel=0.002)
    assert outcomes["shutdown hangs"]["telemetry"]["gpu"]["status"] == "hung"


def test_one_of_two_lost(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["one of two lost"]
    power = outcome["power"]
    assert (power["energy_j"], power["peak_sampled_power_w"]) == (None, None)
    assert outcome["missing"]["power.energy_j"] == "gpu_lost"
    assert power["devices"][A]["energy_counter_j"] == pytest.approx(300.0 * power["seconds"], rel=0.002)
    assert power["devices"][B]["energy_counter_j"] is None
    assert outcome["missing"][f"power.devices.{B}.energy_counter_j"] == "gpu_lost"


def test_one_of_two_not_there(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["one of two not there"]
    assert outcome["power"]["energy_j"] is None
    assert outcome["missing"]["power.energy_j"] == "gpu_lost"
    assert outcome["missing"]["memory.device_peak_bytes"] == "gpu_lost"
    assert outcome["power"]["devices"][A]["peak_sampled_power_w"] == 300.0
    assert outcome["power"]["devices"]["unreadable-1"]["name"] is None


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("absurd energy", "counter_implausible"),
        ("counter reset", "counter_reset"),
        ("forbidden", "no_permission"),
        ("old card", "not_supported"),
    ],
)
def test_no_counter(scenario: str, reason: str, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[scenario]
    power = outcome["power"]
    assert (power["energy_method"], power["energy_counter_j"]) == ("integral", None)
    assert power["energy_j"] == pytest.approx(300.0 * power["seconds"], rel=0.001)
    assert outcome["missing"]["power.energy_counter_j"] == reason


def test_absurd_readings_are_no_readings(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["absurd rest"]
    absent = {"memory_used_bytes", "utilisation_percent", "temperature_c", "sm_clock_mhz", "memory_clock_mhz"}
    assert not absent & set(outcome["fields"])
    assert {outcome["reasons"][f"{A}.{name}"] for name in absent} == {"implausible"}
    assert outcome["memory"]["device_peak_bytes"] is None
    assert outcome["missing"]["memory.device_peak_bytes"] == "implausible"
    assert outcome["power"]["mean_power_w"] == pytest.approx(300.0, rel=0.002)


@pytest.mark.parametrize("scenario", ["old card", "old driver"])
def test_without_instant_power_the_usage_is_read(scenario: str, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[scenario]
    assert outcome["power"]["devices"][A]["power_reading"] == "usage"
    assert outcome["power"]["peak_sampled_power_w"] == 300.0
    assert outcome["reasons"][f"{A}.average_power_w"] == "not_supported"
    assert f"{A}.power_w" not in outcome["reasons"]


def test_a_part_of_a_board(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["mig"]
    uuid = "MIG-00000000-0000-0000-0000-000000000000"
    assert list(outcome["facts"]["devices"]) == [uuid]
    assert {outcome["reasons"][f"{uuid}.{name}"] for name in ("power_w", "energy_j", "average_power_w")} == {
        "mig_shared"
    }


def test_a_busy_and_throttled_board(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["busy and throttled"]
    power = outcome["power"]
    assert outcome["missing"]["power.idle_power_w"] == outcome["missing"]["power.net_energy_j"] == "gpu_busy"
    assert power["throttled_s"] == pytest.approx(power["seconds"], abs=0.002)
    assert power["throttled_by_s"] == {"sw_power_cap": power["throttled_s"], "sw_thermal": power["throttled_s"]}


def test_device_memory_of_the_cells_processes(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["processes"]["memory"]["process_device_peak_bytes"] == 3 * GIB
    assert outcomes["good"]["missing"]["memory.process_device_peak_bytes"] == "process_not_listed"


def test_a_process_that_computes_before_the_cell_does_is_another_s(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["good"]["telemetry"]["shared_board"] == {A: False, B: False}
    assert outcomes["another's process"]["telemetry"]["shared_board"] == {A: True}


@pytest.mark.parametrize(
    ("listed", "own", "n_others"),
    [
        ([], None, [0]),
        ([7], None, [1]),
        ([], [5, 6], [0]),
        ([6], [5, 6], [0]),
        ([6, 7, 8], [5, 6], [2]),
        # Whether 7 is the cell's own by its number outside of the container, nobody knows.
        ([7], [5, 6], []),
    ],
)
def test_which_processes_are_not_the_cells(listed: list[int], own: list[int] | None, n_others: list[int]) -> None:
    processes = [SimpleNamespace(pid=pid) for pid in listed]
    nvml: Any = SimpleNamespace(nvmlDeviceGetComputeRunningProcesses_v3=lambda handle: processes)
    (query,) = (query for query in QUERIES if query.fields == ("other_processes",))
    assert list(query.ask(nvml, 0, own)) == n_others


def test_no_number_is_made_up(outcomes: dict[str, dict[str, Any]]) -> None:
    """In no scenario is there a power, energy or memory that the stand-in does not have, least of all 0."""
    for name, outcome in outcomes.items():
        power = outcome["power"]
        sections = [power, *power["phases"].values()] if power else []
        watts = 300.0 if SCENARIOS[name].boards == 1 else 400.0 if name.startswith("chosen") else 700.0
        for section in sections:
            for figure in ("mean_power_w", "peak_sampled_power_w"):
                assert section[figure] is None or section[figure] == pytest.approx(watts, rel=0.01), (name, figure)
            for figure in ("energy_j", "energy_counter_j", "energy_integral_j"):
                true_j = watts * section["seconds"]
                assert section[figure] is None or section[figure] == pytest.approx(true_j, rel=0.05), (name, figure)
        for figure, peak in outcome["memory"].items():
            assert figure == "phases" or peak is None or peak >= GIB, (name, figure)
