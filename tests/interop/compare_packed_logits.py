#!/usr/bin/env python3
"""Logits of a packed model in its engine's package against our own forward pass over the same folder.

    compare_packed_logits.py PRINT_LOGITS MODEL_FOLDER [--length 256] [--sequences 2] [--limit 2e-3]

Loads the folder with transformers on a CPU in fp32 (compressed-tensors or gptqmodel must be installed), runs random tokens through
both, and prints the worst token's relative error; ends with 1 above the limit. Where inputs are rounded to 8 bits, a value on a rounding
border goes one way here and the other there, so that the median is printed, too.
"""
import argparse
import json
import pathlib
import subprocess

import numpy
import torch
from transformers import AutoModelForCausalLM

GPTQ_ON_CPU = {"backend": "torch"}


def load(folder):
    config = json.loads(pathlib.Path(folder, "config.json").read_text())["quantization_config"]
    if config["quant_method"] == "gptq":
        from transformers import GPTQConfig
        own = GPTQConfig(bits=config["bits"], **GPTQ_ON_CPU)
        return AutoModelForCausalLM.from_pretrained(folder, quantization_config=own, dtype=torch.float32).eval()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("print_logits")
    parser.add_argument("folder")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--sequences", type=int, default=2)
    parser.add_argument("--limit", type=float, default=2e-3)
    arguments = parser.parse_args()
    model = load(arguments.folder)
    vocabulary = model.config.vocab_size
    tokens = numpy.random.default_rng(1).integers(0, vocabulary, (arguments.sequences, arguments.length), dtype=numpy.uint32)
    with torch.no_grad():
        theirs = model(torch.from_numpy(tokens.astype(numpy.int64))).logits.float().numpy().reshape(-1, vocabulary)
    result = subprocess.run([arguments.print_logits, arguments.folder, str(arguments.length), "127.5"], input=tokens.tobytes(),
                            capture_output=True, check=True)
    ours = numpy.frombuffer(result.stdout, dtype=numpy.float32).reshape(-1, vocabulary)
    error = numpy.linalg.norm(ours - theirs, axis=1) / numpy.linalg.norm(theirs, axis=1)
    print(f"{arguments.folder}: worst relative error of {len(error)} tokens {error.max():.2e}, median {numpy.median(error):.2e}")
    raise SystemExit(0 if error.max() <= arguments.limit else 1)


if __name__ == "__main__":
    main()
