"""Language models with random weights that take milliseconds for a training step, and their tokenizer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

SENTENCES = (
    "Militia carried out a live-fire drill near Orsha on 3 May with four howitzers.",
    "Question: Who carried out the drill? Answer: the coastal brigade, on Monday.",
    "An accident at the depot injured seven sailors; the navy sent a rescue ship.",
    "Below is an instruction that describes a task. Write a response to the request.",
)

SIZES: dict[str, Any] = {
    "vocab_size": 384,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    # Large weights, so that answers differ from one another and no two tokens are all but equally likely.
    "initializer_range": 0.4,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
"""By the names that most architectures have for them."""
OWN_SIZES: dict[str, dict[str, Any]] = {
    "bamba": {"mamba_n_heads": 4, "mamba_d_head": 32, "mamba_d_state": 4},
    "falcon": {"ffn_hidden_size": 128},
    "gemma2": {"head_dim": 32, "sliding_window": 24},
    "gemma3_text": {"head_dim": 32, "sliding_window": 24},
    "gpt2": {"n_inner": 128},
    "gpt_oss": {"head_dim": 16, "num_local_experts": 4},
    "mamba": {"state_size": 4},
    "mistral": {"sliding_window": 24},
    "mixtral": {"num_local_experts": 4},
    "opt": {"ffn_dim": 128, "word_embed_proj_dim": 64},
    "qwen2_moe": {"num_experts": 4, "moe_intermediate_size": 64, "shared_expert_intermediate_size": 64},
    "qwen3": {"head_dim": 32},
    "rwkv": {"attention_hidden_size": 64},
}
"""What an architecture needs besides, to be as small as the others."""


def small(kind: str = "llama", dtype: "torch.dtype | None" = None, **changes: Any) -> "PreTrainedModel":
    """A causal language model of this architecture, with the same weights every time; in float32 if nothing is said."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(**{"model_type": kind} | SIZES | OWN_SIZES.get(kind, {}) | changes)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype or torch.float32)
    return model


def move(model: "PreTrainedModel") -> None:
    """Changes every weight that is trained, as training would."""
    import torch

    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)


def write(folder: Path, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> Path:
    """A checkpoint of both in `folder`."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(str(folder))
    return folder


def byte_level_tokenizer(**tokens: str) -> "PreTrainedTokenizerFast":
    """Byte-level BPE over `SENTENCES` that puts a BOS before every text, as Llama's does, and no EOS after it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=SIZES["vocab_size"],
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", model_max_length=256, **tokens
    )
