#!/usr/bin/env python3
"""The published VPTQ recipe in PyTorch and scikit-learn, as a yardstick for quality and speed.

Written from the description of the algorithm (EMNLP 2024 and its published solver): Hessians of the original model's inputs,
two-fold damping, weighted k-means with random start, one pass over columns of which each pushes its error onto
the rest, and a second pass with a residual codebook. No refinement, no transformed Hessian under normalization.

    reference_vptq.py MODEL_DIR TOKENS.u32 --samples 64 --length 512 --vector-len 4 --centroids 256 [--res-centroids 16]
                      [--normalize min_max] [--blocks 0,15,29] [--output DIR] [--json FILE]

TOKENS.u32 holds raw little-endian 32-bit token ids. --output writes a dense folder with the dequantized weights, which
`tessera eval` scores. Prints seconds (wall and CPU) of calibration and solving, and the relative proxy error of each layer.
"""
import argparse
import json
import os
import resource
import shutil
import time

import numpy as np
import torch
from sklearn.cluster import KMeans
from transformers import AutoModelForCausalLM

GROUPS = {
    "self_attn.q_proj": "qkv", "self_attn.k_proj": "qkv", "self_attn.v_proj": "qkv", "self_attn.o_proj": "o",
    "mlp.gate_proj": "up", "mlp.up_proj": "up", "mlp.down_proj": "down",
}


class Clock:
    """Wall and CPU seconds, children included."""

    def __init__(self):
        self.wall, self.cpu = time.time(), self._cpu()

    @staticmethod
    def _cpu():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def seconds(self):
        return {"wall": time.time() - self.wall, "cpu": self._cpu() - self.cpu}


def collect_hessians(model, tokens, blocks):
    """Second moments of each linear group's input, summed in fp64 over batches, divided by the tokens."""
    sums = {}

    def hook(key):
        def add(_module, inputs):
            x = inputs[0].reshape(-1, inputs[0].shape[-1])
            product = (x.T @ x).double()
            sums[key] = sums[key] + product if key in sums else product
        return add

    handles = []
    for b in blocks:
        seen = set()
        for name, group in GROUPS.items():
            if group in seen:
                continue
            seen.add(group)
            layer = model.model.layers[b].get_submodule(name)
            handles.append(layer.register_forward_pre_hook(hook((b, group))))
    with torch.no_grad():
        for sample in tokens:
            model.model(sample[None])
    for handle in handles:
        handle.remove()
    count = tokens.numel()
    return {key: value / count for key, value in sums.items()}


def prepare_hessian(second_moment):
    """Mean diagonal 1, damped by 0.01; permutation by the diagonal; factor of the inverse after a second damping."""
    h = (second_moment / second_moment.diagonal().mean()).float()
    h.diagonal().add_(0.01)
    perm = torch.argsort(h.diagonal(), descending=True)
    permuted = h[perm][:, perm].double()
    permuted.diagonal().add_(0.01 * permuted.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(permuted))
    upper = torch.linalg.cholesky(inverse, upper=True).float()
    return h, perm, upper


def train(vectors, weights, count, iterations):
    count = min(count, len(vectors))
    kmeans = KMeans(n_clusters=count, init="random", n_init=1, max_iter=iterations, tol=1e-5, random_state=0,
                    algorithm="lloyd")
    kmeans.fit(vectors, sample_weight=weights)
    return torch.from_numpy(kmeans.cluster_centers_.astype(np.float32))


