"""tessera submit: what it renders, whom it asks, and a job in the background, from its start to its end."""

import json
import os
import pathlib
import time
import unittest

from program import DATA, FAILED, ROOT, ProgramTest

JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: {samples}, max_seq_length: 32, num_shards: 2}}
quantize:
  vptq: {{vector_len: 4, num_centroids: 16, kmeans_iterations: 5, refine_rounds: 1}}
evaluation: {{text: {text}, context_length: 64, windows: 2}}
output: {{dir: out}}
runtime: {{work_dir: work}}
slurm: {{nodes: 2, ntasks_per_node: {ranks}, time: "01:00:00", partition: batch}}
"""


class Submit(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write_job()

    def write_job(self, model="m", text="t.txt", samples=4, ranks=1):
        (self.folder / "my job.yaml").write_text(JOB.format(model=model, text=text, samples=samples, ranks=ranks))

    def submit(self, *words, **options):
        return self.run_program("submit", "my job.yaml", *words, **options)


class Slurm(Submit):
    """With stand-ins for Slurm's commands in PATH."""

    def setUp(self):
        super().setUp()
        commands = self.folder / "bin"
        commands.mkdir()
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{commands}:{path}"
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        self.fake("squeue", "echo 'tessera|RUNNING|n[1-2]'")
        self.fake("sbatch", "echo 4711")
        self.fake("scancel", "")

    def fake(self, name, body):
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/sh\necho \"{name} $*\" >>'{self.folder}/calls'\n{body}\n")
        file.chmod(0o755)

    def calls(self):
        file = self.folder / "calls"
        return file.read_text() if file.exists() else ""

    def test_a_dry_run_prints_a_script_and_touches_nothing(self):
        script = self.submit("--dry-run", "--set", "slurm.nodes=3", "--set", "quantize.seed=2").stdout
        self.assertTrue(script.startswith("#!/usr/bin/env bash\n#SBATCH --job-name=my-job\n"), script)
        self.assertIn("#SBATCH --nodes=3\n", script)
        self.assertIn("#SBATCH --partition=batch\n", script)
        program = pathlib.Path(os.environ["TESSERA_PROGRAM"]).resolve()
        self.assertIn(f"exec {program.parent}/run_resumable.sh --max-attempts 20 ", script)
        self.assertIn(f"{program} run 'my job.yaml' --resume --json --set slurm.nodes=3 --set quantize.seed=2\n", script)
        self.assertTrue((program.parent / "run_resumable.sh").is_file())
        self.assertEqual(json.loads(self.submit("--dry-run", "--json").stdout)["launcher"], "slurm")
        self.assertEqual(self.calls(), "")
        self.assertFalse((self.folder / "work").exists())

    def test_mistakes_are_told_before_anything_is_submitted(self):
        self.assert_refused(["submit", "my job.yaml", "--set", "slurm.time=soon", "--set", "slurm.partition=a b",
                             "--set", "quantize.vptq.num_centroids=100"],
                            "slurm.time", "slurm.partition", "num_centroids")
        self.assert_refused(["submit", "my job.yaml", "--launcher", "pbs"], "pbs", "slurm and local")
        self.assert_refused(["submit", "my job.yaml", "--dry-run", "--cancel"], "exclude each other")
        self.assert_refused(["submit", "nowhere.yaml"], "nowhere.yaml")
        self.assertEqual(self.calls(), "")

    def test_submits_once(self):
        self.assertEqual(self.submit().stdout, "4711\n")
        self.assertIn("sbatch --parsable work/submit.slurm\n", self.calls())
        self.assertEqual(json.loads((self.folder / "work" / "submitted.json").read_text())["id"], "4711")
        self.assert_refused(["submit", "my job.yaml"], "slurm job 4711", "is running", "--cancel")
        self.assertEqual(self.calls().count("sbatch"), 1)
        self.fake("squeue", "echo 'tessera|NODE_FAIL|n1'")
        self.assertEqual(json.loads(self.submit("--json").stdout)["id"], "4711")
        self.assertEqual(self.calls().count("sbatch"), 2)

    def test_says_where_it_stands_and_ends_it(self):
        for words in (["--status"], ["--cancel"]):
            self.assert_refused(["submit", "my job.yaml", *words], "nothing was submitted for work")
        self.submit()
        self.assertIn("slurm job 4711 (my-job, submitted 2", self.submit("--status").stdout)
        self.fake("squeue", "echo 'tessera|MEDITATING|n1'")
        told = json.loads(self.submit("--status", "--json").stdout)
        self.assertEqual((told["state"], told["word"], told["detail"]), ("unknown", "MEDITATING", "n1"))
        (self.folder / "work" / "submitted.successors").write_text("4712\n")
        self.submit("--cancel")
        self.assertTrue(self.calls().endswith("scancel 4712\nscancel 4711\n"), self.calls())

    def test_what_slurm_says_is_passed_on(self):
        self.fake("sbatch", "echo 'sbatch: error: Batch job submission failed: Invalid account' >&2; exit 1")
        self.assertIn("Invalid account", self.submit(expect=FAILED).stderr)
        self.submit("--dry-run")


class Background(Submit):
    def setUp(self):
        super().setUp()
        if not (ROOT / ".venv").is_dir() and "TESSERA_PYTHON" not in os.environ:
            self.skipTest("the tokenizer's Python environment is not there (scripts/setup-python)")
        self.write_job(self.model_of_data("stories260K"), DATA / "text" / "tinystories_917_ascii.txt", samples=256)

    def told(self):
        return json.loads(self.submit("--status", "--json").stdout)

    def state_when(self, has_come):
        for _ in range(1200):
            told = self.told()
            if has_come(told["state"]):
                return told
            time.sleep(0.1)
        raise AssertionError(f"{told}\n{(self.folder / 'work' / 'local.log').read_text()}")

    def test_from_its_start_to_its_end(self):
        self.assertIn("tessera run 'my job.yaml' --resume", self.submit("--launcher", "local", "--dry-run").stdout)
        self.submit("--launcher", "local")
        self.assert_refused(["submit", "my job.yaml", "--launcher", "local"], "work", "Wait for")
        self.submit("--cancel")
        self.assertEqual(self.state_when(lambda s: s != "running")["state"], "cancelled")
        self.submit("--launcher", "local")
        self.assertEqual(self.state_when(lambda s: s != "running")["word"], "exit code 0")
        self.assertTrue((self.folder / "out" / "config.json").is_file())


if __name__ == "__main__":
    unittest.main(verbosity=2)
