#!/usr/bin/env python3
"""slurm/quantize_70b.slurm on a real Slurm of four nodes: whatever hits the job, the bytes are those of a plain run.
And slurm/nightly.slurm: each night submits the next.

    TESSERA_TEST_SLURM=1 TESSERA_PROGRAM=build/release/bin/tessera tests/slurm/four_nodes.py [-v] [FourNodes.test_...]

Exits 77 when Slurm, MPI, the sample model or the tokenizer's Python environment is not there. The cluster
(small_cluster.py) lives in a temporary folder and is gone at the end, also when this is interrupted or takes too long.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from small_cluster import SmallCluster, until, what_is_missing

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TESSERA_TEST_DATA", ROOT.parent / "shared" / "data"))
MODEL = DATA / "models" / "stories260K"
TEXT = DATA / "text" / "tinystories_917_ascii.txt"
SCRIPT = ROOT / "slurm" / "quantize_70b.slurm"
NIGHTLY = ROOT / "slurm" / "nightly.slurm"
ALL_NODES = ("--nodes=4", "--ntasks-per-node=1", "--cpus-per-task=1", "--time=60")
SECONDS_IN_ALL = 840  # below the time limit CTest gives, so that the cluster is taken down
SECONDS_A_JOB = 180

# Some seconds of calibration and some of solving on two cores: long enough to be hit in either.
JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: 400, max_seq_length: 256, num_shards: 8}}
quantize:
  vptq: {{vector_len: 4, num_centroids: 256, num_res_centroids: 256, residual_candidates: 64,
         kmeans_iterations: 200, refine_rounds: 100}}
evaluation: {{text: {text}, context_length: 256, windows: 12}}
output: {{dir: out}}
runtime: {{work_dir: work, hung_after_seconds: 20}}
"""


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class FourNodes(unittest.TestCase):
    top: pathlib.Path  # both are main's, which takes them down whatever happens
    cluster: SmallCluster

    @classmethod
    def setUpClass(cls):
        cls.program = pathlib.Path(os.environ.get("TESSERA_PROGRAM", ROOT / "build/release/bin/tessera")).resolve()
        plain = cls.top / "plain"
        cls.write_job(plain)
        begin = time.monotonic()
        subprocess.run([cls.program, "run", "job.yaml"], cwd=plain, check=True, stdin=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        print(f"a plain run takes {time.monotonic() - begin:.1f} s", flush=True)
        cls.expected = contents(plain / "out")

    @staticmethod
    def write_job(folder):
        folder.mkdir()
        (folder / "job.yaml").write_text(JOB.format(model=MODEL, text=TEXT))

    def setUp(self):
        self.folder = self.top / self._testMethodName
        self.write_job(self.folder)
        self.begin = time.monotonic()

    def tearDown(self):
        print(f"{self._testMethodName}: {time.monotonic() - self.begin:.1f} s", flush=True)

    # What a user does.

    def submit(self, *options, **variables):
        words = (*ALL_NODES, *options, SCRIPT, "job.yaml")
        return self.cluster.submit(*words, cwd=self.folder,
                                   environment={"TESSERA": str(self.program), **variables})

    def end_of(self, job):
        return self.cluster.wait_for(job, SECONDS_A_JOB)

    def log(self):
        return "".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("*.log")))

    # What the tests see.

    def commits(self):
        """Files of the work folder that are committed."""
        found = set()
        for journal in (self.folder / "work").glob("journal*.jsonl"):
            for line in journal.read_text(errors="replace").splitlines():
                if line.startswith('{"commit":"'):
                    found.add(line.split('"')[3])
        return found

    def wait_for_commits(self, kind, count):
        until(lambda: sum(name.startswith(kind) for name in self.commits()) >= count, SECONDS_A_JOB,
              f"{count} commits of {kind}\n{self.log()}")

    def assert_ended(self, job, state):
        shown = self.end_of(job)
        self.assertEqual(shown["JobState"], state, f"{shown}\n{self.log()}\n{self.cluster.logs()}")
        return shown

    def assert_done(self, job):
        """Completed, with the plain run's bytes; returns how often it was requeued."""
        shown = self.assert_ended(job, "COMPLETED")
        made = contents(self.folder / "out")
        self.assertEqual(made.keys(), self.expected.keys(), self.log())
        self.assertEqual([name for name in made if made[name] != self.expected[name]], [], self.log())
        return int(shown["Restarts"])

    # The tests.

    def test_undisturbed(self):
        self.assertEqual(self.assert_done(self.submit()), 0)
        self.assertEqual(len(list((self.folder / "work" / "logs").glob("rank-*.jsonl"))), 4)
        self.assertEqual(self.assert_done(self.submit()), 0)  # the same again finds it finished

    def test_warned_while_calibrating(self):
        job = self.submit()
        self.wait_for_commits("calibration/block-00001", 1)
        self.cluster.call("scancel", "--signal=USR1", "--batch", job)
        self.assertEqual(self.assert_done(job), 1)
        self.assertIn("attempt 1: ended with 75", self.log())
        self.assertIn("attempt 2: ended with 0", self.log())

    def test_requeued_while_solving(self):
        job = self.submit()
        self.wait_for_commits("solved/", 3)
        self.cluster.call("scontrol", "requeue", job)
        self.assertEqual(self.assert_done(job), 1)
        self.assertIn("attempt 2: ended with 0", self.log())

    def test_cancelled_is_not_requeued(self):
        job = self.submit()
        self.wait_for_commits("calibration/block-00000", 1)
        self.cluster.call("scancel", job)
        self.assertEqual(self.assert_ended(job, "CANCELLED")["Restarts"], "0")
        until(lambda: not self.cluster.steps(job), 60, "the end of the steps")
        self.assertEqual(self.cluster.state(job), "CANCELLED")
        self.assertEqual(self.assert_done(self.submit("--nodes=2")), 0)  # goes on with fewer nodes

    def test_a_rank_is_killed(self):
        job = self.submit()
        self.wait_for_commits("calibration/block-00002", 1)
        (rank,) = self.cluster.ranks_on("n3")
        os.kill(rank, signal.SIGKILL)
        self.assert_ended(job, "FAILED")
        self.assertIn("attempt 1: ended with 137", self.log())
        self.assertEqual(self.assert_done(self.submit("--nodes=3")), 0)

    def test_a_node_is_lost(self):
        job = self.submit()
        self.wait_for_commits("solved/", 3)
        self.cluster.call("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=drill")
        until(lambda: self.cluster.state(job) != "RUNNING", 60, "Slurm notices")
        until(lambda: not self.cluster.steps(job), 60, "the end of the steps")
        with contextlib.suppress(RuntimeError):  # it may have come back by itself
            self.cluster.call("scontrol", "update", "NodeName=n2", "State=RESUME")
        self.assertEqual(self.assert_done(job), 1)
        self.assertIn("attempt 2: ended with 0", self.log())

    def test_nights_follow_each_other(self):
        (self.folder / "list.txt").write_text("job.yaml\n")
        first = self.cluster.submit(*ALL_NODES, NIGHTLY, "list.txt", cwd=self.folder, environment={
            "TESSERA": str(self.program), "AT": "03:00", "NIGHTLY_SCRIPT": str(NIGHTLY)})
        self.assert_ended(first, "COMPLETED")
        second, when = self.cluster.call("squeue", "--noheader", "--format=%i %S").split()
        self.assertRegex(when, r"T03:00:00$")
        self.cluster.call("scontrol", "update", f"JobId={second}", "StartTime=now")
        self.assert_ended(second, "COMPLETED")
        third = self.cluster.call("squeue", "--noheader", "--states=PENDING", "--format=%i").strip()
        self.cluster.call("scancel", third)
        ledger = (self.folder / "work" / "nightly" / "ledger.jsonl").read_text()
        rows = [json.loads(line) for line in ledger.splitlines()]
        self.assertEqual([row["verdict"]["kind"] for row in rows], ["first", "same"], self.log())
        self.assertEqual([row["machine"]["ranks"] for row in rows], [4, 1])


