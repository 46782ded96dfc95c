#!/usr/bin/env python3
"""A job on one and on two ranks, one thread each, on this machine: how much faster, and what the reduction costs.

    scaling.py TESSERA PREDICT_SCALING JOB.yaml [--set KEY=VALUE ...] [--ranks 1 2] [--keep DIR]

Calibration and solve count; one window is scored. Prints seconds by stage, the speed-up, the reduction's share and bytes a
block, whether the packed weights are equal byte by byte, and what the cost model predicts from these for 1 to 64 ranks. The
figures mean something on a machine that does nothing else.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import tempfile


def run(arguments, ranks, folder):
    words = ["mpirun", "--oversubscribe", "-n", str(ranks), arguments.tessera, "run", arguments.job, "--json",
             "--set", f"runtime.work_dir={folder}/work", "--set", f"output.dir={folder}/out",
             "--set", "runtime.threads=1", "--set", "evaluation.windows=1"]
    for item in arguments.set:
        words += ["--set", item]
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1")
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {result.returncode}:\n{result.stderr}")
    report = json.loads(result.stdout)
    reduction = re.search(r"this rank sent ([0-9.]+) MB in ([0-9]+) rounds and spent ([0-9.]+) s", result.stderr)
    weights = b"".join(p.read_bytes() for p in sorted(pathlib.Path(folder, "out").glob("*.safetensors")))
    return report["seconds"], reduction.groups() if reduction else None, weights


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tessera")
    parser.add_argument("predict")
    parser.add_argument("job")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--ranks", type=int, nargs=2, default=(1, 2))
    arguments = parser.parse_args()
    measured = {}
    for ranks in arguments.ranks:
        with tempfile.TemporaryDirectory() as folder:
            measured[ranks] = run(arguments, ranks, folder)
        seconds, reduction, _ = measured[ranks]
        print(f"{ranks} ranks: calibrate {seconds['calibrate']:.1f} s, solve {seconds['solve']:.1f} s", flush=True)
        if reduction:
            print(f"  reduction: rank 0 sent {reduction[0]} MB in {reduction[1]} rounds, {reduction[2]} s: "
                  f"{float(reduction[2]) / seconds['calibrate']:.1%} of calibrate")
    few, many = arguments.ranks
    total = {ranks: measured[ranks][0]["calibrate"] + measured[ranks][0]["solve"] for ranks in measured}
    print(f"{many} ranks are {total[few] / total[many]:.2f} times as fast as {few}; packed weights "
          f"{'equal' if measured[few][2] == measured[many][2] else 'DIFFER'}")
    if few == 1 and measured[many][1]:
        sent, _, spent = measured[many][1]
        subprocess.run([arguments.predict, arguments.job, str(measured[1][0]["calibrate"]),
                        str(measured[1][0]["solve"]), sent, spent], check=True)


if __name__ == "__main__":
    main()
