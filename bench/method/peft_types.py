"""What peft 0.21 does not say about its types: which ones need more than a model and data, and what they stand."""

from __future__ import annotations

REFUSED_TYPES = {
    "ADALORA": "must know how many steps training takes; choose method=adalora",
    "CPT": "keeps its training examples in its configuration, and has a loss of its own; choose method=prompt_tuning",
    "LILY": "mixes the examples of a batch, so that scores would depend on generation.batch; choose another type",
    "MULTITASK_PROMPT_TUNING": "needs to know the task of every example; choose method=prompt_tuning",
    "POLY": "needs to know the task of every example; choose method=lora",
    "XLORA": "mixes adapters that were trained before; choose method=lora",
}
"""Why a type cannot be used, as the end of a sentence."""

QUANTIZABLE_TYPES = (
    "ADALORA",
    "ADAPTION_PROMPT",
    "BEFT",
    "BOFT",
    "C3A",
    "CARTRIDGE",
    "FOURIERFT",
    "GRALORA",
    "HIRA",
    "IA3",
    "LN_TUNING",
    "LORA",
    "MISS",
    "OFT",
    "PREFIX_TUNING",
    "PROMPT_TUNING",
    "PVERA",
    "P_TUNING",
    "RANDLORA",
    "ROAD",
    "SHADOW",
    "SHIRA",
    "TRAINABLE_TOKENS",
    "VBLORA",
    "VERA",
    "WAVEFT",
)
"""Types that add to a quantised base what they add to the same weights in float32; the tests compare the two. The
others read the base's weights and take the bytes for numbers, or fail."""

FLOAT32_TYPES = (
    "ADAPTION_PROMPT",
    "DELORA",
    "HIRA",
    "OSF",
    "PVERA",
    "SHADOW",
    "TINYLORA",
    "UNILORA",
    "VERA",
)
"""Types that multiply their parameters with others in float32."""

INITIALISATIONS = ("gaussian", "mica", "olora", "orthogonal", "pissa")
"""Initialisations of LoRA that need nothing but the base's weights, and that are repeated exactly when peft loads the
adapter: PiSSA and OLoRA change the base's weights, and are computed anew on a fresh one."""

FIXED_FIELDS = frozenset(
    (
        # tunebench's own business
        "auto_mapping",
        "base_model_name_or_path",
        "inference_mode",
        "peft_type",
        "peft_version",
        "revision",
        "task_type",
        "total_step",
        # read other files, or import modules by name
        "arrow_config",
        "megatron_config",
        "megatron_core",
        "prompt_tuning_init_state_dict_path",
        "shadow_model",
        "tokenizer_kwargs",
        # need steps before training, after each step, or for merging
        "corda_config",
        "eva_config",
        "kasa_config",
        "loftq_config",
        "lora_ga_config",
        "monteclora_config",
        "runtime_config",
        "use_asa",
        "use_bdlora",
        "velora_config",
    )
)
"""Fields of configuration classes that cannot be set."""
