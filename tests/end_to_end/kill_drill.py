#!/usr/bin/env python3
"""Kills a job again and again, at random moments and in every way, and resumes it on another number of ranks.

    kill_drill.py PROGRAM [--rounds 200] [--seed 1] [--method vptq|aweq] [--model DIR] [--text FILE] [--mpirun mpirun] [--keep DIR]

A round is one attempt that is hit: a random rank, or all of them, or the launcher gets SIGKILL, SIGTERM, SIGUSR1 or
SIGSTOP. Attempts go on with --resume until the job is done; then its output is compared byte by byte with that of an
undisturbed run in one process, and the next job starts, until all rounds are used up. Checked besides:

  - an attempt that was hit ends within 30 seconds (a stopped rank is given up after hung_after_seconds, here 2);
  - it ends with 75 when asked to stop (SIGUSR1, SIGTERM to a rank), with 0 when it was done before;
  - no block of calibration that was committed is calibrated again, so at most the block in work is lost;
  - nothing that was committed is made again: every journalled digest stays.

The seed is printed; the same seed draws the same ranks, victims, signals and moments.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TESSERA_TEST_DATA", ROOT.parent / "shared" / "data"))
RANKS = (1, 2, 3, 4, 7)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGSTOP)

JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: 24, max_seq_length: 256, num_shards: 8}}
quantize: {quantize}
evaluation: {{text: {text}, context_length: 256, windows: 12}}
output: {{dir: out, format: {format}}}
runtime: {{work_dir: work, hung_after_seconds: 2}}
"""
QUANTIZE = {
    "vptq": ("{vptq: {vector_len: 4, num_centroids: 64, kmeans_iterations: 20, refine_rounds: 2}}", "vptq"),
    "aweq": ("{method: aweq, aweq: {scheme: W8A8}}", "compressed-tensors"),
}


