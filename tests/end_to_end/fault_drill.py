#!/usr/bin/env python3
"""Lets every open, write, fsync and rename of a run fail once, one after another.

    fault_drill.py PROGRAM LIBRARY [--step K] [--first N] [--model DIR] [--text FILE]

LIBRARY is the preloaded failing_files. Each case: the nth call fails (EACCES, ENOSPC, EIO or a short write); the run
ends with a clear error and a code other than 0, or survives and has made the right bytes; then --resume, undisturbed,
gives the bytes of a run that nothing happened to. --step K takes every Kth call only.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TESSERA_TEST_DATA", ROOT.parent / "shared" / "data"))

JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: 4, max_seq_length: 16, num_shards: 2}}
quantize:
  targets: ['layers\\.[01]\\..*(q|down)_proj']
  vptq: {{vector_len: 4, num_centroids: 16, kmeans_iterations: 2, refine_rounds: 0}}
evaluation: {{text: {text}, context_length: 16, windows: 2}}
output: {{dir: job/out, max_shard_size: 600000}}
runtime: {{work_dir: job/work, threads: 1}}
"""


class Drill:
    def __init__(self, arguments, folder):
        self.program, self.library, self.folder = arguments.program, arguments.library, folder
        (folder / "job.yaml").write_text(JOB.format(model=arguments.model, text=arguments.text))
        (folder / "job" / "work").mkdir(parents=True)
        self.expected = None

    def run(self, failing_call=None):
        environment = dict(os.environ)
        if failing_call is not None:
            environment.update(LD_PRELOAD=str(self.library), FAILING_FOLDER=str(self.folder / "job"),
                               FAILING_CALL=str(failing_call), FAILING_COUNT=str(self.folder / "count"))
        return subprocess.run([self.program, "run", "job.yaml", "--resume"], cwd=self.folder, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)

    def contents(self):
        out = self.folder / "job" / "out"
        return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}

    def forget(self):
        """All but the tokens, which cost a Python start."""
        shutil.rmtree(self.folder / "job" / "out", ignore_errors=True)
        shutil.rmtree(self.folder / "job" / "out.partial", ignore_errors=True)
        for path in (self.folder / "job" / "work").iterdir():
            if path.name.startswith("tokens"):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def prepare(self):
        result = self.run()
        if result.returncode != 0:
            raise SystemExit(f"the undisturbed run fails:\n{result.stderr}")
        self.expected = self.contents()
        self.forget()
        result = self.run(0)
        if result.returncode != 0 or self.contents() != self.expected:
            raise SystemExit(f"the run with the library preloaded differs:\n{result.stderr}")
        return int((self.folder / "count").read_text())

    def case(self, call):
        self.forget()
        result = self.run(call)
        if result.returncode < 0 or "This is a bug" in result.stderr or "terminate" in result.stderr:
            raise SystemExit(f"call {call}: ended with {result.returncode}:\n{result.stderr}")
        if result.returncode == 0 and self.contents() != self.expected:
            raise SystemExit(f"call {call}: survived with other bytes:\n{result.stderr}")
        if result.returncode != 0 and not any(l.startswith("tessera: ") for l in result.stderr.splitlines()):
            raise SystemExit(f"call {call}: ended with {result.returncode} and without a word:\n{result.stderr}")
        again = self.run()
        if again.returncode != 0 or self.contents() != self.expected:
            raise SystemExit(f"call {call}: --resume ended with {again.returncode}, bytes "
                             f"{'equal' if self.contents() == self.expected else 'differ'}:\n"
                             f"{result.stderr}\n--\n{again.stderr}")
        return result.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--model", type=pathlib.Path, default=DATA / "models" / "stories260K")
    parser.add_argument("--text", type=pathlib.Path, default=DATA / "text" / "tinystories_917_ascii.txt")
    arguments = parser.parse_args()
    arguments.program, arguments.library = arguments.program.resolve(), arguments.library.resolve()
    for needed in (arguments.model, arguments.text):
        if not needed.exists():
            print(f"skipped: {needed} is not there (set TESSERA_TEST_DATA)")
            sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        drill = Drill(arguments, pathlib.Path(folder).resolve())
        total = drill.prepare()
        codes = {}
        for call in range(arguments.first, total + 1, arguments.step):
            code = drill.case(call)
            codes[code] = codes.get(code, 0) + 1
        print(f"{sum(codes.values())} of {total} calls failed once; exit codes "
              + ", ".join(f"{code}: {count} times" for code, count in sorted(codes.items()))
              + "; all resumed to equal bytes")
        if not codes or set(codes) == {0}:
            raise SystemExit("no call made the run fail: the library is not at work")


if __name__ == "__main__":
    main()
