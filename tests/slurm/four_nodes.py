#!/usr/bin/env python3
"""`tessera submit` on a real Slurm of four nodes: whatever hits the job, the bytes are those of a plain run.
And slurm/nightly.slurm: each night submits the next.

    TESSERA_PROGRAM=build/release/bin/tessera tests/slurm/four_nodes.py [-v] [FourNodes.test_...]

Exits 77 when Slurm, MPI, the sample model or the tokenizer's Python environment is not there, or this is not root. The
cluster (small_cluster.py) lives in a temporary folder and is gone at the end, also when this is interrupted or takes too long.
"""
import contextlib
import json
import os
import pathlib
import signal
import threading
import time
import unittest

from small_cluster import SmallCluster, until
from tiny_run import PROGRAM, ROOT, TinyRun, run_tests_on_four_nodes

NIGHTLY = ROOT / "slurm" / "nightly.slurm"
SECONDS_IN_ALL = 1440  # below the time limit CTest gives, so that the cluster is taken down
SECONDS_A_JOB = 300


class Slowly(threading.Thread):
    """Lets a job's ranks compute for a moment every few seconds only, so that it lasts until it has seen enough; shorter
    than what counts as hung."""

    def __init__(self, cluster, job, has_seen_enough):
        super().__init__(daemon=True)
        self.cluster, self.job, self.has_seen_enough = cluster, job, has_seen_enough
        self.start()

    def run(self):
        end = time.monotonic() + SECONDS_A_JOB
        while not self.has_seen_enough() and time.monotonic() < end:
            if self.signal(signal.SIGSTOP):
                until_or_not(self.has_seen_enough, 5)
                self.signal(signal.SIGCONT)
            time.sleep(0.3)

    def signal(self, number):
        """Returns whether there was anything to be signalled."""
        ranks = self.cluster.ranks(self.job)
        for pid in ranks:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return bool(ranks)


def until_or_not(question, seconds):
    with contextlib.suppress(TimeoutError):
        until(question, seconds, "")


