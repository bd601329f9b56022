"""Trainings in this process, on a checkpoint that takes milliseconds a step."""

from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.cell import Cell
from bench.example import Example

if TYPE_CHECKING:
    from bench import protocol
    from bench.child.interrupt import StopRequest
    from bench.model import Model
    from bench.record_sections import Training

N_EXAMPLES = 12
RECIPE = {
    "train.epochs": 2,
    "train.effective_batch": 4,
    "train.micro_batch": 4,
    "train.warmup_fraction": 0.0,
    "generation.batch": 4,
}


class Run:
    """One training: the model as it ended, and all events that were sent."""

    def __init__(self, cell: Cell, model: "Model", checkpoints: Path, stop: "StopRequest | None" = None) -> None:
        import torch

        from bench import protocol
        from bench.child.interrupt import Interrupted, StopRequest
        from bench.child.load import load
        from bench.child.phases import Phases
        from bench.child.train import train
        from bench.encode import Room, encode

        receiver, sender = Pipe(duplex=False)
        loaded = load(model, cell.method.quantization(torch.float32), cell.seed)
        torch.manual_seed(cell.seed)
        self.method = cell.method
        self.model = cell.method.prepare(loaded.base)
        self.tokenizer = loaded.tokenizer
        examples = [
            Example(id=str(at), cluster=str(at), question=f"Who was at drill {at}?", references=(f"ship {at} of 3",))
            for at in range(N_EXAMPLES + 4)
        ]
        encoded, _ = encode(examples, cell.prompt, loaded.tokenizer, Room(256, 0))
        self.training, self.test = encoded[:N_EXAMPLES], encoded[N_EXAMPLES:]
        stop = stop or StopRequest()
        phases = Phases(sender, stop)
        self.error: BaseException | None = None
        try:
            with phases.phase("train"):
                train(
                    self.model,
                    self.tokenizer,
                    self.training,
                    self.test,
                    cell,
                    checkpoints,
                    torch.float32,
                    phases,
                    stop,
                )
        except Interrupted as error:
            self.error = error
        sender.close()
        self.events: list[Any] = []
        while receiver.poll():
            try:
                self.events.append(protocol.parse(receiver.recv_bytes()))
            except EOFError:
                break

    @property
    def results(self) -> "Training":
        from bench import protocol

        (trained,) = (event for event in self.events if isinstance(event, protocol.Trained))
        return trained.training

    def steps(self) -> "list[protocol.Step]":
        from bench import protocol

        return [event for event in self.events if isinstance(event, protocol.Step)]


@pytest.fixture
def training() -> type[Run]:
    return Run


@pytest.fixture
def run(make_cell: Callable[..., Cell], small_model: "Callable[..., Model]", tmp_path: Path) -> Callable[..., Run]:
    def go(
        changes: dict[str, Any] | None = None, folder: str = "checkpoints", stop: "StopRequest | None" = None
    ) -> Run:
        changes = dict(changes or {})
        method = {"method": changes.pop("method")} if "method" in changes else {}
        dropout = {"method.dropout": 0.0} if method.get("method", "lora") in ("lora", "qlora") else {}
        return Run(make_cell({**method, **RECIPE, **dropout, **changes}), small_model(), tmp_path / folder, stop)

    return go


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """As in the fork server: otherwise garbage collection visits all modules in each training, which takes 0.25 s."""
    import bench.child.warm  # noqa: F401