class Drill:
    def __init__(self, arguments, folder):
        self.program, self.mpirun, self.folder = arguments.program, arguments.mpirun, folder
        self.random = random.Random(arguments.seed)
        (folder / "job.yaml").write_text(JOB.format(
            model=arguments.model, text=arguments.text, quantize=QUANTIZE[arguments.method][0],
            format=QUANTIZE[arguments.method][1]))
        self.environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                                OMP_NUM_THREADS="1")
        self.counts, self.at_block, self.starts, self.started = {}, 0, 0, 0.0

    def command(self, ranks, threads):
        words = [self.program, "run", "job.yaml", "--resume", "--set", f"runtime.threads={threads}"]
        return words if ranks == 0 else [self.mpirun, "--oversubscribe", "-n", str(ranks), *words]

    def start(self, ranks, threads):
        log = open(self.folder / "last.log", "w", encoding="utf-8")
        return subprocess.Popen(self.command(ranks, threads), cwd=self.folder, env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def contents(self):
        out = self.folder / "out"
        return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}

    def forget(self):
        for name in ("out", "out.partial", "work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def undisturbed(self):
        """The bytes to expect, and how long one process takes."""
        begin = time.monotonic()
        code = self.start(0, 2).wait()
        if code != 0:
            raise SystemExit(f"the undisturbed run ended with {code}:\n{self.log()}")
        seconds = time.monotonic() - begin
        expected = self.contents()
        self.forget()
        return expected, seconds

    def log(self):
        return (self.folder / "last.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def committed(self):
        """(file, digest) of every commit that any journal holds."""
        found = set()
        for journal in (self.folder / "work").glob("journal*.jsonl"):
            for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line.rsplit(" ", 1)[0])
                except ValueError:
                    continue
                if "commit" in entry:
                    found.add((entry["commit"], entry["sha256"]))
        return found

    def calibrated_blocks(self):
        """First and last block that the attempt was at, as rank 0 tells; None where it never got there."""
        log = self.folder / "work" / "logs" / "rank-00000.jsonl"
        blocks, starts = [], 0
        for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["type"] == "start":
                blocks, starts = [], starts + 1
            elif event["type"] == "progress" and event["stage"] == "calibrate":
                blocks.append(event["done"])
        is_new, self.starts = starts > self.starts, starts
        return (blocks[0], blocks[-1]) if blocks and is_new else (None, None)

    @staticmethod
    def children(process):
        try:
            text = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        return [int(pid) for pid in text.split()]

    def has_begun(self, ranks):
        """Whether every rank of this attempt has given a sign of life."""
        signs = [self.folder / "work" / "ranks" / f"rank-{r:05}" for r in range(ranks)]
        return all(sign.exists() and sign.stat().st_mtime > self.started for sign in signs)

    def hit(self, process, ranks):
        """Sends a signal to one rank, to all, or to the launcher; returns what was done."""
        number = self.random.choice(SIGNALS)
        target = self.random.choice(("rank", "rank", "all", "launcher"))
        pick = self.random.random()
        victims = [process.pid] if ranks == 0 else self.children(process)
        if target == "launcher" and number == signal.SIGSTOP:
            target = "all"  # a stopped launcher is nobody's business but the user's
        if target == "rank":
            victims = [victims[int(pick * len(victims))]] if victims else []
        elif target == "launcher":
            victims = [process.pid]
        for pid in victims:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        if number == signal.SIGSTOP and (ranks <= 1 or target == "all" or not self.has_begun(ranks)):
            # Nobody is left to notice, or nobody watches yet (inside MPI_Init): a batch system would end it.
            time.sleep(0.2)
            for pid in victims:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        return f"{signal.Signals(number).name} to {target}", number, target

    def round(self, seconds):
        """One attempt that is hit; returns its exit code and a line about it."""
        ranks, threads = self.random.choice((0, *RANKS)), self.random.choice((1, 2))
        moment = self.random.uniform(0.05, 1.1) * seconds * max(1.0, ranks / 4)
        before = self.committed()
        self.started = time.time()
        process = self.start(ranks, threads)
        what, number, target = "not hit", None, None
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            what, number, target = self.hit(process, ranks)
        self.counts[what] = self.counts.get(what, 0) + 1
        hit_at = time.monotonic()
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            for pid in (*self.children(process), process.pid):
                os.kill(pid, signal.SIGKILL)
            raise SystemExit(f"still running 30 s after {what} on {ranks} ranks:\n{self.log()}") from None
        took = time.monotonic() - hit_at
        line = f"{ranks or 'plain'} ranks x {threads}, {what} after {moment:.2f} s: exit {code} in {took:.1f} s"
        self.check(code, number, target, ranks, before, line)
        return code, line

    def check(self, code, number, target, ranks, before, line):
        asked = number in (signal.SIGUSR1, signal.SIGTERM) and (target != "launcher" or ranks == 0)
        if asked and code not in (0, 75, -number, 128 + (number or 0)):
            raise SystemExit(f"{line}, where 75 was expected:\n{self.log()}")
        if number is None and code != 0:
            raise SystemExit(f"{line}, though nothing hit it:\n{self.log()}")
        if lost := before - self.committed():
            raise SystemExit(f"no longer committed: {sorted(lost)[:3]}")
        first, last = self.calibrated_blocks()
        if first is not None and first < self.at_block:
            raise SystemExit(f"calibration went back from block {self.at_block} to {first}: {line}")
        self.at_block = max(self.at_block, last if last is not None else 0)

    def run(self, rounds):
        expected, seconds = self.undisturbed()
        print(f"undisturbed: {seconds:.1f} s, {len(expected)} files", flush=True)
        done = finished = codes_75 = 0
        while done < rounds:
            self.forget()
            code, self.at_block, self.starts = None, 0, 0
            while code != 0:
                code, line = self.round(seconds)
                done += 1
                codes_75 += code == 75
                print(f"{done}: {line}", flush=True)
                if done > rounds + 50:
                    raise SystemExit("the job does not get to its end")
            if self.contents() != expected:
                raise SystemExit("the output differs from that of the undisturbed run")
            finished += 1
        print(f"{done} rounds, {finished} jobs finished, all outputs equal; exit 75 in {codes_75} rounds")
        for what, count in sorted(self.counts.items()):
            print(f"  {count:4d} x {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--method", choices=sorted(QUANTIZE), default="vptq")
    parser.add_argument("--model", type=pathlib.Path, default=DATA / "models" / "stories260K")
    parser.add_argument("--text", type=pathlib.Path, default=DATA / "text" / "tinystories_917_ascii.txt")
    parser.add_argument("--mpirun", default="mpirun")
    arguments = parser.parse_args()
    arguments.program = arguments.program.resolve()
    for needed in (arguments.model, arguments.text):
        if not needed.exists():
            print(f"skipped: {needed} is not there (set TESSERA_TEST_DATA)")
            sys.exit(77)
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as folder:
        Drill(arguments, pathlib.Path(folder)).run(arguments.rounds)


if __name__ == "__main__":
    main()
