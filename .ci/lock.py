"""Write requirements.lock and requirements-cuda.lock from pyproject.toml. Run it with `make lock`.

uv resolves for all platforms and takes the hashes from the package index, without downloading packages. Versions stay
as they are in the two files; delete the files first to take the newest.

Two things are added that uv does not know. PyPI's torch for Linux needs CUDA libraries of some gigabytes that a CPU
build does not, so these have a file of their own. And the index lists only its own builds of torch: hashes of other
builds, such as the CPU build 2.13.0+cpu, are kept from the file as it was, or added from wheels given as arguments:

    make lock WHEELS=torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK, CUDA_LOCK = Path("requirements.lock"), Path("requirements-cuda.lock")
HEADER = "# Written by `make lock`.\n"
CUDA_HEADER = HEADER + "# What PyPI's torch for Linux needs beyond requirements.lock; a CPU build needs none of it.\n"


def main() -> None:
    before = "".join(file.read_text() for file in (LOCK, CUDA_LOCK) if file.exists())
    lines = entries(compile_all(before))
    lines["torch"] = with_other_builds(lines["torch"], entries(before).get("torch", ""), sys.argv[1:])
    cuda = {name for name in lines if name.startswith(("cuda-", "nvidia-", "triton")) and name != "nvidia-ml-py"}
    LOCK.write_text(HEADER + "".join(entry for name, entry in lines.items() if name not in cuda))
    CUDA_LOCK.write_text(CUDA_HEADER + "".join(lines[name] for name in lines if name in cuda))


def compile_all(before: str) -> str:
    """The lock of everything, in uv's words."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "all.lock")
        file.write_text(before)
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--python-version", "3.11", "--extra", "dev", "--no-annotate", "--no-header"]
        subprocess.run([*command, "--output-file", str(file), "pyproject.toml"], check=True)
        return file.read_text()


def with_other_builds(entry: str, before: str, wheels: list[str]) -> str:
    """`entry` with the hashes of `wheels`, and with those that it had `before` if its version is still the same."""
    version = entry.split(" \\")[0]
    hashes = re.findall(r"sha256:\w+", entry + before if before.startswith(f"{version} ") else entry)
    hashes += [f"sha256:{hashlib.sha256(Path(wheel).read_bytes()).hexdigest()}" for wheel in wheels]
    return " \\\n    --hash=".join([version, *sorted(set(hashes))]) + "\n"


def entries(lock: str) -> dict[str, str]:
    """Each package's name and its entry: a line with the version, and one for each hash."""
    pattern = r"^([a-z0-9][\w.-]*)==.*(?:\n    .*)*\n"
    return {match[1]: match[0] for match in re.finditer(pattern, lock, flags=re.MULTILINE)}


if __name__ == "__main__":
    main()
