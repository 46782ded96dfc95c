#!/usr/bin/env python3
"""Submissions of the tiny job to a real Slurm of four nodes, each hit at random; all must end published, alike to the byte.

    TESSERA_PROGRAM=build/release/bin/tessera tests/slurm/drill.py [--submissions 30] [--seed 1]

A submission (`tessera submit`, one to four nodes, requeueing itself or as a chain of attempts) is hit up to three times, at
random moments, the first instants of an attempt among them: requeued by hand, warned (USR1), preempted by an urgent job, a
node of it set DOWN and given back later, a node's slurmd killed and started again later. Nobody submits anything twice.
The one thing done by hand: Slurm lets a requeued job rest for two minutes, which are cut short.

The seed draws the sizes, the blows and the moments; what a blow meets depends on the machine's pace.
"""
import argparse
import collections
import random
import sys
import time

from small_cluster import ENDED, until
from tiny_run import PROGRAM, TinyRun, four_nodes

SECONDS_A_SUBMISSION = 900
BLOWS = ("requeue", "warning", "preemption", "lost node", "killed slurmd")


class Drill:
    def __init__(self, cluster, top, seed):
        self.cluster, self.top = cluster, top
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.plain = TinyRun(top / "plain")
        self.expected = self.plain.run_plainly()

    def submit(self, run, nodes, requeue):
        words = [PROGRAM, "submit", "job.yaml", "--set", f"slurm.nodes={nodes}"]
        if not requeue:
            words += ["--set", "slurm.requeue=false"]
        return int(self.cluster.call(*words, cwd=run.folder))

    @staticmethod
    def jobs(run, first):
        """The attempts there are: the submission, and those that followed it in a chain."""
        file = run.folder / "work" / "submitted.successors"
        return [first] + ([int(line) for line in file.read_text().split()] if file.exists() else [])

    def current(self, run, first):
        """The job that runs, else the first that waits, else the last."""
        jobs = [(job, self.cluster.show(job)) for job in self.jobs(run, first)]
        for wanted in ("RUNNING", "PENDING"):
            for job, shown in jobs:
                if shown["JobState"] == wanted:
                    return job, shown
        return jobs[-1]

    def wait_while_it_runs(self, run, first, seconds):
        """Sleeps, hurrying what rests; False when the run ended meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.has_ended(run, first):
                return False
            time.sleep(0.1)
        return True

    def has_ended(self, run, first):
        return all([self.cluster.hurry(job)["JobState"] in ENDED for job in self.jobs(run, first)])

    # Blows. Each returns when it is over, except for what Slurm makes of it.

    def strike(self, blow, run, first):
        job, shown = self.current(run, first)
        if shown["JobState"] != "RUNNING":
            return False
        try:
            getattr(self, "do_" + blow.replace(" ", "_"))(job)
        except RuntimeError as error:  # it ended a moment ago
            if self.cluster.state(job) == "RUNNING":
                raise
            print(f"  missed: {str(error).splitlines()[-1]}", flush=True)
            return False
        return True

    def do_requeue(self, job):
        self.cluster.call("scontrol", "requeue", job)

    def do_warning(self, job):
        self.cluster.call("scancel", "--signal=USR1", "--batch", job)

    def do_preemption(self, job):
        nodes = self.cluster.nodes_of(job)
        urgent = self.cluster.submit("--partition=urgent", "--exclusive", f"--nodelist={self.random.choice(nodes)}",
                                     "--job-name=urgent", "--output=/dev/null", "--wrap=sleep 2", cwd=self.top)
        until(lambda: self.cluster.state(urgent) == "COMPLETED", 120, "the urgent job's end")

    def do_lost_node(self, job):
        node = self.random.choice(self.cluster.nodes_of(job))
        self.cluster.lose_node(node)
        time.sleep(self.random.uniform(0, 5))
        self.cluster.find_node(node)

    def do_killed_slurmd(self, job):
        node = self.random.choice(self.cluster.nodes_of(job))
        self.cluster.kill_node(node)
        time.sleep(self.random.uniform(0, 30))
        self.cluster.start_node(node)
        until(lambda: "*" not in self.cluster.state_of_node(node), 60, f"{node} answers")
        self.cluster.find_node(node)

    def one(self, number):
        run = TinyRun(self.top / f"submission-{number:03}", self.plain)
        nodes, requeue = self.random.randint(1, 4), self.random.random() < 0.7
        # Even after a missed blow the same numbers have been drawn.
        blows = [(self.random.choice(BLOWS if requeue else ("warning", "lost node")),
                  self.random.choice((self.random.uniform(0, 1), self.random.uniform(0, 15))))
                 for _ in range(self.random.randint(1, 3))]
        begin = time.monotonic()
        first = self.submit(run, nodes, requeue)
        hits = []
        for blow, moment in blows:
            until(lambda: self.has_ended(run, first) or self.current(run, first)[1]["JobState"] == "RUNNING",
                  SECONDS_A_SUBMISSION, lambda: f"the start of job {first}\n{run.log()}")
            if not self.wait_while_it_runs(run, first, moment):
                break
            if self.strike(blow, run, first):
                hits.append(blow)
                self.counts[blow] += 1
        until(lambda: self.has_ended(run, first), SECONDS_A_SUBMISSION,
              lambda: f"the end of job {first} after {hits}\n{run.log()}\n{self.cluster.logs()}")
        made = run.output() if (run.folder / "out").is_dir() else {}
        attempts = run.log().count(": ended with ") + run.log().count(": not started")
        verdict = "alike" if made == self.expected else "DIFFERENT" if made else "NOT PUBLISHED"
        print(f"{number + 1:3}: {nodes} nodes, {'requeue' if requeue else 'chain'}, {', '.join(hits) or 'no hit'}; "
              f"{attempts} attempts told of, {time.monotonic() - begin:.0f} s: {verdict}", flush=True)
        if verdict != "alike":
            print(run.log(), self.cluster.logs(), sep="\n", flush=True)
        self.counts[verdict] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with four_nodes(seconds=0) as (folder, cluster):
        drill = Drill(cluster, folder, arguments.seed)
        try:
            for number in range(arguments.submissions):
                drill.one(number)
        finally:
            print(f"seed {arguments.seed}: " + ", ".join(f"{n} {what}" for what, n in sorted(drill.counts.items())))
    return 0 if drill.counts["alike"] == arguments.submissions else 1


if __name__ == "__main__":
    sys.exit(main())