def missing():
    """What keeps these tests from running, in a line; empty when nothing does."""
    if "TESSERA_TEST_SLURM" not in os.environ:
        return "not asked for (set TESSERA_TEST_SLURM=1; starts a Slurm of its own, takes two minutes or more)"
    if commands := what_is_missing():
        return f"not installed: {' '.join(commands)} (apt-get install slurm-wlm munge openmpi-bin)"
    if os.geteuid() != 0:
        return "not root (slurmd needs it)"
    for needed in (MODEL, TEXT):
        if not needed.exists():
            return f"{needed} is not there (set TESSERA_TEST_DATA)"
    if not (ROOT / ".venv").is_dir() and "TESSERA_PYTHON" not in os.environ:
        return "the tokenizer's Python environment is not there (scripts/setup-python)"
    return ""


ENDINGS = (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def too_late(number, _):
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)  # once is enough
    raise KeyboardInterrupt(f"{signal.Signals(number).name}: taking the cluster down")


def main():
    if reason := missing():
        print(f"skipped: {reason}")
        sys.exit(77)
    for number in ENDINGS:
        signal.signal(number, too_late)
    signal.alarm(SECONDS_IN_ALL)
    with tempfile.TemporaryDirectory(prefix="four-nodes-") as top, SmallCluster(4) as cluster:
        FourNodes.top, FourNodes.cluster = pathlib.Path(top), cluster
        result = unittest.main(verbosity=2, exit=False).result
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
