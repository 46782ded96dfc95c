"""The tiny job that the tests put on a small Slurm, what they see of it (its log, its commits, its bytes), and how such a
test begins and ends."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from small_cluster import SmallCluster, take_down_when_ended, until, what_is_missing

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TESSERA_TEST_DATA", ROOT.parent / "shared" / "data"))
MODEL = DATA / "models" / "stories260K"
TEXT = DATA / "text" / "tinystories_917_ascii.txt"
PROGRAM = pathlib.Path(os.environ.get("TESSERA_PROGRAM", ROOT / "build/release/bin/tessera")).resolve()

# Some seconds of calibration and some of solving on two cores: long enough to be hit in either.
JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: 160, max_seq_length: 256, num_shards: 8}}
quantize:
  vptq: {{vector_len: 4, num_centroids: 256, num_res_centroids: 256, residual_candidates: 64,
         kmeans_iterations: 50, refine_rounds: 15}}
evaluation: {{text: {text}, context_length: 256, windows: 12}}
output: {{dir: out}}
runtime: {{work_dir: work, hung_after_seconds: 20}}
slurm: {{nodes: 4, time: "60", signal_seconds: 60, max_attempts: 50}}
"""


def what_keeps_slurm_away():
    """What keeps the tests on a real Slurm from running, in a line; empty when nothing does."""
    if commands := what_is_missing():
        return f"not installed: {' '.join(commands)} (scripts/install-packages --tests)"
    if os.geteuid() != 0:
        return "not root (slurmd needs it)"
    for needed in (MODEL, TEXT):
        if not needed.exists():
            return f"{needed} is not there (set TESSERA_TEST_DATA)"
    if not (ROOT / ".venv").is_dir() and "TESSERA_PYTHON" not in os.environ:
        return "the tokenizer's Python environment is not there (scripts/setup-python)"
    return ""


@contextlib.contextmanager
def four_nodes(seconds):
    """(folder, cluster) of four nodes, both gone at the end, also where that comes by a signal or after so many seconds
    (0: however long). Exits 77 where there can be none."""
    if reason := what_keeps_slurm_away():
        print(f"skipped: {reason}")
        sys.exit(77)
    take_down_when_ended(seconds)
    with tempfile.TemporaryDirectory(prefix="four-nodes-") as folder, SmallCluster(4) as cluster:
        yield pathlib.Path(folder), cluster


def run_tests_on_four_nodes(case, seconds):
    """The program of a file of tests: the class `case` finds its `folder` and `cluster` there."""
    with four_nodes(seconds) as (case.folder, case.cluster):
        result = unittest.main(verbosity=2, exit=False).result
    sys.exit(not result.wasSuccessful())


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class TinyRun:
    """The job in a folder of its own, with the tokens of another run, where one is given: Python need not start again."""

    def __init__(self, folder, tokens_of=None):
        self.folder = folder
        folder.mkdir()
        if tokens_of:
            (folder / "work").mkdir()
            for file in (tokens_of.folder / "work").glob("tokens-*.h5"):
                shutil.copy(file, folder / "work")
        (folder / "job.yaml").write_text(JOB.format(model=MODEL, text=TEXT))

    def run_plainly(self):
        """In one process, undisturbed; returns the bytes to expect of all others."""
        subprocess.run([PROGRAM, "run", "job.yaml"], cwd=self.folder, check=True, stdin=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        return self.output()

    def output(self):
        return contents(self.folder / "out")

    def log(self):
        return "".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("*.log")))

    def commits(self):
        """Files of the work folder that are committed."""
        found = set()
        for journal in (self.folder / "work").glob("journal*.jsonl"):
            for line in journal.read_text(errors="replace").splitlines():
                if line.startswith('{"commit":"'):
                    found.add(line.split('"')[3])
        return found

    def wait_for_commits(self, kind, count, seconds):
        until(lambda: sum(name.startswith(kind) for name in self.commits()) >= count, seconds,
              lambda: f"{count} commits of {kind}\n{self.log()}")

    def wait_for_log(self, text, seconds):
        until(lambda: text in self.log(), seconds, lambda: f"'{text}' in the log\n{self.log()}")
