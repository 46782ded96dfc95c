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


if __name__ == "__main__":
    unittest.main(verbosity=2)