class FourNodes(unittest.TestCase):
    folder: pathlib.Path  # both are taken down whatever happens
    cluster: SmallCluster

    @classmethod
    def setUpClass(cls):
        begin = time.monotonic()
        cls.plain = TinyRun(cls.folder / "plain")
        cls.expected = cls.plain.run_plainly()
        print(f"a plain run takes {time.monotonic() - begin:.1f} s", flush=True)
        # Slurm looks every half minute, and warns up to a minute too early: meanwhile, the others run. On nodes that
        # none of them takes away, and not knowing when its time is up: it would end before it is warned.
        run = cls.walltime_run = TinyRun(cls.folder / "walltime", cls.plain)
        settings = ("nodes=2", 'time="1"', "signal_seconds=5", "options=['--nodelist=n1,n3']")
        cls.walltime_job = cls.submit_in(run, *settings, SLURM_JOB_END_TIME="4102444800")
        cls.slowly = Slowly(cls.cluster, cls.walltime_job, lambda: "USR1 arrived" in run.log())

    def setUp(self):
        self.run_here = TinyRun(self.folder / self._testMethodName, self.plain)
        self.begin = time.monotonic()

    def tearDown(self):
        print(f"{self._testMethodName}: {time.monotonic() - self.begin:.1f} s", flush=True)

    # What a user does.

    def tessera(self, *words):
        return self.cluster.call(PROGRAM, *words, cwd=self.run_here.folder)

    @classmethod
    def submit_in(cls, run, *settings, **variables):
        """Returns the job's number."""
        words = [word for s in settings for word in ("--set", f"slurm.{s}")]
        return int(cls.cluster.call(PROGRAM, "submit", "job.yaml", *words, cwd=run.folder, environment=variables))

    def submit(self, *settings):
        return self.submit_in(self.run_here, *settings)

    def told(self):
        return json.loads(self.tessera("submit", "job.yaml", "--status", "--json"))

    # What the tests see.

    def wait_for_commits(self, kind, count):
        self.run_here.wait_for_commits(kind, count, SECONDS_A_JOB)

    def log(self):
        return self.run_here.log()

    def assert_ended(self, job, state):
        shown = self.cluster.wait_for(job, SECONDS_A_JOB)
        self.assertEqual(shown["JobState"], state, f"{shown}\n{self.log()}\n{self.cluster.logs()}")
        return shown

    def assert_done(self, job):
        """Completed, with the plain run's bytes; returns how often it was requeued."""
        shown = self.assert_ended(job, "COMPLETED")
        made = self.run_here.output()
        self.assertEqual(made.keys(), self.expected.keys(), self.log())
        self.assertEqual([name for name in made if made[name] != self.expected[name]], [], self.log())
        return int(shown["Restarts"])

    # The tests. They share the cluster, one after the other.

    def test_requeued_while_solving(self):
        job = self.submit()
        with self.assertRaisesRegex(RuntimeError, f"slurm job {job}.*exit 2|exit 2(.|\n)*slurm job {job}"):
            self.submit()  # a second one for the same work folder
        self.wait_for_commits("solved/", 3)
        self.assertEqual((self.told()["id"], self.told()["state"]), (str(job), "running"))
        self.assertEqual(len(list((self.run_here.folder / "work" / "logs").glob("rank-*.jsonl"))), 4)
        self.cluster.call("scontrol", "requeue", job)
        self.assertEqual(self.assert_done(job), 1)
        self.assertIn("attempt 2: ended with 0", self.log())
        self.assertEqual(self.told()["state"], "completed")

    def test_warned_by_hand_while_calibrating(self):
        """With slurm/quantize_70b.slurm, which people edit and submit themselves."""
        job = self.cluster.submit("--nodes=3", "--ntasks-per-node=1", "--cpus-per-task=1", "--time=60",
                                  ROOT / "slurm" / "quantize_70b.slurm", "job.yaml", cwd=self.run_here.folder,
                                  environment={"TESSERA": str(PROGRAM)})
        self.wait_for_commits("calibration/block-00001", 1)
        self.cluster.call("scancel", "--signal=USR1", "--batch", job)
        self.assertEqual(self.assert_done(job), 1)
        self.assertIn("attempt 1: ended with 75", self.log())
        self.assertIn("attempt 2: ended with 0", self.log())

    def test_warned_by_slurm_before_the_walltime_ends(self):
        self.run_here, job = self.walltime_run, self.walltime_job
        self.slowly.join()
        self.assertIn("attempt 1: USR1 arrived", self.log())
        self.assertGreaterEqual(self.assert_done(job), 1)  # on a slow machine it needs more than two minutes
        self.assertIn("attempt 1: ended with 75", self.log())

    def test_a_chain_where_requeueing_is_forbidden(self):
        job = self.submit("nodes=2", "requeue=false")
        self.wait_for_commits("calibration/block-00000", 1)
        successors = self.run_here.folder / "work" / "submitted.successors"
        second = int(successors.read_text())
        self.cluster.call("scancel", "--signal=USR1", "--batch", job)
        self.assert_ended(job, "FAILED")  # with 75
        self.assertEqual(self.assert_done(second), 0)
        (third,) = [int(line) for line in successors.read_text().split()][1:]
        self.assert_ended(third, "CANCELLED")
        self.assertEqual((self.told()["id"], self.told()["state"]), (str(second), "completed"))

    def test_cancelled_is_not_requeued(self):
        job = self.submit()
        self.wait_for_commits("calibration/block-00000", 1)
        self.tessera("submit", "job.yaml", "--cancel")
        self.assertEqual(self.assert_ended(job, "CANCELLED")["Restarts"], "0")
        until(lambda: not self.cluster.steps(job), 60, "the end of the steps")
        self.assertEqual(self.told()["state"], "cancelled")
        self.assertEqual(self.assert_done(self.submit("nodes=2")), 0)  # goes on with fewer nodes

    def test_a_rank_is_killed(self):
        job = self.submit()
        self.wait_for_commits("calibration/block-00002", 1)
        (rank,) = self.cluster.ranks(job, "SLURMD_NODENAME=n3")
        os.kill(rank, signal.SIGKILL)
        self.assert_ended(job, "FAILED")
        self.assertIn("attempt 1: ended with 137", self.log())
        self.assertEqual(self.assert_done(self.submit("nodes=3")), 0)

    def test_a_node_is_lost(self):
        job = self.submit()
        self.wait_for_commits("solved/", 3)
        self.cluster.lose_node("n2")
        until(lambda: self.cluster.state(job) != "RUNNING", 60, "Slurm notices")
        until(lambda: not self.cluster.steps(job), 60, "the end of the steps")
        self.cluster.find_node("n2")
        self.assertEqual(self.assert_done(job), 1)
        self.assertIn("attempt 2: ended with 0", self.log())

    def test_a_slurmd_is_killed(self):
        job = self.submit()
        self.wait_for_commits("calibration/block-00001", 1)
        self.cluster.kill_node("n4")
        Slowly(self.cluster, job, lambda: self.cluster.show(job)["Restarts"] == "1").join()  # until Slurm has missed it
        self.cluster.start_node("n4")
        until(lambda: "*" not in self.cluster.state_of_node("n4"), 60, "n4 answers")
        self.cluster.find_node("n4")
        self.assertEqual(self.assert_done(job), 1)

    def test_nights_follow_each_other(self):
        folder = self.run_here.folder
        (folder / "list.txt").write_text("job.yaml\n")
        first = self.cluster.submit("--nodes=4", "--ntasks-per-node=1", "--cpus-per-task=1", "--time=60", NIGHTLY,
                                    "list.txt", cwd=folder, environment={
                                        "TESSERA": str(PROGRAM), "AT": "03:00", "NIGHTLY_SCRIPT": str(NIGHTLY)})
        self.assert_ended(first, "COMPLETED")
        second, when = self.waiting_night("%i %S").split()
        self.assertRegex(when, r"T03:00:00$")
        self.cluster.call("scontrol", "update", f"JobId={second}", "StartTime=now")
        self.assert_ended(second, "COMPLETED")
        self.cluster.call("scancel", self.waiting_night("%i"))
        ledger = (folder / "work" / "nightly" / "ledger.jsonl").read_text()
        rows = [json.loads(line) for line in ledger.splitlines()]
        self.assertEqual([row["verdict"]["kind"] for row in rows], ["first", "same"], self.log())
        self.assertEqual([row["machine"]["ranks"] for row in rows], [4, 1])

    def waiting_night(self, what):
        return self.cluster.call("squeue", "--noheader", "--name=tessera_nightly", "--states=PENDING", f"--format={what}")


if __name__ == "__main__":
    run_tests_on_four_nodes(FourNodes, SECONDS_IN_ALL)
