#!/usr/bin/env python3
"""Loads our packed models with transformers and vptq on the CPU and compares all weights and logits.

    load_in_vptq.py MAKE_PACKED_MODEL DUMP_DENSE_MODEL PRINT_LOGITS [MODEL_FOLDER ...]

Packs the given models, and tiny random ones made here, with random codebooks in every form the
format has (make_packed_model.cpp). Of each it compares, bit for bit, the weights vptq dequantizes
with the weights our reader dequantizes (dump_dense_model.cpp); then the logits of the packed model
in transformers with those of the dense one in transformers and in our forward pass. Exits 1 on a
difference, 77 (skipped) where a package is missing.
"""
import contextlib
import io
import sys
import tempfile
import types
from pathlib import Path

try:
    import sentence_transformers  # noqa: F401  vptq imports it and uses it for embeddings only
except ImportError:
    stub = types.ModuleType("sentence_transformers.SentenceTransformer")
    stub.SentenceTransformer = type("SentenceTransformer", (), {})
    sys.modules["sentence_transformers"] = types.ModuleType("sentence_transformers")
    sys.modules["sentence_transformers.SentenceTransformer"] = stub

try:
    import torch
    import transformers
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config
    with contextlib.redirect_stdout(io.StringIO()):  # says that it found no CUDA
        import vptq
        from vptq.layers.vqlinear import VQuantLinear
    dequant = sys.modules["vptq.ops.quant_gemm"].dequant
    from common import (Report, logits_of, make_random_model, our_logits, random_tokens,
                        relative_error, run)
except ImportError as error:
    print(f"skipped: {error} (set TESSERA_INTEROP_PYTHON to an interpreter with torch, "
          "'transformers>=4.48,<5' and vptq==0.0.5.post1)")
    sys.exit(77)

LOGITS_LIMIT = 2e-3

# Every vector length, ragged ones included (the tiny models have 32, 64, 128, 172, 192 and 352
# outputs), every optional tensor alone and together, every stored type.
FORMS = {
    "v 1": "--v 1 --k 16",
    "v 2": "--v 2 --k 4",
    "v 4, K 256": "--v 4 --k 256",
    "v 4, K 256, Kr 16": "--v 4 --k 256 --kr 16",
    "v 6, ragged": "--v 6 --k 4096",
    "v 6, ragged, Kr": "--v 6 --k 4096 --kr 4096",
    "v 7, ragged": "--v 7 --k 512 --kr 8",
    "v 8, K 65536": "--v 8 --k 65536",
    "v 8, K 65536, Kr 256": "--v 8 --k 65536 --kr 256",
    "v 8, Kr = K": "--v 8 --k 256 --kr 256",
    "v 10": "--v 10 --k 1024",
    "v 12, ragged, Kr": "--v 12 --k 4096 --kr 64",
    "v 16": "--v 16 --k 4096 --kr 4096",
    "no norm (identity)": "--v 8 --k 256 --no-norm",
    "perm absorbed": "--v 4 --k 256 --kr 16 --perm",
    "perm kept": "--v 4 --k 256 --kr 16 --keep-perm",
    "2 groups": "--v 8 --k 256 --groups 2",
    "4 groups, Kr, perm": "--v 6 --k 256 --kr 256 --groups 4 --perm",
    "outliers": "--v 8 --k 256 --outliers 3 --v0 4 --k0 16",
    "ragged outliers, perm": "--v 8 --k 256 --kr 16 --outliers 5 --v0 6 --k0 100 --perm",
    "everything": "--v 12 --k 1024 --kr 32 --groups 2 --outliers 3 --v0 4 --k0 64 --perm",
    "bfloat16": "--v 8 --k 256 --kr 16 --dtype bfloat16",
    "float32": "--v 8 --k 256 --kr 16 --dtype float32",
    "shards": "--v 8 --k 256 --kr 16 --shard-bytes 40000",
    "stored tied head": "--v 8 --k 256 --store-tied-head",
}
TINY = dict(hidden_size=48, intermediate_size=100, num_hidden_layers=2, num_attention_heads=6,
            num_key_value_heads=2, vocab_size=211, max_position_embeddings=256,
            tie_word_embeddings=False, initializer_range=0.2)
RANDOM_MODELS = {
    "llama with biases": LlamaConfig(**TINY, attention_bias=True, mlp_bias=True),
    "qwen2 (biases)": Qwen2Config(**TINY),
    "qwen3, tied": Qwen3Config(**{**TINY, "tie_word_embeddings": True}, head_dim=16),
}


