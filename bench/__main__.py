"""`python -m bench`: composes the cells with Hydra and supervises them one after another."""

import os
import signal
import sys
import traceback
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench.cli import help
from bench.configuration import CONF
from bench.errors import InputError


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def run_cell(config: DictConfig) -> None:
    """Supervise one composed cell. Whatever happens to it, the sweep goes on; only Ctrl-C and SIGTERM end it."""
    from bench.cli.compose import job_of
    from bench.cli.place import place_of
    from bench.supervisor.supervise import supervise

    hydra_node = HydraConfig.get()
    try:
        supervise(job_of(OmegaConf.create({"hydra": hydra_node, **config})), place_of(hydra_node))
    except InputError as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()


def main() -> int:
    """Run the command line. Returns the exit status."""
    _replace_closed_streams()
    if {"-h", "--help"} & set(sys.argv[1:]):
        command = Path(sys.argv[0]).name
        print(help.text(command) if command == "tunebench" else help.text(), end="")
        return 0
    from bench.cli import arguments, sweep

    # Without this, Hydra prints its own errors and exits; with it, Hydra raises them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # SIGTERM, which batch systems send, stops a sweep as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.argv[1:] = arguments.in_order(sys.argv[1:])
        run_cell()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    except Exception as error:
        if not sweep.planned:
            return sweep.refuse(sweep.explain(error))
        traceback.print_exc()
        return sweep.conclude() or sweep.NOT_OK
    return sweep.conclude()


def _replace_closed_streams() -> None:
    """Without an output (`>&-`) the next file opened would get its number, and everything that is printed."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
