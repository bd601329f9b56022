"""`python -m bench`: composes the grid with Hydra and supervises its cells."""

import os
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench.cli import help
from bench.configuration import CONF
from bench.errors import InputError


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def run_cell(config: DictConfig) -> None:
    """Supervise one composed cell. A cell that fails is recorded, never raised: the sweep goes on."""
    from bench.cli.compose import job_of
    from bench.cli.place import place_of
    from bench.supervisor.supervise import supervise

    hydra_node = HydraConfig.get()
    supervise(job_of(OmegaConf.create({"hydra": hydra_node, **config})), place_of(hydra_node))


def main() -> int:
    """Run the command line; gives the exit status."""
    _replace_closed_streams()
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(help.text(), end="")
        return 0
    from bench.cli import arguments, sweep

    # Hydra would print its own error and exit; with this it raises, and the sentence is ours.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        sys.argv[1:] = arguments.in_order(sys.argv[1:])
        run_cell()
    except sweep.REFUSALS as error:
        if sweep.planned and not isinstance(error, InputError):
            raise
        print(sweep.explain(error), "Nothing was started.", sep="\n", file=sys.stderr)
        return sweep.REFUSED
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    return sweep.conclude()


def _replace_closed_streams() -> None:
    """Without an output (`>&-`) the next file opened would get its number, and everything that is printed."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
