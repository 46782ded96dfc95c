#!/usr/bin/env python3
"""Compares our logits with those of transformers in fp32.

    compare_logits.py PRINT_LOGITS [MODEL_FOLDER ...]

Runs PRINT_LOGITS (print_logits.cpp) on the given folders and on tiny random models made here, one for each
family and each feature of the forward pass. Exits 1 when a relative error reaches 1e-4, 77 (skipped) when
torch or transformers is missing.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 1e-4

try:
    import numpy as np
    import torch
    import transformers
    from transformers import (AutoModelForCausalLM, LlamaConfig, MistralConfig, MixtralConfig,
                              OPTConfig, Phi3Config, Qwen2Config, Qwen2MoeConfig, Qwen3Config,
                              Qwen3MoeConfig)
except ImportError as error:
    print(f"skipped: {error} (set TESSERA_INTEROP_PYTHON to an interpreter with torch and transformers)")
    sys.exit(77)

TINY = dict(hidden_size=48, intermediate_size=100, num_hidden_layers=3, num_attention_heads=6,
            num_key_value_heads=2, vocab_size=211, max_position_embeddings=1024,
            tie_word_embeddings=False, initializer_range=0.2)
OPT = dict(hidden_size=48, ffn_dim=100, num_hidden_layers=3, num_attention_heads=6, vocab_size=211,
           max_position_embeddings=1024, word_embed_proj_dim=48, init_std=0.2)
PHI3 = dict(**TINY, pad_token_id=0)
QWEN_MOE = dict(**TINY, num_experts=7, num_experts_per_tok=3, moe_intermediate_size=36)
QWEN2_MOE = dict(**QWEN_MOE, shared_expert_intermediate_size=52)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=128)

MODELS = {
    "llama": LlamaConfig(**TINY),
    "llama, tied": LlamaConfig(**{**TINY, "tie_word_embeddings": True}),
    "llama, llama3 scaling": LlamaConfig(**TINY, rope_scaling=LLAMA3, rope_theta=500000.0),
    "llama, linear scaling": LlamaConfig(**TINY, rope_scaling=dict(rope_type="linear", factor=3.0)),
    "llama, attention and mlp biases": LlamaConfig(**TINY, attention_bias=True, mlp_bias=True),
    "llama, heads of 10": LlamaConfig(**TINY, head_dim=10),
    "llama, heads of 80, no sharing": LlamaConfig(**{**TINY, "num_key_value_heads": 6}, head_dim=80),
    "mistral, window of 50": MistralConfig(**TINY, sliding_window=50),
    "mistral, no window": MistralConfig(**TINY, sliding_window=None),
    "mixtral": MixtralConfig(**TINY),
    "mixtral, window of 50, one expert a token": MixtralConfig(**TINY, sliding_window=50,
                                                               num_experts_per_tok=1),
    "opt": OPTConfig(**OPT),
    "opt, heads of 10, own head": OPTConfig(**{**OPT, "hidden_size": 60, "word_embed_proj_dim": 60},
                                            tie_word_embeddings=False),
    "opt, heads of 80": OPTConfig(**{**OPT, "hidden_size": 160, "word_embed_proj_dim": 160,
                                     "num_attention_heads": 2}),
    "phi3": Phi3Config(**PHI3),
    "phi3, heads of 10": Phi3Config(**PHI3, head_dim=10),
    "phi3, heads of 80, window of 50": Phi3Config(**PHI3, head_dim=80, sliding_window=50),
    "qwen2": Qwen2Config(**TINY),
    "qwen2, window of 50": Qwen2Config(**TINY, use_sliding_window=True, sliding_window=50,
                                       max_window_layers=0),
    "qwen2_moe": Qwen2MoeConfig(**QWEN2_MOE),
    "qwen2_moe, normalized weights": Qwen2MoeConfig(**QWEN2_MOE, norm_topk_prob=True),
    "qwen3": Qwen3Config(**TINY, head_dim=16),
    "qwen3_moe": Qwen3MoeConfig(**QWEN_MOE),
    "qwen3_moe, normalized weights, all experts": Qwen3MoeConfig(
        **{**QWEN_MOE, "num_experts_per_tok": 7}, head_dim=16, norm_topk_prob=True,
        attention_bias=True),
}


def make_model(config, folder: Path):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # transformers starts these at 0 and 1
            if name.endswith(".bias"):
                parameter.normal_(0, 0.3)
            elif "norm" in name:
                parameter.normal_(1, 0.3)
    model.save_pretrained(folder)


def ours(program: str, folder: Path, tokens):
    run = subprocess.run([program, str(folder), str(tokens.shape[1])],
                         input=tokens.astype(np.uint32).tobytes(), capture_output=True)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.decode().strip())
    return np.frombuffer(run.stdout, np.float32).reshape(*tokens.shape, -1)


def theirs(folder: Path, tokens):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                 attn_implementation="eager")
    with torch.no_grad():
        return model(torch.from_numpy(tokens)).logits.numpy()


def relative_error(program: str, folder: Path) -> float:
    config = transformers.AutoConfig.from_pretrained(folder)
    length = min(config.max_position_embeddings, 300)  # more than one tile of tokens, and not a whole one
    tokens = np.random.default_rng(7).integers(0, config.vocab_size, (2, length))
    expected = theirs(folder, tokens).astype(np.float64)
    error = np.linalg.norm(ours(program, folder, tokens) - expected, axis=-1)
    return float((error / np.linalg.norm(expected, axis=-1)).max())  # the worst token


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    program, folders = sys.argv[1], [Path(name) for name in sys.argv[2:]]
    torch.set_num_threads(2)
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        cases = [(folder.name, folder) for folder in folders]
        for name, config in MODELS.items():
            folder = Path(scratch) / name.replace(" ", "_").replace(",", "")
            make_model(config, folder)
            cases.append((name, folder))
        print(f"transformers {transformers.__version__}, torch {torch.__version__}, fp32; worst token's relative error")
        for name, folder in cases:
            error = relative_error(program, folder)
            bad += not error < LIMIT  # NaN is bad too
            print(f"{name:40s} {error:.2e}{'' if error < LIMIT else '  ABOVE ' + str(LIMIT)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
