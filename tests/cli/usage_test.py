"""The program itself: help, version, unknown verbs and options."""

import os
import subprocess
import unittest

from program import BAD_INPUT, ProgramTest

VERBS = ("plan", "run", "eval", "inspect", "status", "verify", "compare", "redo", "merge")


class Usage(ProgramTest):
    def test_without_words_it_says_what_there_is_and_fails(self):
        result = self.run_program(expect=BAD_INPUT)
        self.assertEqual(result.stdout, "")
        for verb in VERBS:
            self.assertIn(verb, result.stderr)

    def test_help_goes_to_stdout_with_an_example(self):
        for words in (["--help"], ["-h"], *([verb, "--help"] for verb in VERBS)):
            with self.subTest(words):
                result = self.run_program(*words)
                self.assertIn("Example", result.stdout)
                self.assertIn("tessera " + (words[0] if len(words) > 1 else "run"), result.stdout)
                self.assertEqual(result.stderr, "")

    def test_help_wins_over_missing_words(self):
        self.run_program("run", "--json", "--help")

    def test_version(self):
        self.assertRegex(self.run_program("--version").stdout, r"^tessera \d+\.\d+\.\d+\n$")

    def test_unknown_verbs_and_options_name_a_near_one(self):
        self.assert_refused(["rum"], 'unknown verb rum', "Did you mean run?")
        self.assert_refused(["inspct", "x"], "Did you mean inspect?")
        self.assert_refused(["zzzzzz"], "unknown verb zzzzzz", "tessera --help")
        self.assert_refused(["--versoin"], "unknown option --versoin", "Did you mean --version?")
        self.assert_refused(["run", "job.yaml", "--rezume"], "Did you mean --resume?")
        self.assert_refused(["eval", "x", "--context-lenght", "4"], "Did you mean --context-length?")

    def test_missing_and_surplus_words(self):
        self.assert_refused(["run"], "JOB.yaml is missing", "Usage: tessera run JOB.yaml")
        self.assert_refused(["inspect"], "PATH is missing")
        self.assert_refused(["inspect", "a", "b"], '"b" is one argument too many')
        self.assert_refused(["eval", "x", "--windows", "many"], '--windows is "many"', "whole number")
        self.assert_refused(["eval", "x", "--context-length", "1"], "at least 2")
        self.assert_refused(["eval", "x"], "--text is missing")

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([os.environ["TESSERA_PROGRAM"], "--help"], stdout=full,
                                    stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write to standard output", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
