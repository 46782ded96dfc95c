#!/usr/bin/env python3
"""Loads our models of integers with transformers and compressed-tensors on the CPU and compares all
weights and logits.

    load_in_compressed_tensors.py MAKE_INTEGER_MODEL DUMP_DENSE_MODEL PRINT_LOGITS

Packs tiny random models as random integers in every form we write (make_integer_model.cpp). Of each it
compares, bit for bit, the weights compressed-tensors decompresses with those our reader dequantizes
(dump_dense_model.cpp); then the logits of the packed model with those of the dense one in
transformers, whose inputs are quantized here by the formula where the model's are, and in our
forward pass where they are not. Exits 1 on a difference, 77 (skipped) where a package is missing.
"""
import contextlib
import io
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import compressed_tensors
    import torch
    import transformers
    from safetensors.torch import load_file
    from transformers import (AutoModelForCausalLM, CompressedTensorsConfig, LlamaConfig,
                              MixtralConfig, Qwen2Config, Qwen2MoeConfig, Qwen3Config,
                              Qwen3MoeConfig)

    from common import (Report, logits_of, make_random_model, our_logits, random_tokens,
                        relative_error, run)
except ImportError as error:
    print(f"skipped: {error} (set TESSERA_INTEROP_PYTHON to an interpreter with torch, "
          "transformers==4.57.6 and compressed-tensors==0.20.0)")
    sys.exit(77)

OUR_LOGITS_LIMIT = 2e-3
FORMS = {
    "W4, groups of 16": "--bits 4 --group 16",
    "W4, rows": "--bits 4",
    "W2, groups of 16": "--bits 2 --group 16",
    "W2, rows": "--bits 2",
    "W3, groups of 16": "--bits 3 --group 16",
    "W3, rows": "--bits 3",
    "W8, groups of 16": "--bits 8 --group 16",
    "W8, rows": "--bits 8",
    "W4, bfloat16": "--bits 4 --group 16 --dtype bfloat16",
    "W4, float32": "--bits 4 --group 16 --dtype float32",
    "W4, k_proj left alone": "--bits 4 --group 16 --leave k_proj",
    "W4, a block's mlp left alone": "--bits 4 --leave 0.mlp",
    "mixed bits and groups": "--bits 4 --group 16 --mixed",
    "mixed, k_proj left alone": "--bits 4 --group 16 --mixed --leave k_proj",
    "W4, shards": "--bits 4 --group 16 --shard-bytes 8000",
    "W8A8 dynamic": "--bits 8 --inputs dynamic",
    "W8A8 dynamic, bfloat16": "--bits 8 --inputs dynamic --dtype bfloat16",
    "W8A8 dynamic, k_proj left alone": "--bits 8 --inputs dynamic --leave k_proj",
    "W8A8 static": "--bits 8 --inputs static",
    "W8A8 static, asymmetric": "--bits 8 --inputs static-asym",
}
TINY = dict(hidden_size=48, intermediate_size=112, num_hidden_layers=2, num_attention_heads=6,
            num_key_value_heads=2, vocab_size=211, max_position_embeddings=256,
            tie_word_embeddings=False, initializer_range=0.2)
EXPERTS = dict(**TINY, num_experts=5, num_experts_per_tok=2, moe_intermediate_size=32,
               shared_expert_intermediate_size=64)
RAGGED = {**TINY, "hidden_size": 44, "intermediate_size": 101, "head_dim": 10}


def load(folder: Path, **arguments):
    with contextlib.redirect_stderr(io.StringIO()):  # progress bars
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **arguments)


def quantize_inputs(model, stored):
    """Makes the dense model's layers see their inputs as compressed-tensors simulates them."""
    def hook_for(layer):
        scale = stored.get(layer + ".input_scale")
        zero_point = stored.get(layer + ".input_zero_point", torch.zeros(1))

        def quantized(_, inputs):
            x = inputs[0]
            by = x.abs().amax(-1, keepdim=True) / 127.5 if scale is None else scale.float()
            q = torch.clamp(x / by + zero_point, -128, 127).round()
            return ((q - zero_point) * by,)
        return quantized

    for name, module in model.named_modules():
        if name + ".weight_scale" in stored:
            module.register_forward_pre_hook(hook_for(name))


