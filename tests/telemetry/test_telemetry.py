import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from bench.telemetry import Telemetry
from bench.telemetry.host import Host
from bench.telemetry.nvml import Nvml
from tests.shipped import shipped


def test_the_shipped_settings_are_the_defaults_and_list_every_field() -> None:
    content = shipped("telemetry", "default")
    settings = Telemetry.model_validate(content)
    assert settings == Telemetry(name="default", gpu=Nvml(name="nvml"), host=Host(name="host"))
    assert set(content) == {*Telemetry.model_fields, "_target_"}
    assert set(content["gpu"]) == {*Nvml.model_fields, "_target_"}
    assert set(content["host"]) == {*Host.model_fields, "_target_"}
    assert settings.model_dump() == content


@pytest.mark.parametrize("hz", [0.5, 20.5, -1.0, float("nan"), "10"])
def test_a_rate_that_is_refused(hz: Any) -> None:
    with pytest.raises(ValidationError, match="hz"):
        Telemetry.model_validate(shipped("telemetry", "default") | {"hz": hz})


@pytest.mark.parametrize("given", ["carbon_intensity_g_per_kwh", "carbon_intensity_source"])
def test_an_intensity_needs_its_source(given: str) -> None:
    value = {"carbon_intensity_g_per_kwh": 400.0, "carbon_intensity_source": "a yearbook"}[given]
    with pytest.raises(
        ValidationError, match="go together: give the figure and say where it is from, or leave both null"
    ):
        Telemetry.model_validate(shipped("telemetry", "default") | {given: value})


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("sampler, sections, nvml, host, replay", "torch transformers pandas scipy matplotlib pynvml psutil numpy"),
        ("join", "torch transformers pandas scipy matplotlib pynvml psutil"),
    ],
)
def test_nothing_heavy_is_imported(modules: str, heavy: str) -> None:
    script = (
        f"import sys; from bench.telemetry import {modules}; print(sorted(set({heavy.split()}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
