"""tessera plan --preflight: what it finds, its exit codes, alone and on several ranks."""

import json
import os
import shutil
import subprocess
import unittest

from program import DATA, ProgramTest

GATE_FAILED = 4
JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: 4, max_seq_length: 32, num_shards: 2}}
quantize:
  vptq: {{vector_len: 4, num_centroids: 16}}
output: {{dir: out}}
runtime: {{work_dir: work, threads: 1}}
"""


class Preflight(ProgramTest):
    def setUp(self):
        super().setUp()
        text = DATA / "text" / "tinystories_917_ascii.txt"
        if not text.exists():
            self.skipTest(f"{text} is missing")
        model = self.model_of_data("stories260K")
        (self.folder / "job.yaml").write_text(JOB.format(model=model, text=text))

    def verdicts(self, *words, expect=0):
        result = self.run_program("plan", "job.yaml", "--preflight", "--json", *words, expect=expect)
        report = json.loads(result.stdout)
        return {check["name"]: check for check in report["checks"]}, result.stderr

    def test_a_good_job_is_ready_and_nothing_is_left(self):
        checks, text = self.verdicts()
        self.assertEqual({check["verdict"] for check in checks.values()} - {"warning"}, {"ok"})
        self.assertIn("factorization", checks)
        self.assertGreater(checks["disk"]["value"], 0)
        self.assertIn("ready on 1 rank", text)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["job.yaml"])

    def test_a_folder_that_cannot_be_made_is_exit_code_4(self):
        (self.folder / "file").write_text("x")
        checks, text = self.verdicts("--set", "runtime.work_dir=file/work", expect=GATE_FAILED)
        self.assertEqual(checks["disk"]["verdict"], "failed")
        self.assertIn("is no folder", checks["disk"]["sentence"])
        self.assertIn("would not get through", text)

    def test_memory_that_does_not_suffice(self):
        checks, _ = self.verdicts("--set", "runtime.host_memory=1MB", expect=GATE_FAILED)
        self.assertIn("runtime.host_memory is 1.0 MB", checks["model"]["sentence"])

    @unittest.skipUnless(shutil.which("mpirun"), "mpirun is not installed")
    def test_on_two_ranks(self):
        environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        for setting, code in (("runtime.threads=1", 0), ("runtime.work_dir=/proc/work", GATE_FAILED)):
            result = subprocess.run(
                ["mpirun", "--oversubscribe", "-n", "2", os.environ["TESSERA_PROGRAM"], "plan", "job.yaml",
                 "--preflight", "--json", "--set", setting], cwd=self.folder, env=environment, text=True,
                capture_output=True, timeout=250, check=False)
            if "built without MPI" in result.stderr or "no MPI" in result.stderr:
                self.skipTest("the program has no MPI")
            self.assertEqual(result.returncode, code, result.stderr)
            report = json.loads(result.stdout)
            self.assertEqual(report["ranks"], 2)
            self.assertEqual(report["failed"], code != 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