def as_vectors(columns, v):
    """(M, N) -> (N * ceil(M / v), v), zero-padded, column after column."""
    m, n = columns.shape
    padded = torch.zeros(((m + v - 1) // v) * v, n)
    padded[:m] = columns
    return padded.T.reshape(-1, v)


def nearest(vectors, centroids):
    scores = torch.addmm((centroids * centroids).sum(1)[None] * 0.5, vectors, centroids.T, alpha=-1)
    return centroids[scores.argmin(1)]


def column_pass(weight, upper, v, main, residual=None, block=128):
    """One pass over the columns; returns dequantized columns and what the main codebook left of each."""
    w = weight.clone()
    m, n = w.shape
    quantized, rest = torch.zeros_like(w), torch.zeros_like(w)
    for begin in range(0, n, block):
        end = min(begin + block, n)
        errors = torch.zeros(m, end - begin)
        for q in range(begin, end):
            x = as_vectors(w[:, q:q + 1], v)
            y = nearest(x, main)
            if residual is not None:
                y = y + nearest(x - y, residual)
            column = y.reshape(-1)[:m]
            quantized[:, q] = column
            rest[:, q] = w[:, q] - column
            e = rest[:, q] / upper[q, q]
            w[:, q + 1:end] -= e[:, None] * upper[q, q + 1:end][None]
            errors[:, q - begin] = e
        w[:, end:] -= errors @ upper[begin:end, end:]
    return quantized, rest


def solve(weight, hessian, args):
    h, perm, upper = hessian
    scale = bias = None
    if args.normalize == "min_max":
        bias, scale = weight.min(0).values, weight.max(0).values - weight.min(0).values
        weight = (weight - bias) / scale
    w = weight[:, perm]
    vectors_per_column = (w.shape[0] + args.vector_len - 1) // args.vector_len
    weights = h.diagonal()[perm].repeat_interleave(vectors_per_column).numpy()
    main = train(as_vectors(w, args.vector_len).numpy(), weights, args.centroids, args.iterations)
    quantized, rest = column_pass(w, upper, args.vector_len, main)
    if args.res_centroids:
        residual = train(as_vectors(rest, args.vector_len).numpy(), weights, args.res_centroids, args.iterations)
        quantized, _ = column_pass(w, upper, args.vector_len, main, residual)
    result = torch.empty_like(quantized)
    result[:, perm] = quantized
    return result * scale + bias if scale is not None else result


def proxy_error(weight, quantized, second_moment):
    e, w = (weight - quantized).double(), weight.double()
    return float(((e @ second_moment) * e).sum() / ((w @ second_moment) * w).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tokens")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--vector-len", type=int, default=4)
    parser.add_argument("--centroids", type=int, default=256)
    parser.add_argument("--res-centroids", type=int, default=0)
    parser.add_argument("--normalize", choices=["none", "min_max"], default="none")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--blocks", default="all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output")
    parser.add_argument("--json")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, torch_dtype=torch.float32).eval()
    tokens = np.fromfile(args.tokens, dtype="<u4")[: args.samples * args.length].astype(np.int64)
    tokens = torch.from_numpy(tokens).view(args.samples, args.length)
    count = len(model.model.layers)
    blocks = range(count) if args.blocks == "all" else [int(b) for b in args.blocks.split(",")]

    clock = Clock()
    moments = collect_hessians(model, tokens, blocks)
    calibration = clock.seconds()
    print("calibration", calibration, flush=True)

    clock, layers = Clock(), []
    for b in blocks:
        prepared = {}
        for name, group in GROUPS.items():
            if group not in prepared:
                prepared[group] = prepare_hessian(moments[(b, group)])
            layer = model.model.layers[b].get_submodule(name)
            quantized = solve(layer.weight.data, prepared[group], args)
            error = proxy_error(layer.weight.data, quantized, moments[(b, group)])
            layers.append({"block": b, "module": name, "proxy_error": error})
            print(b, name, f"{error:.5f}", flush=True)
            layer.weight.data.copy_(quantized)
    result = {"calibration": calibration, "solve": clock.seconds(), "layers": layers,
              "mean_proxy_error": float(np.mean([row["proxy_error"] for row in layers]))}
    print("solve", result["solve"], "mean error", result["mean_proxy_error"])
    if args.output:
        model.save_pretrained(args.output, safe_serialization=True)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(os.path.join(args.model, name), args.output)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
