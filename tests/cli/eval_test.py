"""tessera eval: what it refuses before it computes anything."""

import unittest

from program import ProgramTest, write_tiny_model


class Eval(ProgramTest):
    def test_a_model_that_is_not_there(self):
        self.assert_refused(["eval", "nowhere", "--text", "x.txt"], "nowhere is not a folder")

    def test_a_folder_without_weights(self):
        write_tiny_model(self.folder / "model")
        (self.folder / "model" / "model.safetensors").unlink()
        self.assert_refused(["eval", "model", "--text", "x.txt"], "model")

    def test_a_model_without_a_tokenizer_or_a_text(self):
        write_tiny_model(self.folder / "model")
        (self.folder / "x.txt").write_text("some text")
        self.assert_refused(["eval", "model", "--text", "x.txt"], "tokenizer.json")
        (self.folder / "model" / "tokenizer.json").write_text("{}")
        self.assert_refused(["eval", "model", "--text", "nowhere.txt"], "nowhere.txt")

    def test_residual_options_that_make_no_sense(self):
        write_tiny_model(self.folder / "model")
        (self.folder / "x.txt").write_text("some text")
        start = ["eval", "model", "--text", "x.txt"]
        self.assert_refused([*start, "--k-chunk", "8"], "--k-chunk is given without --residual")
        self.assert_refused([*start, "--residual", "model", "--k-chunk", "8,x"], "--k-chunk is '8,x'")
        self.assert_refused([*start, "--residual", "model", "--k-chunk", "-1"], "--k-chunk")
        self.assert_refused([*start, "--residual", "model", "--selection", "best"],
                            "--selection is 'best' (it is one of exact, bucket, global, static, random, scaled)")
        self.assert_refused([*start, "--residual", "model", "--protocol", "none"],
                            "--protocol is 'none' (it is one of every-position, prefill-plain)")
        self.assert_refused([*start, "--residual", "model", "--prompt-tokens", "8"],
                            "--prompt-tokens is given, but every position is compensated")


if __name__ == "__main__":
    unittest.main(verbosity=2)