def weights_differ(packed: Path, ours) -> int:
    """Elements that differ, over all parameters."""
    config = CompressedTensorsConfig(run_compressed=False)
    model = load(packed, quantization_config=config)
    theirs = dict(model.named_parameters())
    missing = set(ours) - set(theirs)
    assert missing <= {"lm_head.weight"}, f"names differ: {sorted(missing)}"
    return sum(int((ours[name] != theirs[name].float()).sum()) for name in ours if name in theirs)


def check(report, programs, scratch: Path, what: str, model_folder: Path, options: str):
    make, dump, print_logits = programs
    packed, dense = scratch / "packed", scratch / "dense"
    run("rm", "-rf", packed, dense)
    run(make, model_folder, packed, *options.split())
    run(dump, packed, dense)
    num_different = weights_differ(packed, load_file(dense / "model.safetensors"))
    model = load(packed)
    tokens = random_tokens(model)
    with contextlib.redirect_stderr(io.StringIO()):  # it unpacks when it first runs
        theirs = logits_of(model, tokens)
    as_dense = load(dense)
    with_inputs = "--inputs" in options
    our_error = relative_error(our_logits(print_logits, dense, tokens), theirs)
    if with_inputs:
        quantize_inputs(as_dense, load_file(packed / "model.safetensors"))
    error = relative_error(theirs, logits_of(as_dense, tokens))
    text = f"{num_different} weights differ, logits {error:.1e} from the dense model's"
    is_good = num_different == 0 and error < 1e-5
    if with_inputs:  # our forward had the inputs as they were
        is_good = is_good and our_error > 1e-4
        text += f", {our_error:.1e} without quantized inputs"
    else:
        is_good = is_good and our_error < OUR_LOGITS_LIMIT
        text += f", {our_error:.1e} from our forward's"
    report.add(what, is_good, text)


def main() -> int:
    if len(sys.argv) != 4:
        print(__doc__)
        return 2
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", message="You passed `quantization_config`")
    transformers.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, compressed-tensors "
          f"{compressed_tensors.__version__}, torch {torch.__version__}, CPU, fp32")
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)

        def check_on(config, what, options):
            folder = scratch / "model"
            run("rm", "-rf", folder)
            make_random_model(config, folder)
            check(report, sys.argv[1:4], scratch, what, folder, options)

        for form, options in FORMS.items():
            check_on(LlamaConfig(**TINY), form, options)
        for bits in (2, 3, 4, 8):
            check_on(LlamaConfig(**RAGGED), f"ragged rows, W{bits}", f"--bits {bits}")
        biased = LlamaConfig(**TINY, attention_bias=True, mlp_bias=True)
        check_on(biased, "biases of its own, W4", "--bits 4 --group 16")
        check_on(LlamaConfig(**TINY), "new biases, W4", "--bits 4 --group 16 --bias")
        check_on(LlamaConfig(**TINY), "new biases, W8A8", "--bits 8 --inputs dynamic --bias")
        for config in (MixtralConfig(**TINY), Qwen2MoeConfig(**EXPERTS), Qwen3MoeConfig(**EXPERTS)):
            check_on(config, f"{config.model_type}, W4", "--bits 4 --group 16")
            # It simulates a dynamic scale by token only where inputs have a batch's dimension, which
            # an expert's gathered tokens have not.
            check_on(config, f"{config.model_type}, W8A8 static", "--bits 8 --inputs static")
        check_on(Qwen2Config(**TINY), "qwen2 (biases), W4", "--bits 4 --group 16")
        tied = Qwen3Config(**{**TINY, "tie_word_embeddings": True}, head_dim=16)
        check_on(tied, "qwen3, tied, W4", "--bits 4 --group 16")
        check_on(tied, "qwen3, tied, W8A8", "--bits 8 --inputs static")
    return report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
