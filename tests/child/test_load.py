import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from bench import tiny
from bench.child.load import context_length, count_parameters, device, load, precision, skeleton
from bench.configuration import CONF
from bench.errors import InputError
from bench.method import Method
from bench.model import Model
from tests.shipped import shipped

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig


SmallModel = Callable[..., Model]

OTHER_WAYS = "point model.path at a local copy, or measure resources alone with model.weights=random."

SMALL = {
    "model_type": "llama",
    "vocab_size": 640,
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 200,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
}
# Two embeddings; per block q and o, k and v, three of the MLP, two norms; the last norm.
SMALL_TOTAL = 2 * 640 * 128 + 3 * (2 * 128**2 + 2 * 128 * 64 + 3 * 128 * 192 + 2 * 128) + 128


def quantised(bits: int) -> "BitsAndBytesConfig":
    import torch

    found = Method.model_validate(shipped("method", "qlora", bits=bits)).quantization(torch.float32)
    assert found is not None
    return found


# From the table of the study's settings: model, method, its settings, trainable and all parameters.
PUBLISHED = [
    ("llama1b", "baseline", {}, 0, 1_235_814_400),
    ("llama1b", "lora", {"rank": 8}, 851_968, 1_236_666_368),
    ("llama1b", "qlora", {"rank": 8}, 851_968, 1_236_666_368),
    ("llama1b", "qlora", {"rank": 8, "bits": 8}, 851_968, 1_236_666_368),
    ("llama1b", "toplayer", {"blocks": 1}, 60_821_504, 1_235_814_400),
    ("llama3b", "baseline", {}, 0, 3_212_749_824),
    ("llama3b", "lora", {"rank": 32}, 9_175_040, 3_221_924_864),
    ("llama3b", "qlora", {"rank": 32}, 9_175_040, 3_221_924_864),
    ("llama3b", "qlora", {"rank": 32, "bits": 8}, 9_175_040, 3_221_924_864),
    ("llama3b", "toplayer", {"blocks": 2, "output_embedding": True}, 595_341_312, 3_212_749_824),
    ("mistral7b", "baseline", {}, 0, 7_248_023_552),
    ("mistral7b", "lora", {"rank": 8}, 3_407_872, 7_251_431_424),
    ("mistral7b", "qlora", {"rank": 8}, 3_407_872, 7_251_431_424),
    ("mistral7b", "qlora", {"rank": 8, "bits": 8}, 3_407_872, 7_251_431_424),
    ("mistral7b", "toplayer", {"blocks": 2, "output_embedding": True}, 570_441_728, 7_248_023_552),
    ("llama8b", "baseline", {}, 0, 8_030_261_248),
    # What the study published for its 3B model's top layers is the 1B model's figure.
    ("llama1b", "toplayer", {"blocks": 2, "output_embedding": True}, 384_311_296, 1_235_814_400),
]


