"""tessera compare --ledger: what it refuses, and what becomes of runs that failed, were refused, or are at work."""

import fcntl
import json
import os
import unittest

from program import DATA, ROOT, ProgramTest

GATE_FAILED = 4

JOB = """
model: {{path: {model}}}
calibration: {{text: [{text}], num_samples: 4, max_seq_length: 32, num_shards: 2}}
quantize:
  vptq: {{vector_len: 4, num_centroids: 16, kmeans_iterations: 2, refine_rounds: 0}}
evaluation: {{text: {text}, context_length: 64, windows: 2}}
output: {{dir: out}}
runtime: {{work_dir: work}}
"""


class Mistakes(ProgramTest):
    def test_folders_that_tell_of_no_run(self):
        (self.folder / "empty").mkdir()
        self.assert_refused(["compare", "nowhere", "--ledger", "l"], "nowhere does not exist", "--exit-code")
        self.assert_refused(["compare", "empty", "--ledger", "l"], "neither a work folder nor an output")
        self.assert_refused(["compare", "empty", "--ledger", "l", "--append", "--exit-code=0"], "neither")
        self.assertEqual([p.name for p in self.folder.iterdir() if p.stat().st_size and p.is_file()], [])

    def test_options_that_do_not_fit(self):
        self.assert_refused(["compare", "a", "b", "--ledger", "l"], '"b" is one argument too many', "--ledger")
        self.assert_refused(["compare", "a", "b", "c"], '"c" is one argument too many')
        self.assert_refused(["compare", "a", "b", "--append"], "--append", "Name it with --ledger")
        self.assert_refused(["compare", "a", "b", "--page", "p"], "Name it with --ledger")
        self.assert_refused(["compare", "a", "--ledger", "l", "--max-difference=0"], "--max-error-rise")
        for bad in ("much", "-1", "256", "1x"):
            self.assert_refused(["compare", "a", "--ledger", "l", f"--exit-code={bad}"], "--exit-code", bad)
        for bound in ("perplexity", "error", "bits", "time"):
            self.assert_refused(["compare", "a", "--ledger", "l", f"--max-{bound}-rise=-1"], f"--max-{bound}-rise")

    def test_a_run_that_failed_before_it_made_a_folder(self):
        words = ["compare", "nowhere", "--ledger", "sub/l", "--append", "--exit-code", 137, "--error", "gone",
                 "--name", "mine"]
        row = self.run_json(*words, "--page", "pages/p.html", expect=GATE_FAILED)
        self.assertEqual((row["name"], row["end"], row["appended"]), ("mine", "failed", True))
        self.assertEqual(row["verdict"]["kind"], "failed")
        self.assertEqual(row["problems"], ["it ended with 137: gone"])
        self.assertRegex(row["program"]["version"], r"^\d+\.\d+\.\d+$")
        self.assertRegex(row["program"]["commit"], r"^([0-9a-f]{40}(-dirty)?)?$")
        (line,) = (self.folder / "sub" / "l").read_text().splitlines()
        row.pop("appended")
        self.assertEqual(json.loads(line), row)
        self.assertIn("mine: failed", (self.folder / "pages" / "p.html").read_text())

    def test_a_ledger_of_a_later_program_is_refused_and_left_alone(self):
        (self.folder / "l").write_text('{"ledger_version":2}\n')
        for how in ([], ["--append"]):
            self.assert_refused(["compare", "nowhere", "--ledger", "l", "--exit-code", 1, *how],
                                "l, line 1", "ledger_version is 2")
        self.assertEqual((self.folder / "l").read_text(), '{"ledger_version":2}\n')


class WithARun(ProgramTest):
    def setUp(self):
        super().setUp()
        text = DATA / "text" / "tinystories_917_ascii.txt"
        model = self.model_of_data("stories260K")
        if not (ROOT / ".venv").is_dir() and "TESSERA_PYTHON" not in os.environ:
            self.skipTest("the tokenizer's Python environment is not there (scripts/setup-python)")
        (self.folder / "job.yaml").write_text(JOB.format(model=model, text=text))

    def judged(self, *words, **options):
        return self.run_json("compare", "work", "--ledger", "l", *words, **options)

    def test_what_becomes_of_a_run(self):
        self.run_program("run", "job.yaml")
        row = self.judged("--append")
        self.assertEqual((row["name"], row["end"], row["verdict"]["kind"]), ("work", "done", "first"))
        report = json.loads((self.folder / "work" / "report.json").read_text())
        self.assertEqual(row["scores"]["perplexity_quantized"], report["perplexity"]["quantized"])
        self.assertEqual(row["program"]["commit"], report["commit"])
        self.assertEqual([layer["proxy_error"] for layer in row["layers"]],
                         [layer["proxy_error"] for layer in report["layers"]])
        manifest = json.loads((self.folder / "out" / "tessera_manifest.json").read_text())
        self.assertEqual(row["output"]["files"], {name: file["sha256"] for name, file in manifest["files"].items()})

        # An output tells less, and the same of what it tells.
        output = self.run_json("compare", "out", "--ledger", "other")
        for key in ("model", "scores", "output"):
            self.assertEqual(output[key], row[key])
        self.assertEqual((output["recipe"]["fingerprint"], output["layers"]), (row["recipe"]["fingerprint"], []))

        # While somebody holds the folder, nothing is said of it.
        with open(self.folder / "work" / "lock", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assert_refused(["compare", "work", "--ledger", "l"], "work is at work")

        # Killed later on: what it was before does not count.
        log = self.folder / "work" / "logs" / "rank-00000.jsonl"
        with open(log, "a", encoding="utf-8") as file:
            file.write('{"time":"2026-01-31T12:00:00.250Z","type":"start"}\n')
        journal = self.folder / "work" / "journal.jsonl"
        whole = journal.read_text()
        journal.write_text("".join(line + "\n" for line in whole.splitlines() if '"finished"' not in line))
        row = self.judged(expect=GATE_FAILED)
        self.assertIn("it ended without saying how", row["problems"][0])
        self.assertEqual(row["model"]["path"], report["model"])
        row = self.judged("--exit-code", 9, expect=GATE_FAILED)
        self.assertIn("it ended with 9", row["problems"][0])

    def test_a_run_that_its_gate_refused(self):
        self.run_program("run", "job.yaml", "--set", "evaluation.max_perplexity_ratio=1.0", expect=GATE_FAILED)
        row = self.judged("--append", expect=GATE_FAILED)
        self.assertEqual((row["end"], row["verdict"]["kind"]), ("refused", "failed"))
        self.assertIn("not published", row["verdict"]["reasons"][0])
        self.run_program("run", "job.yaml", "--resume")
        self.assertEqual(self.judged("--append")["verdict"]["kind"], "first")


if __name__ == "__main__":
    unittest.main(verbosity=2)
