#!/usr/bin/env python3
"""Loads our GPTQ models with transformers, optimum and gptqmodel on the CPU and compares all weights
and logits.

    load_in_gptqmodel.py MAKE_INTEGER_MODEL DUMP_DENSE_MODEL PRINT_LOGITS

Packs tiny random models as random integers in every form we write (make_integer_model.cpp). Of each it
compares, bit for bit, the weights gptqmodel's torch kernel dequantizes, and those of a decoder
written here, with those our reader dequantizes (dump_dense_model.cpp); then the logits of the packed
model with those of the dense one in transformers and in our forward pass. Exits 1 on a difference, 77
(skipped) where a package is missing.
"""
import contextlib
import io
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # the kernel would be compiled anew for each shape
try:
    import numpy as np
    import torch
    import transformers
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, GPTQConfig, LlamaConfig, Qwen2Config, Qwen3Config
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import gptqmodel
        from gptqmodel.nn_modules.qlinear.torch import TorchQuantLinear
    import optimum.version

    from common import (Report, logits_of, make_random_model, our_logits, random_tokens,
                        relative_error, run)
except ImportError as error:
    print(f"skipped: {error} (set TESSERA_INTEROP_PYTHON to an interpreter with torch, "
          "transformers==4.57.6, optimum==2.0.0 and gptqmodel==5.6.12)")
    sys.exit(77)

OUR_LOGITS_LIMIT = 2e-3
# Rows of 64 and 96: groups of 64 leave a ragged last one, groups of 128 are longer than the rows.
FORMS = {f"W{bits}{', asymmetric' if asym else ''}{f', groups of {group}' if group else ', rows'}":
         f"--bits {bits} --group {group} {'--asym' if asym else ''}"
         for bits in (2, 3, 4, 8) for asym in (False, True) for group in (0, 32, 64, 128)}
FORMS |= {
    "W4, k_proj left alone": "--leave k_proj",
    "W3, a block's mlp left alone": "--bits 3 --leave 0.mlp",
    "W4, shards": "--group 32 --shard-bytes 8000",
}
TINY = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=211, max_position_embeddings=256,
            tie_word_embeddings=False, initializer_range=0.2)


def load(folder: Path, **arguments):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **arguments)


def unpacked(words, bits: int, count: int):
    """The first @p count numbers of each row's stream of bits, lowest first."""
    rows = words.astype("<u4").view(np.uint8)
    stream = np.unpackbits(rows, axis=1, bitorder="little")[:, :count * bits]
    return stream.reshape(len(rows), count, bits) @ (1 << np.arange(bits))


def decoded_weights(packed: Path):
    """Dequantized by the format's formula, layer by layer."""
    config = json.loads((packed / "config.json").read_text())["quantization_config"]
    assert config == json.loads((packed / "quantize_config.json").read_text())
    bits, less = config["bits"], 0 if config["checkpoint_format"] == "gptq_v2" else 1
    stored = {}
    for file in packed.glob("*.safetensors"):
        stored |= load_file(file)
    weights = {}
    for layer in (name.removesuffix(".qweight") for name in stored if name.endswith(".qweight")):
        qweight, qzeros, scales, g_idx = (
            stored[f"{layer}.{part}"].numpy() for part in ("qweight", "qzeros", "scales", "g_idx"))
        codes = unpacked(np.ascontiguousarray(qweight.T), bits, len(g_idx))
        zeros = unpacked(qzeros, bits, scales.shape[1]) + less
        steps = (codes - zeros[g_idx].T).astype(np.float32)
        weights[layer + ".weight"] = torch.from_numpy(steps * scales[g_idx].T.astype(np.float32))
    return weights


def kernel_weights(model):
    return {name + ".weight": module.dequantize_weight().T.float()
            for name, module in model.named_modules() if isinstance(module, TorchQuantLinear)}


def num_different(theirs, ours) -> int:
    return sum(int((ours[name] != weight).sum()) for name, weight in theirs.items())


def check(report, programs, scratch: Path, what: str, model_folder: Path, options: str):
    make, dump, print_logits = programs
    packed, dense = scratch / "packed", scratch / "dense"
    run("rm", "-rf", packed, dense)
    run(make, model_folder, packed, "--format", "gptq", *options.split())
    run(dump, packed, dense)
    ours = load_file(dense / "model.safetensors")
    by_formula = decoded_weights(packed)
    # On a CPU the backend has to be named; the rest is read from config.json.
    model = load(packed, device_map="cpu", quantization_config=GPTQConfig(bits=4, backend="torch"))
    by_kernel = kernel_weights(model)
    assert set(by_formula) == set(by_kernel), set(by_formula) ^ set(by_kernel)
    tokens = random_tokens(model)
    theirs = logits_of(model, tokens)
    error = relative_error(theirs, logits_of(load(dense), tokens))
    our_error = relative_error(our_logits(print_logits, dense, tokens), theirs)
    different = num_different(by_formula, ours), num_different(by_kernel, ours)
    is_good = different == (0, 0) and error < 1e-5 and our_error < OUR_LOGITS_LIMIT
    report.add(what, is_good, f"{different[0]}, {different[1]} weights of {len(by_kernel)} layers "
                              f"differ, logits {error:.1e} from the dense model's, {our_error:.1e} "
                              "from our forward's")


def main() -> int:
    if len(sys.argv) != 4:
        print(__doc__)
        return 2
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message="You passed `quantization_config`")
    print(f"transformers {transformers.__version__}, optimum {optimum.version.__version__}, "
          f"gptqmodel {gptqmodel.__version__}, torch {torch.__version__}, CPU, fp32")
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
        biased = LlamaConfig(**TINY, attention_bias=True, mlp_bias=True)
        check_on(biased, "biases of its own", "--group 32")
        check_on(LlamaConfig(**TINY), "new biases", "--group 32 --bias")
        check_on(Qwen2Config(**TINY), "qwen2 (biases)", "--group 32")
        tied = Qwen3Config(**{**TINY, "tie_word_embeddings": True}, head_dim=16)
        check_on(tied, "qwen3, tied", "--bits 3 --group 32")
    return report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
