"""tessera status, verify and compare: on nothing, on a run that lives, on one that was killed, on what it made."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from program import DATA, DONE, ROOT, ProgramTest, write_tiny_model
from run_test import JOB

GATE_FAILED = 4


class WithoutARun(ProgramTest):
    def test_help_has_an_example(self):
        for verb in ("status", "verify", "compare"):
            self.assertIn(f"  tessera {verb} ", self.run_program(verb, "--help").stdout)

    def test_folders_that_are_none(self):
        (self.folder / "empty").mkdir()
        self.assert_refused(["status", "nowhere"], "nowhere does not exist", "work folder")
        self.assert_refused(["verify", "nowhere"], "nowhere is not a folder")
        self.assert_refused(["verify", "empty"], "neither an output nor a work folder")
        self.assert_refused(["compare", "empty", "nowhere"], "empty", "config.json")

    def test_bad_options(self):
        (self.folder / "empty").mkdir()
        self.assert_refused(["status", "empty", "--watch", "--json"], "exclude each other")
        self.assert_refused(["status", "empty", "--set", "runtime.work_dir=x"], "--set")
        self.assert_refused(["compare", "a"], "DIR is missing")
        for bad in ("much", "-1", "nan", "1x"):
            self.assert_refused(["compare", "a", "b", f"--max-difference={bad}"], "--max-difference", bad)

    def test_status_of_nothing(self):
        (self.folder / "empty").mkdir()
        self.assertIn("nothing there", self.run_program("status", "empty").stdout)
        document = self.run_json("status", "empty")
        self.assertEqual((document["state"], document["attempts"]), ("nothing there", 0))
        (self.folder / "job.yaml").write_text(JOB.format(model="m", text="t.txt"))
        self.assertEqual(self.run_json("status", "job.yaml")["state"], "nothing there")
        self.assertEqual(self.run_program("status", "empty", "--watch").stdout, "nothing there\n")
        self.assertEqual(sorted(p.name for p in self.folder.rglob("*")), ["empty", "job.yaml"])

    def test_compare_a_plain_model_with_itself(self):
        write_tiny_model(self.folder / "model")
        document = self.run_json("compare", "model", "model", "--max-difference", 0)
        self.assertTrue(document["equal_files"] and document["within"])
        self.assertEqual(len(document["layers"]), 7)


class WithARun(ProgramTest):
    def setUp(self):
        super().setUp()
        text = DATA / "text" / "tinystories_917_ascii.txt"
        self.model = self.model_of_data("stories260K")
        if not (ROOT / ".venv").is_dir() and "TESSERA_PYTHON" not in os.environ:
            self.skipTest("the tokenizer's Python environment is not there (scripts/setup-python)")
        (self.folder / "job.yaml").write_text(JOB.format(model=self.model, text=text))

    def stop_it_while_it_runs(self):
        """Stops a run (it answers nothing, and holds its folder), looks at it, kills it."""
        slow = ["--set", "quantize.vptq.kmeans_iterations=1000", "--set", "quantize.vptq.refine_rounds=50",
                "--set", "quantize.vptq.num_centroids=1024", "--set", "runtime.threads=1"]
        run = subprocess.Popen([os.environ["TESSERA_PROGRAM"], "run", "job.yaml", *slow], cwd=self.folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        log = self.folder / "work" / "logs" / "rank-00000.jsonl"
        deadline = time.monotonic() + 120
        while not (log.exists() and '"stage":"solve"' in log.read_text()):
            self.assertIsNone(run.poll(), "the run ended before it was seen to solve")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        run.send_signal(signal.SIGSTOP)
        return run

    def test_a_run_that_lives_and_one_that_was_killed(self):
        run = self.stop_it_while_it_runs()
        alive = self.run_json("status", "job.yaml")
        self.assertEqual((alive["state"], alive["stage"]["name"]), ("running", "solve"))
        self.assertIn(f"process {run.pid} ", alive["held_by"])
        self.assertEqual([rank["process"] for rank in alive["ranks"]], [run.pid])
        self.assertEqual(alive["calibrated_blocks"], alive["blocks"])

        watch = subprocess.Popen([os.environ["TESSERA_PROGRAM"], "status", "work", "--watch"],
                                 cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.kill)
        self.assertTrue(watch.stdout.readline().startswith("running"))
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(timeout=30), DONE)

        run.kill()
        run.wait()
        dead = self.run_json("status", "work")
        self.assertEqual((dead["state"], dead["held_by"]), ("resumable", None))
        self.assertEqual(dead["attempts"], 1)
        text = self.run_program("status", "work").stdout
        self.assertIn("not running", text)
        self.assertIn("--resume", text)
        self.assertEqual(self.run_program("status", "work", "--watch").stdout.count("\n"), 1)
        self.run_program("verify", "work")  # what was committed is sound

    def test_what_a_run_made(self):
        self.run_program("run", "job.yaml")
        self.assertEqual(self.run_json("status", "job.yaml")["state"], "finished")
        self.check_verify()
        self.check_compare()

    def check_verify(self):
        for path, kind in (("out", "output"), ("work", "work folder")):
            document = self.run_json("verify", path)
            self.assertEqual((document["sound"], document["kind"]), (True, kind))
            self.assertIn("is sound", self.run_program("verify", path).stdout)
        solved = sorted((self.folder / "work" / "solved").rglob("*.h5"))[0]
        damaged = self.folder / "damaged"
        shutil.copytree(self.folder / "out", damaged)
        for folder, file in ((damaged, damaged / "model.safetensors"), (self.folder / "work", solved)):
            whole = file.read_bytes()
            file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            result = self.run_program("verify", folder, "--json", expect=GATE_FAILED)
            document = json.loads(result.stdout)
            self.assertFalse(document["sound"])
            self.assertIn(file.name, document["findings"][0])
            for finding in document["findings"]:
                self.assertIn(finding, result.stderr)
            self.assertTrue(file.exists())
            file.write_bytes(whole)
            self.run_program("verify", folder)

    def check_compare(self):
        same = self.run_json("compare", "out", "damaged", "--max-difference", 0)
        self.assertTrue(same["equal_files"])
        other = self.run_json("compare", self.model, "out")
        self.assertGreater(other["worst_relative_difference"], 0)
        self.assertLess(other["worst_relative_difference"], 1)
        self.assertEqual(other["bits_per_weight_b"], self.run_json("inspect", "out")["bits_per_weight"])
        self.assertIn("relative_difference", self.run_program("compare", self.model, "out").stdout)
        refused = self.run_program("compare", self.model, "out", "--max-difference", "1e-6",
                                   expect=GATE_FAILED)
        self.assertIn("--max-difference is 1e-06", refused.stderr)
        write_tiny_model(self.folder / "tiny")
        self.assert_refused(["compare", "tiny", "out"], "hidden_size is 8 and")


if __name__ == "__main__":
    unittest.main(verbosity=2)
