#!/usr/bin/env python3
"""W8A8 by SmoothQuant at each alpha against this program's own, from the statistics of one calibration.

    smoothquant_alphas.py TESSERA JOB.yaml --test TEXT [--set KEY=VALUE ...] [--alphas 0.3 0.4 ...] [--windows 8]
        [--more-windows 40] [--folder DIR [--calibrated]]

SmoothQuant as its authors have it: s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), weights rounded to the nearest for each output
channel, inputs for each token, no bias corrected; for all four kinds of inputs, where theirs has those that norms make. Ours:
the same scheme with the job's own settings. The first run calibrates, all others are a `tessera redo` of all layers (the first,
too, where DIR/work has a calibration of this job). Prints the perplexity of each on the first windows of TEXT, then the best
alpha's and ours on more of them.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

SMOOTHQUANT = ["quantize.aweq.equalize=fixed", "quantize.aweq.range=abs_max", "quantize.aweq.rounding=rtn",
               "quantize.aweq.search_range=false", "quantize.aweq.bias_correction=off"]


def call(words):
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {result.returncode}:\n{result.stderr}")
    return json.loads(result.stdout)


def quantize(arguments, settings):
    has_run = arguments.calibrated
    arguments.calibrated = True
    words = [arguments.tessera, *(["redo", arguments.job, "--module", ".*"] if has_run else ["run", arguments.job, "--fresh"]), "--json"]
    for item in ["quantize.aweq.scheme=W8A8", f"runtime.work_dir={arguments.folder}/work", f"output.dir={arguments.folder}/out",
                 *arguments.set, *settings]:
        words += ["--set", item]
    call(words)


def score(arguments, windows):
    return call([arguments.tessera, "eval", f"{arguments.folder}/out", "--text", arguments.test, "--windows", str(windows),
                 "--json"])["perplexity"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tessera")
    parser.add_argument("job")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    parser.add_argument("--test", required=True)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--calibrated", action="store_true")
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--more-windows", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        arguments.folder = arguments.folder or pathlib.Path(scratch)
        compare(arguments)


def compare(arguments):
    smooth = {}
    for alpha in arguments.alphas:
        quantize(arguments, [*SMOOTHQUANT, f"quantize.aweq.exponent={alpha}"])
        smooth[alpha] = score(arguments, arguments.windows)
        print(f"SmoothQuant({alpha}): {smooth[alpha]:.4f}", flush=True)
    best = min(smooth, key=smooth.get)
    quantize(arguments, [*SMOOTHQUANT, f"quantize.aweq.exponent={best}"])
    theirs = score(arguments, arguments.more_windows)
    quantize(arguments, [])
    own = score(arguments, arguments.windows)
    print(f"ours: {own:.4f}, {own / smooth[best]:.5f} of SmoothQuant({best})", flush=True)
    ours = score(arguments, arguments.more_windows)
    print(f"{arguments.more_windows} windows: ours {ours:.4f}, SmoothQuant({best}) {theirs:.4f}, ratio {ours / theirs:.5f}")


if __name__ == "__main__":
    main()
