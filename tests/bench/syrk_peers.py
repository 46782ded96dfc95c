#!/usr/bin/env python3
"""The second moment of activations here (lower triangle, fp64 sums) and as x.T @ x in PyTorch (fp32), alternately.

    syrk_peers.py BENCH_SYRK [--rounds R] [--repeats N] [--threads T] [--case TOKENSxCHANNELS ...]

ratio is PyTorch's seconds divided by ours in the same round, above 1 where we are faster.
"""
import argparse
import json
import statistics
import subprocess
import time


def torch_seconds(tokens, channels, threads, repeats, clock):
    import torch

    torch.set_num_threads(threads)
    x, total = torch.randn(tokens, channels), torch.zeros(channels, channels)
    seconds = []
    for _ in range(repeats):
        begin = clock()
        total += x.T @ x
        seconds.append(clock() - begin)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--case", nargs="+", default=["4096x576", "4096x1536", "8192x4096"])
    parser.add_argument("--cpu-time", action="store_true",
                        help="compare processor time, for a busy machine; wants --threads 1, because PyTorch's waiting threads spin")
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    suffix = "_cpu" if options.cpu_time else ""
    print(f"{options.threads} threads, {options.rounds} rounds of the best of {options.repeats}; milliseconds")
    print(f"{'':16s}{'here':>10s}{'PyTorch':>10s}{'ratio: median':>15s}{'lowest':>8s}{'highest':>9s}")
    for case in options.case:
        tokens, channels = map(int, case.split("x"))
        pairs = []
        for _ in range(options.rounds):
            command = [options.program, *map(str, (tokens, channels, options.threads, options.repeats))]
            ours = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            theirs = torch_seconds(tokens, channels, options.threads, options.repeats, clock)
            pairs.append((min(ours["seconds" + suffix]), min(theirs)))
        ratios = [b / a for a, b in pairs]
        print(f"{case:16s}{1e3 * min(a for a, _ in pairs):10.2f}{1e3 * min(b for _, b in pairs):10.2f}"
              f"{statistics.median(ratios):15.2f}{min(ratios):8.2f}{max(ratios):9.2f}", flush=True)


if __name__ == "__main__":
    main()
