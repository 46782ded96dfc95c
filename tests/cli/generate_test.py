"""tessera generate: what it refuses, and what it prints, with a stand-in for the tokenizer's helper."""

import json
import os
import sys
import unittest

from program import ProgramTest, write_tiny_model

# A token for each word of the prompt; every generated token reads "é", told as two halves would be: late.
HELPER = f"""#!{sys.executable}
import json, sys
held = ""
for line in sys.stdin:
    request = json.loads(line)
    if "encode" in request:
        answer = {{"tokens": [3 for _ in request["encode"].split()]}}
    elif "decode" in request:
        told, held = held, " é%d" % request["decode"]
        answer = {{"text": told}}
    else:
        answer = {{"text": held}}
    print(json.dumps(answer), flush=True)
"""


class Generate(ProgramTest):
    def setUp(self):
        super().setUp()
        self.use_helper(HELPER)
        write_tiny_model(self.folder / "model")
        (self.folder / "model" / "tokenizer.json").write_text("{}")

    def use_helper(self, script):
        folder = self.folder / "helpers"
        folder.mkdir(exist_ok=True)
        (folder / "tokenize").write_text(script)
        (folder / "tokenize").chmod(0o755)
        os.environ["TESSERA_HELPERS"] = str(folder)
        self.addCleanup(os.environ.pop, "TESSERA_HELPERS", None)

    def test_text_goes_to_stdout_and_rates_to_stderr(self):
        # A model of zeros: all logits are equal, and the lowest token is taken.
        result = self.run_program("generate", "model", "--prompt", "two words", "--max-tokens", "3")
        self.assertEqual(result.stdout, " é0 é0 é0\n")
        self.assertRegex(result.stderr, r"prompt 2 tokens, [0-9.]+/s; generated 3 tokens, [0-9.]+/s; ended by max_tokens")

    def test_one_document_for_programs(self):
        document = self.run_json("generate", "model", "--prompt", "two words", "--max-tokens", "4", "--temperature", "1",
                                 "--top-k", "5", "--top-p", "0.9", "--seed", "3")
        self.assertEqual(document["prompt_tokens"], 2)
        self.assertEqual(len(document["tokens"]), 4)
        self.assertLess(max(document["tokens"]), 5)
        self.assertEqual(document["text"], "".join(f" é{token}" for token in document["tokens"]))
        self.assertEqual(document["stop"], "max_tokens")
        self.assertEqual(document["seed"], 3)

    def test_nothing_and_one_token(self):
        self.assertEqual(self.run_json("generate", "model", "--prompt", "a", "--max-tokens", "0")["tokens"], [])
        self.assertEqual(self.run_json("generate", "model", "--prompt", "a", "--max-tokens", "1")["tokens"], [0])

    def test_ends_at_the_end_token_and_at_the_last_position(self):
        document = self.run_json("generate", "model", "--prompt", "word " * 30)  # 32 positions
        self.assertEqual((len(document["tokens"]), document["stop"]), (2, "max_positions"))
        (self.folder / "model" / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 0]}))
        document = self.run_json("generate", "model", "--prompt", "a")
        self.assertEqual((document["text"], document["tokens"], document["stop"]), ("", [], "end_token"))

    def test_a_model_that_is_not_there(self):
        self.assert_refused(["generate", "nowhere", "--prompt", "x"], "nowhere is not a folder")

    def test_a_folder_without_weights_or_tokenizer(self):
        (self.folder / "model" / "tokenizer.json").unlink()
        self.assert_refused(["generate", "model", "--prompt", "x"], "model holds no tokenizer.json")
        (self.folder / "model" / "tokenizer.json").write_text("{}")
        (self.folder / "model" / "model.safetensors").unlink()
        self.assert_refused(["generate", "model", "--prompt", "x"], "model")

    def test_a_prompt_that_is_missing_empty_or_too_long(self):
        self.assert_refused(["generate", "model"], "--prompt is missing or empty")
        self.assert_refused(["generate", "model", "--prompt", ""], "--prompt is missing or empty")
        self.assert_refused(["generate", "model", "--prompt", "   "], "the prompt has no tokens")
        self.assert_refused(["generate", "model", "--prompt", "word " * 32],
                            "the prompt has 32 tokens", "max_position_embeddings", "at most 31")

    def test_settings_out_of_range(self):
        for words in (["--temperature", "-1"], ["--temperature", "hot"], ["--top-p", "1.5"], ["--top-p", "nan"]):
            self.assert_refused(["generate", "model", "--prompt", "x", *words], words[0], words[1])
        self.assert_refused(["generate", "model", "--prompt", "x", "--top-p", "0"], "top_p is 0")

    def test_a_tokenizer_that_cannot_be_opened_and_a_helper_that_fails(self):
        self.use_helper('#!/bin/sh\nread line\necho \'{"error": "model/tokenizer.json is no tokenizer."}\'\n')
        self.assert_refused(["generate", "model", "--prompt", "x"], "tokenizer.json is no tokenizer.")
        self.use_helper("#!/bin/sh\necho it broke >&2\nexit 9\n")
        result = self.run_program("generate", "model", "--prompt", "x", expect=1)
        self.assertIn("it broke", result.stderr)
        self.assertIn("ended with exit code 9", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
