#!/usr/bin/env python3
"""The forward pass here and in PyTorch (transformers' Llama, sdpa attention), fp32, SmolLM2-135M's shape, alternately.

    forward_peers.py BENCH_FORWARD [--rounds R] [--repeats N] [--threads T] [--case SEQUENCESxLENGTH ...]

A row for the blocks and one for the likelihoods of all tokens (final norm, head, log-softmax). Each round runs both programs;
ratio is PyTorch's seconds divided by ours in the same round, above 1 where we are faster.
"""
import argparse
import json
import statistics
import subprocess
import time


def torch_seconds(sequences, length, threads, repeats, num_blocks, clock):
    import torch
    from transformers import LlamaConfig, LlamaModel

    torch.set_num_threads(threads)
    config = LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=num_blocks,
                         num_attention_heads=9, num_key_value_heads=3, vocab_size=8,
                         max_position_embeddings=8192, attn_implementation="sdpa")
    model = LlamaModel(config).float().eval()
    x = torch.randn(sequences, length, 576)
    head = torch.randn(49152, 576) / 24
    targets = torch.full((length - 1,), 7)

    def blocks():
        model(inputs_embeds=x, use_cache=False)

    def likelihoods():
        for sequence in model.norm(x):  # all logits at once would not fit the caches, nor small machines
            torch.nn.functional.cross_entropy(sequence[:-1] @ head.T, targets, reduction="none")

    def timed(step):
        begin = clock()
        step()
        return clock() - begin

    with torch.inference_mode():
        return {"blocks": [timed(blocks) for _ in range(repeats)],
                "head": [timed(likelihoods) for _ in range(repeats)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--case", nargs="+", default=["1x512", "8x512", "1x2048", "4x2048"])
    parser.add_argument("--cpu-time", action="store_true",
                        help="compare processor time, for a busy machine; wants --threads 1, because PyTorch's waiting threads spin")
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    suffix = "_cpu" if options.cpu_time else ""
    print(f"{options.threads} threads, {options.rounds} rounds of the best of {options.repeats}; milliseconds")
    print(f"{'':24s}{'here':>10s}{'PyTorch':>10s}{'ratio: median':>15s}{'lowest':>8s}{'highest':>9s}")
    for case in options.case:
        sequences, length = map(int, case.split("x"))
        best = {"blocks": [], "head": []}
        for _ in range(options.rounds):
            command = [options.program, *map(str, (sequences, length, options.threads, options.repeats))]
            ours = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            theirs = torch_seconds(sequences, length, options.threads, options.repeats, ours["num_blocks"], clock)
            for part in best:
                best[part].append((min(ours[part + suffix]), min(theirs[part])))
        for part, pairs in best.items():
            ratios = [b / a for a, b in pairs]
            name = f"{case} {ours['num_blocks']} blocks" if part == "blocks" else f"{case} head"
            print(f"{name:24s}{1e3 * min(a for a, _ in pairs):10.1f}{1e3 * min(b for _, b in pairs):10.1f}"
                  f"{statistics.median(ratios):15.2f}{min(ratios):8.2f}{max(ratios):9.2f}", flush=True)


if __name__ == "__main__":
    main()
