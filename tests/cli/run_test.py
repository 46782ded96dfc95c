"""tessera run: bad jobs, and a small real one from the command line to the files it leaves."""

import csv
import os
import pathlib
import subprocess
import unittest

from program import DATA, ROOT, ProgramTest, write_tiny_model

JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: 4, max_seq_length: 32, num_shards: 2}}
quantize:
  vptq: {{vector_len: 4, num_centroids: 16, kmeans_iterations: 5, refine_rounds: 1}}
evaluation: {{text: {text}, context_length: 64, windows: 2}}
output: {{dir: out}}
runtime: {{work_dir: work}}
"""

SIX_MISTAKES = """
model: {path: nowhere/model}
calibration: {text: [a.txt], num_sample: 4, num_shards: zero}
quantize:
  vptq: {vector_len: 40, num_centroids: 100, normalize: maybe}
evaluation: {text: b.txt, context_length: 1}
output: {dir: out}
runtime: {work_dir: work}
"""


class BadJobs(ProgramTest):
    def test_a_job_that_is_not_there(self):
        self.assert_refused(["run", "job.yaml"], "job.yaml")

    def test_six_mistakes_are_told_at_once_and_nothing_is_written(self):
        (self.folder / "job.yaml").write_text(SIX_MISTAKES)
        message = self.assert_refused(
            ["run", "job.yaml"], "calibration.num_sample", "Did you mean num_samples",
            "calibration.num_shards", "quantize.vptq.vector_len", "quantize.vptq.num_centroids",
            "quantize.vptq.normalize", "evaluation.context_length", "job.yaml:3", "job.yaml:5")
        self.assertGreaterEqual(message.count("\n"), 6)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["job.yaml"])

    def test_yaml_that_is_none(self):
        (self.folder / "job.yaml").write_text("model: [unclosed\n")
        self.assert_refused(["run", "job.yaml"], "job.yaml")

    def test_a_bad_set_option(self):
        (self.folder / "job.yaml").write_text(JOB.format(model="m", text="t.txt"))
        self.assert_refused(["run", "job.yaml", "--set", "quantize.sed=3"], "quantize.sed")
        self.assert_refused(["run", "job.yaml", "--set", "nonsense"], "nonsense")

    def test_resume_and_fresh_exclude_each_other(self):
        self.assert_refused(["run", "job.yaml", "--resume", "--fresh"], "--resume and --fresh")

    def test_a_model_or_text_that_is_not_there(self):
        (self.folder / "job.yaml").write_text(JOB.format(model="nowhere", text="t.txt"))
        self.assert_refused(["run", "job.yaml"], "nowhere")
        write_tiny_model(self.folder / "model")
        self.assert_refused(["run", "job.yaml", "--set", "model.path=model"], "model")
        self.assertFalse((self.folder / "out").exists())
        self.assertFalse((self.folder / "out.partial").exists())


class SmallJob(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = DATA / "text" / "tinystories_917_ascii.txt"
        self.model = self.model_of_data("stories260K")
        if not (ROOT / ".venv").is_dir() and "TESSERA_PYTHON" not in os.environ:
            self.skipTest("the tokenizer's Python environment is not there (scripts/setup-python)")
        (self.folder / "job.yaml").write_text(JOB.format(model=self.model, text=self.text))

    def check_documents(self, document):
        self.assertLess(document["bits_per_weight"], 4)
        self.assertGreater(document["perplexity"]["quantized"], document["perplexity"]["original"])
        self.assertGreater(document["peak_memory_bytes"], 0)
        self.assertGreater(document["seconds"]["solve"], 0)
        for key in ("output", "work_dir", "report"):
            self.assertIsInstance(document[key], str)

    def test_from_the_command_line_to_the_files(self):
        first = self.run_json("run", "job.yaml")
        self.check_documents(first)
        for name in ("report.json", "report.html", "quant_log.csv", "job.yaml", "journal.jsonl"):
            self.assertTrue((self.folder / "work" / name).is_file(), name)
        with open(self.folder / "work" / "quant_log.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), len(first["layers"]))
        self.assertTrue((self.folder / "out" / "config.json").is_file())

        # A second run is refused, saying how far the first got; --resume finds it finished, and changes nothing.
        self.assert_refused(["run", "job.yaml"], "--resume", "--fresh", "finished")
        again = self.run_json("run", "job.yaml", "--resume")
        self.assertEqual(again["perplexity"], first["perplexity"])
        self.assert_refused(["run", "job.yaml", "--resume", "--set", "quantize.seed=1"],
                            "quantize.seed")

        summary = self.run_program("run", "job.yaml", "--resume").stderr
        self.assertIn("bits per weight", summary)
        self.assertIn('from_pretrained("out")', summary)

        # The packed model scores the same from the command line, and inspect knows all three folders.
        score = self.run_json("eval", "out", "--text", self.text, "--context-length", 64, "--windows", 2)
        self.assertAlmostEqual(score["perplexity"], first["perplexity"]["quantized"], places=6)
        self.assertEqual(score["tokens"], 2 * 63)
        self.assertEqual((score["context_length"], score["windows"]), (64, 2))
        packed = self.run_json("inspect", "out")
        self.assertEqual(packed["kind"], "packed model")
        self.assertAlmostEqual(packed["bits_per_weight"], first["bits_per_weight"], places=6)
        work = self.run_json("inspect", "work")
        self.assertEqual(work["progress"], "finished")
        self.assertEqual(len(work["layers"]), len(rows))
        for row in work["files"]:
            inside = self.run_json("inspect", pathlib.Path("work") / row["file"])
            self.assertEqual(inside["kind"], "work file")

    def test_redo_says_beforehand_what_it_makes_again(self):
        self.run_program("run", "job.yaml")
        before = {p: p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}
        told = self.run_program("redo", "job.yaml", "--module", "down_proj", "--dry-run").stdout
        self.assertIn("solved again: model.layers.0.mlp.down_proj, ", told)
        self.assertIn("shards packed again: model.safetensors", told)
        self.assertIn("the score of the original", told)
        stale = self.run_json("redo", "job.yaml", "--module", ".*", "--dry-run")
        self.assertEqual(len(stale["layers"]), 35)
        self.assert_refused(["redo", "job.yaml", "--module", "nothing", "--dry-run"], "nothing")
        self.assertEqual({p: p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}, before)

    def test_a_gate_that_fails_is_exit_code_4_and_nothing_is_published(self):
        gate = ["--set", "evaluation.max_perplexity_ratio=1.0"]
        result = self.run_program("run", "job.yaml", *gate, expect=4)
        self.assertIn("not published", result.stderr)
        self.assertFalse((self.folder / "out").exists())


class Scripts(unittest.TestCase):
    def test_help_of_the_scripts(self):
        for name in ("quickstart", "test", "setup-interop"):
            result = subprocess.run([ROOT / "scripts" / name, "--help"], text=True,
                                    capture_output=True, check=True)
            self.assertIn(f"scripts/{name}", result.stdout)
            self.assertNotIn("#", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
