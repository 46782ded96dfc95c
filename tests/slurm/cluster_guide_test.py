#!/usr/bin/env python3
"""Follows docs/cluster_guide.md, block by block as it stands, on a real Slurm of four nodes.

    TESSERA_PROGRAM=build/release/bin/tessera tests/slurm/cluster_guide_test.py

What is put in place of a site: `module` and `cmake` are stand-ins (the program is built already), the model is a tiny one,
and the numbers of SMALLER are smaller. Exits 77 where tests/slurm/four_nodes.py does.
"""
import json
import pathlib
import re
import subprocess
import unittest

from small_cluster import SmallCluster, until
from tiny_run import MODEL, PROGRAM, ROOT, TEXT, run_tests_on_four_nodes

GUIDE = ROOT / "docs" / "cluster_guide.md"
SECONDS_IN_ALL, SECONDS_A_JOB = 560, 240
SMALLER = {"max_seq_length: 2048": "max_seq_length: 256", "context_length: 2048": "context_length: 256",
           "windows: 40": "windows: 12", "ntasks_per_node: 2": "ntasks_per_node: 1", "cpus_per_task: 32": "cpus_per_task: 1",
           "num_centroids: 256,": "num_centroids: 256, kmeans_iterations: 50, refine_rounds: 15,"}
MODULE = '#!/bin/sh\n[ "$1" = load ]\n'
CMAKE = """#!/bin/sh
grep -q '"name": "release"' CMakePresets.json || exit 1
case "$*" in
  '--preset release') mkdir -p build/release/bin ;;
  '--build --preset release') ln -s '{folder}/tessera' '{folder}/run_resumable.sh' build/release/bin/ ;;
  *) exit 1 ;;
esac
"""


def blocks(text):
    """(heading, language, content) of every fenced block, in order."""
    found, heading = [], ""
    for part in re.finditer(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        heading = part[1] or heading
        if part[2]:
            found.append((heading, part[2], part[3]))
    return found


class ClusterGuide(unittest.TestCase):
    folder: pathlib.Path
    cluster: SmallCluster

    def setUp(self):
        for name in ("models", "data", "bin"):
            (self.folder / name).mkdir()
        (self.folder / "models" / "my-model").symlink_to(MODEL)
        for name in ("calibration.txt", "test.txt"):
            (self.folder / "data" / name).symlink_to(TEXT)
        for name in ("scripts", "CMakePresets.json", "slurm", ".venv"):
            if (ROOT / name).exists():
                (self.folder / name).symlink_to(ROOT / name)
        for name, body in (("module", MODULE), ("cmake", CMAKE.format(folder=PROGRAM.parent))):
            (self.folder / "bin" / name).write_text(body)
            (self.folder / "bin" / name).chmod(0o755)
        self.path = f"{self.folder}/bin:{self.cluster.environment['PATH']}"

    def follow(self, block):
        result = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", block], cwd=self.folder, text=True,
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=200, check=False,
                                env={**self.cluster.environment, "PATH": self.path})
        self.assertEqual(result.returncode, 0, f"{block}\n{result.stdout}{result.stderr}\n{self.log()}")
        return result.stdout

    def log(self):
        return "".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("*.log")))

    def told(self):
        return json.loads(self.follow("build/release/bin/tessera submit my_job.yaml --status --json"))

    def wait(self, wanted):
        until(lambda: self.told()["state"] in wanted, SECONDS_A_JOB, lambda: f"{wanted}: {self.told()}\n{self.log()}")

    def test_every_block(self):
        said = []
        for heading, language, block in blocks(GUIDE.read_text(encoding="utf-8")):
            with self.subTest(heading):
                if language == "yaml":
                    self.write_job(block)
                    continue
                if heading == "Watch":
                    self.wait(("running",))
                    until(lambda: self.log().count("calibrate"), SECONDS_A_JOB, "the job's first words")
                if "slurm.nodes=1" in block:
                    self.wait(("cancelled",))
                if heading == "Collect":
                    self.wait(("completed",))
                said.append((heading, self.follow(block)))
        self.assertEqual([h for h, _ in said], ["Build with the site's MPI", "Look before you submit", "Submit", "Watch",
                                                "When it is interrupted", "When it is interrupted", "Collect"])
        texts = [text for _, text in said]
        self.assertIn("#SBATCH --nodes=2\n", texts[1])
        self.assertIn("\nmodule load gcc openmpi\n", texts[1])
        self.assertRegex(texts[2], r"^\d+\n$")
        self.assertIn("slurm job " + texts[2].strip(), texts[3])
        self.assertIn("completed", texts[6])
        self.assertIn("is sound", texts[6])

    def write_job(self, block):
        for real, small in SMALLER.items():
            self.assertIn(real, block)
            block = block.replace(real, small)
        name = re.match(r"# (\S+)\n", block)[1]
        (self.folder / name).write_text(block)


if __name__ == "__main__":
    run_tests_on_four_nodes(ClusterGuide, SECONDS_IN_ALL)