def dense_weight(m: "VQuantLinear"):
    """The weight vptq itself computes with on a CPU."""
    def view(codebook, groups, entries, vector_len):
        return None if codebook is None else codebook.weight.view(groups, entries, vector_len)

    return dequant(
        indices=m.indices, res_indices=m.res_indices, outlier_indices=m.outlier_indices,
        centroids=view(m.centroids, m.num_codebooks, m.num_centroids, m.vector_len),
        res_centroids=view(m.res_centroids, m.num_codebooks, m.num_res_centroids, m.vector_len),
        outlier_centroids=view(m.outlier_centroids, 1, m.num_outlier_centroids,
                               m.outlier_vector_len),
        perm=getattr(m, "perm", None), weight_scale=m.weight_scale, weight_bias=m.weight_bias,
        is_indice_packed=m.is_indice_packed, enable_outlier=m.enable_outlier,
        enable_residual=m.enable_residual, enable_perm=m.enable_perm, enable_norm=m.enable_norm,
        num_centroids=m.num_centroids, num_outlier_centroids=m.num_outlier_centroids,
        num_res_centroids=m.num_res_centroids, padding=m.padding, outlier_padding=m.outlier_padding,
        num_codebooks=m.num_codebooks, group_size=m.group_size, outlier_size=m.outlier_size,
        vector_len=m.vector_len, outlier_vector_len=m.outlier_vector_len)


def weights_differ(model, ours) -> int:
    """Elements that differ, over all packed layers and all other parameters."""
    theirs = {name + ".weight": dense_weight(m) for name, m in model.named_modules()
              if isinstance(m, VQuantLinear)}
    num_packed = len(theirs)
    inside = tuple(name.removesuffix("weight") for name in theirs)
    theirs |= {name: p for name, p in model.named_parameters()
               if not name.startswith(inside) or name.endswith(".bias")}
    assert num_packed == 7 * model.config.num_hidden_layers, f"{num_packed} layers were replaced"
    # A tied head has no parameter of its own.
    only_one_has = (set(ours) ^ set(theirs)) - {"lm_head.weight"}
    assert not only_one_has, f"names differ: {sorted(only_one_has)}"
    return sum(int((ours[name] != theirs[name].float()).sum()) for name in set(ours) & set(theirs))


def load_with_vptq(folder: Path):
    """vptq's own loader; it prints a progress bar."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return vptq.AutoModelForCausalLM.from_pretrained(str(folder), device_map={"": "cpu"})


class Checker:
    def __init__(self, make, dump, print_logits, scratch: Path):
        self.make, self.dump, self.print_logits, self.scratch = make, dump, print_logits, scratch
        self.report = Report()

    def check(self, what: str, model_folder: Path, options: str):
        packed, dense = self.scratch / "packed", self.scratch / "dense"
        for folder in (packed, dense):
            run("rm", "-rf", folder)
        run(self.make, model_folder, packed, *options.split())
        run(self.dump, packed, dense)
        model = AutoModelForCausalLM.from_pretrained(packed, dtype=torch.float32)
        num_different = weights_differ(model, load_file(dense / "model.safetensors"))
        tokens = random_tokens(model)
        theirs = logits_of(model, tokens)
        as_dense = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)
        dense_error = relative_error(theirs, logits_of(as_dense, tokens))
        our_error = relative_error(our_logits(self.print_logits, dense, tokens), theirs)
        is_good = num_different == 0 and dense_error < 1e-5 and our_error < LOGITS_LIMIT
        self.report.add(what, is_good, f"{num_different} weights differ, logits {dense_error:.1e} "
                                       f"from the dense model's, {our_error:.1e} from our forward's")
        if "--store-tied-head" in options or not model.config.tie_word_embeddings:
            self.check_own_loader(what, packed, tokens, theirs)

    def check_own_loader(self, what: str, packed: Path, tokens, expected):
        model = load_with_vptq(packed)
        # It computes in the stored type.
        limit = {torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 2e-1}[model.dtype]
        error = relative_error(logits_of(model, tokens), expected)
        self.report.add(what + ", vptq's own loader", error < limit,
                        f"logits {error:.1e} apart in {model.dtype}")


def main() -> int:
    if len(sys.argv) < 4:
        print(__doc__)
        return 2
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folders = [Path(name) for name in sys.argv[4:]]
    print(f"transformers {transformers.__version__}, vptq {vptq.__version__}, "
          f"torch {torch.__version__}, CPU, fp32")
    with tempfile.TemporaryDirectory() as scratch:
        checker = Checker(*sys.argv[1:4], Path(scratch))
        random_folders = {}
        for name, config in RANDOM_MODELS.items():
            random_folders[name] = Path(scratch) / name.replace(" ", "_")
            make_random_model(config, random_folders[name])
        every_form = folders[0] if folders else random_folders["qwen3, tied"]
        for form, options in FORMS.items():
            checker.check(f"{every_form.name}: {form}", every_form, options)
        for folder in folders[1:]:
            checker.check(f"{folder.name}: v 8, Kr 16", folder, "--v 8 --k 256 --kr 16 --perm")
        for name, folder in random_folders.items():
            checker.check(f"{name}: v 6, Kr 16", folder, "--v 6 --k 256 --kr 16")
            checker.check(f"{name}: float32", folder,
                          "--v 8 --k 256 --dtype float32 --store-tied-head")
    return checker.report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