@pytest.mark.parametrize(("model", "method", "settings", "trainable", "total"), PUBLISHED)
def test_parameters_are_those_published(
    model: str, method: str, settings: dict[str, Any], trainable: int, total: int
) -> None:
    import torch

    described = Model.model_validate(shipped("model", model))
    chosen = Method.model_validate(shipped("method", method, **settings))
    base = skeleton(described, None)
    with torch.device("meta"):
        prepared = chosen.prepare(base)
    assert {parameter.device.type for parameter in prepared.parameters()} == {"meta"}
    assert count_parameters(prepared) == (trainable, total)


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_weights_count_unpacked(bits: int) -> None:
    import torch

    loaded = load(Model.model_validate(shipped("model", "tiny", **random(SMALL))), quantised(bits), seed=0)
    packed = loaded.base.model.layers[0].mlp.up_proj.weight
    assert packed.dtype == {4: torch.uint8, 8: torch.int8}[bits]
    assert packed.numel() == {4: 128 * 192 // 2, 8: 128 * 192}[bits]
    assert count_parameters(loaded.base.requires_grad_(False)) == (0, SMALL_TOTAL)
    # The head stays as it is, as the paper's authors do it.
    assert loaded.base.lm_head.weight.dtype == torch.float32


def test_tied_weights_count_once(checkpoint: Path, untied_checkpoint: Path, small_model: SmallModel) -> None:
    tied = load(small_model(), None, seed=0).base
    untied = load(small_model(path=str(untied_checkpoint)), None, seed=0).base
    vocabulary, width = tied.get_input_embeddings().weight.shape
    assert count_parameters(untied)[1] - count_parameters(tied)[1] == vocabulary * width


def random(architecture: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """Settings for random weights of `architecture`."""
    return {"weights": "random", "architecture": architecture, "precision": "float32", **changes}


@pytest.fixture(autouse=True)
def _tokenizer_of_tests(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small checkpoint in place of the embedded one, whose tokenizer random weights take."""
    monkeypatch.setattr("bench.tiny.FOLDER", checkpoint)


def test_a_skeleton_of_a_local_checkpoint(small_model: SmallModel, checkpoint: Path) -> None:
    small = small_model()
    # The checkpoint's own config.json counts, whatever architecture the settings give.
    for described in (small, small.model_copy(update={"architecture": SMALL})):
        base = skeleton(described, checkpoint)
        assert {parameter.device.type for parameter in base.parameters()} == {"meta"}
        assert count_parameters(base)[1] == count_parameters(load(small, None, seed=0).base)[1]


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (
            "lora",
            {"target_modules": ["c_attn"]},
            "method.target_modules: this model has no linear layer named c_attn; "
            "it has down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj, up_proj, v_proj; "
            "name those, or give all-linear",
        ),
        ("toplayer", {"blocks": 3}, "method.blocks: must be at most 2, the blocks this model has, got 3"),
    ],
)
def test_a_method_that_does_not_fit_is_refused_by_the_skeleton(
    small_model: SmallModel, checkpoint: Path, method: str, settings: dict[str, Any], message: str
) -> None:
    chosen = Method.model_validate(shipped("method", method, **settings))
    with pytest.raises(InputError) as caught:
        chosen.prepare(skeleton(small_model(), checkpoint))
    assert str(caught.value) == message


def test_a_skeleton_without_a_configuration(small_model: SmallModel, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        skeleton(small_model(path=str(tmp_path)), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path} is not a checkpoint that transformers loads: ")


def test_random_weights_have_the_architecture_and_its_spread() -> None:
    import torch

    loaded = load(Model.model_validate(shipped("model", "tiny", **random(SMALL))), None, seed=3)
    assert (loaded.context_length, loaded.revision) == (200, None)
    assert count_parameters(loaded.base)[1] == SMALL_TOTAL
    for name, weight in loaded.base.named_parameters():
        assert weight.dtype == torch.float32
        if "norm" in name:
            assert torch.equal(weight, torch.ones_like(weight))
        else:
            assert weight.mean().item() == pytest.approx(0.0, abs=1e-3)
            assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    first, second = loaded.base.model.layers[0].mlp.up_proj.weight[:2]
    assert not torch.equal(first, second)


def test_random_weights_depend_on_the_seed() -> None:
    import torch

    model = Model.model_validate(shipped("model", "tiny", **random(SMALL)))
    one, same, other = (load(model, None, seed).base.lm_head.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_random_weights_of_a_tied_model_stay_tied() -> None:
    tied = Model.model_validate(shipped("model", "tiny", **random(SMALL | {"tie_word_embeddings": True})))
    base = load(tied, None, seed=0).base
    assert base.lm_head.weight is base.model.embed_tokens.weight
    assert count_parameters(base)[1] == SMALL_TOTAL - 640 * 128


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (
            {"vocab_size": 100},
            "tiny embeds 100 tokens, and its tokenizer has 384. Name the tokenizer that belongs to it with "
            "model.tokenizer, or for random weights raise vocab_size in model.architecture.",
        ),
        ({"hidden_act": "nope"}, "transformers cannot build tiny from its configuration: 'nope'"),
        (
            {"num_attention_heads": 0},
            "transformers cannot read model.architecture: integer division or modulo by zero",
        ),
    ],
)
def test_an_architecture_that_cannot_be(architecture: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(Model.model_validate(shipped("model", "tiny", **random(SMALL | architecture))), None, seed=0)
    assert str(caught.value) == message


def test_random_weights_of_a_folder_need_its_configuration_alone(
    small_model: SmallModel, checkpoint: Path, tmp_path: Path
) -> None:
    """Without weights, and first without a tokenizer: then it is the embedded one."""
    shutil.copy(checkpoint / "config.json", tmp_path)
    described = small_model(path=str(tmp_path), weights="random")
    loaded = load(described, None, seed=0)
    assert count_parameters(loaded.base)[1] == count_parameters(load(small_model(), None, seed=0).base)[1]
    assert loaded.base.model.embed_tokens.weight.std().item() == pytest.approx(0.4, rel=0.05)
    assert loaded.tokenizer.name_or_path == str(checkpoint)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(checkpoint / file, tmp_path)
    assert load(described, None, seed=0).tokenizer.name_or_path == str(tmp_path)


def test_an_architecture_goes_before_the_folders_own(small_model: SmallModel, checkpoint: Path) -> None:
    loaded = load(small_model(path=str(checkpoint), **random(SMALL)), None, seed=0)
    assert count_parameters(loaded.base)[1] == SMALL_TOTAL


def test_random_weights_of_a_model_in_the_hubs_cache(
    small_model: SmallModel, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights were never downloaded, though its configuration says how they are split."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--somebody--small" / "snapshots" / (40 * "c")
    shutil.copytree(checkpoint, folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "1.safetensors"}}')
    loaded = load(small_model(path="somebody/small", revision=40 * "c", weights="random"), None, seed=0)
    assert loaded.revision == 40 * "c"
    assert count_parameters(loaded.base)[1] == count_parameters(load(small_model(), None, seed=0).base)[1]


def test_biases_are_drawn_as_zeros() -> None:
    import torch

    gpt2 = {"model_type": "gpt2", "vocab_size": 384, "n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    loaded = load(Model.model_validate(shipped("model", "tiny", **random(gpt2))), None, seed=0)
    weights = dict(loaded.base.named_parameters())
    assert torch.equal(weights["transformer.h.0.attn.c_attn.bias"].cpu(), torch.zeros(96))
    assert torch.equal(weights["transformer.ln_f.weight"].cpu(), torch.ones(32))
    assert loaded.context_length == 64


def test_a_local_folder(small_model: SmallModel, checkpoint: Path) -> None:
    import torch
    from safetensors.torch import load_file

    loaded = load(small_model(), None, seed=0)
    assert not loaded.base.training
    assert loaded.base.device.type == device().type
    assert loaded.base.config.use_cache is True
    assert (loaded.context_length, loaded.revision) == (256, None)
    assert (loaded.tokenizer.padding_side, loaded.tokenizer.pad_token) == ("left", "<pad>")
    held = loaded.base.state_dict()
    for name, weight in load_file(checkpoint / "model.safetensors").items():
        assert torch.equal(held[name].cpu(), weight)


def test_the_precision_asked_for(small_model: SmallModel) -> None:
    import torch

    assert load(small_model(precision="bfloat16"), None, seed=0).base.dtype == torch.bfloat16
    on_cpu = torch.float32 if device().type == "cpu" else torch.bfloat16
    assert precision(small_model(precision="auto")) == on_cpu


def test_the_context_is_the_shorter_of_model_and_tokenizer(
    small_model: SmallModel, checkpoint: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    settings = copy / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"model_max_length": 256', '"model_max_length": 77'))
    assert load(small_model(tokenizer=str(copy)), None, seed=0).context_length == 77
    # What a tokenizer says that sets no limit.
    settings.write_text(settings.read_text().replace(": 77", f": {int(1e30)}"))
    assert load(small_model(tokenizer=str(copy)), None, seed=0).context_length == 256


def test_a_model_without_positions_sets_no_limit() -> None:
    from transformers import MambaConfig, MptConfig, PreTrainedTokenizerFast

    unlimited = PreTrainedTokenizerFast(tokenizer_file=str(tiny.FOLDER / "tokenizer.json"))
    assert context_length(MambaConfig(), unlimited) is None
    assert context_length(MptConfig(max_seq_len=88), unlimited) == 88
    unlimited.model_max_length = 77
    assert context_length(MambaConfig(), unlimited) == 77


def test_a_tokenizer_without_a_pad_token_pads_with_the_end(
    small_model: SmallModel, checkpoint: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    settings = copy / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"pad_token": "<pad>",', ""))
    tokenizer = load(small_model(tokenizer=str(copy)), None, seed=0).tokenizer
    assert tokenizer.pad_token_id == tokenizer.eos_token_id


def refused(model: Model) -> str:
    with pytest.raises(InputError) as caught:
        load(model, None, seed=0)
    return str(caught.value)


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="FlashAttention is installed")
def test_a_package_that_is_not_installed(small_model: SmallModel) -> None:
    message = refused(small_model(attention="flash_attention_2"))
    assert message.startswith("small needs a package that is not installed: FlashAttention2 has been toggled on, but")


@pytest.mark.parametrize("path", ["./nowhere", "/nowhere/at/all", "~/nowhere", "models/not/here", "no where"])
@pytest.mark.parametrize("field", ["path", "tokenizer"])
def test_a_folder_that_is_not_there(small_model: SmallModel, field: str, path: str) -> None:
    assert refused(small_model(**{field: path})) == (
        f"There is no folder {path}. Give one with a config.json and safetensors weights, or a hub name."
    )


def test_pickled_weights_are_not_read(small_model: SmallModel, checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    pickled = tmp_path / "pickled"
    shutil.copytree(checkpoint, pickled)
    (pickled / "model.safetensors").unlink()
    torch.save(load_file(checkpoint / "model.safetensors"), pickled / "pytorch_model.bin")
    assert refused(small_model(path=str(pickled))) == (
        f"{pickled} has no safetensors weights, and no others are read. Convert it first, {OTHER_WAYS}"
    )


def test_weights_without_a_configuration(small_model: SmallModel, checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(checkpoint / "model.safetensors", tmp_path)
    assert refused(small_model(path=str(tmp_path))) == (
        f"{tmp_path} has no config.json, so no model can be loaded from it. Name the folder that save_pretrained wrote."
    )


def test_an_encoder_decoder_that_was_just_downloaded(small_model: SmallModel, checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    (copy / "config.json").write_text('{"model_type": "bart"}')
    assert refused(small_model(path=str(copy), name="bart")) == (
        "bart is a bart model, which is no causal language model; take another"
    )


def test_weights_that_are_cut_off(small_model: SmallModel, checkpoint: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(checkpoint, cut)
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5_000])
    assert refused(small_model(path=str(cut))) == (
        f"{cut} is not a checkpoint that transformers loads: "
        "Error while deserializing header: incomplete metadata, file not fully covered"
    )


def test_weights_that_are_missing_are_not_drawn_at_random(
    small_model: SmallModel, untied_checkpoint: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(untied_checkpoint, copy)
    weights = load_file(copy / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert refused(small_model(path=str(copy))) == (
        f"{copy} lacks 1 of the model's weights, such as lm_head.weight; save it again"
    )


def test_a_tokenizer_without_an_end_of_sequence_token(
    small_model: SmallModel, checkpoint: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    settings = copy / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"eos_token": "</s>",', ""))
    assert refused(small_model(tokenizer=str(copy))) == (
        f"{copy} has a tokenizer without an end-of-sequence token; name another one with model.tokenizer"
    )


def test_a_folder_without_a_tokenizer(small_model: SmallModel, tmp_path: Path) -> None:
    assert refused(small_model(tokenizer=str(tmp_path))).startswith(
        f"{tmp_path} has no tokenizer that transformers loads: "
    )


def test_a_hub_name_without_a_network(small_model: SmallModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert refused(small_model(path="somebody/nothing")) == (
        f"somebody/nothing is not on this machine, and the hub cannot be reached. Check the network, {OTHER_WAYS}"
    )


def test_a_checkpoint_of_the_hub_is_known_by_its_commit(
    small_model: SmallModel, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched before, in the layout of the hub's own cache, and found again without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = 40 * "c"
    shutil.copytree(checkpoint, tmp_path / "models--somebody--small" / "snapshots" / commit)
    references = tmp_path / "models--somebody--small" / "refs"
    references.mkdir()
    (references / "main").write_text(commit)
    for revision in (None, commit):
        assert load(small_model(path="somebody/small", revision=revision), None, seed=0).revision == commit


class Hub(BaseHTTPRequestHandler):
    """Refuses every file as the hub does: `closed/...` is gated, `lost/...` does not exist."""

    def do_HEAD(self) -> None:
        closed = "/closed/" in self.path
        code = "GatedRepo" if closed else "RepoNotFound"
        self.send_response(403 if closed else 404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", "You are not in the authorized list.")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_gated_and_a_missing_model_on_the_hub(tmp_path: Path) -> None:
    """Against a server that answers as the hub does, in a process whose libraries know no other."""
    program = """
import sys, yaml
from bench.errors import InputError
from bench.child.load import load
from bench.model import Model
settings = yaml.safe_load(open(sys.argv[1]))
del settings["learning_rate_factor"]
for path, revision in (("closed/model", None), ("lost/model", None), ("lost/model", 40 * "f")):
    try:
        load(Model.model_validate(settings | {"path": path, "revision": revision}), None, 0)
    except InputError as error:
        print(error)
"""
    with hub() as address:
        done = subprocess.run(
            [sys.executable, "-c", program, str(CONF / "model" / "tiny.yaml")],
            env=os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"},
            capture_output=True,
            text=True,
        )
    assert done.stdout.splitlines() == [
        "closed/model is gated, and no token with access was found. Accept its licence on its hub page and run "
        f"`hf auth login`, {OTHER_WAYS}",
        f"The hub has no model lost/model, or you have no access to it. Check the name, {OTHER_WAYS}",
        f"The hub has no model lost/model at revision {40 * 'f'}, or you have no access to it. "
        f"Check the name, {OTHER_WAYS}",
    ], done.stderr


def test_the_settings_of_the_studys_models_are_those_of_the_table() -> None:
    fields = (
        *("model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
        *("num_key_value_heads", "head_dim", "tie_word_embeddings", "max_position_embeddings"),
    )
    rows = {
        "llama1b": ("llama", 128_256, 2048, 8192, 16, 32, 8, 64, True, 131_072),
        "llama3b": ("llama", 128_256, 3072, 8192, 28, 24, 8, 128, True, 131_072),
        "mistral7b": ("mistral", 32_768, 4096, 14_336, 32, 32, 8, 128, False, 32_768),
        "llama8b": ("llama", 128_256, 4096, 14_336, 32, 32, 8, 128, False, 8_192),
    }
    scaled = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8_192,
    }
    ropes = {
        "llama1b": scaled,
        "llama3b": scaled,
        "mistral7b": {"rope_type": "default", "rope_theta": 1_000_000.0},
        "llama8b": {"rope_type": "default", "rope_theta": 500_000.0},
    }
    for name, row in rows.items():
        architecture = Model.model_validate(shipped("model", name)).architecture
        assert architecture is not None
        assert tuple(architecture[field] for field in fields) == row
        assert architecture["rope_parameters"] == ropes[name]
        assert architecture["rms_norm_eps"] == 1e-5
