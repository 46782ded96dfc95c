"""tessera inspect: what it says of models and files, and what it refuses."""

import unittest

from program import ProgramTest, write_safetensors, write_tiny_model


class Inspect(ProgramTest):
    def test_refuses_what_it_does_not_know(self):
        (self.folder / "empty").mkdir()
        (self.folder / "notes.txt").write_text("x")
        (self.folder / "work.h5").write_text("no HDF5")
        self.assert_refused(["inspect", "nowhere"], "nowhere does not exist")
        self.assert_refused(["inspect", "empty"], "neither config.json nor journal.jsonl")
        self.assert_refused(["inspect", "notes.txt"], "notes.txt", ".safetensors")
        self.assert_refused(["inspect", "work.h5"], "work.h5")

    def test_a_safetensors_file(self):
        file = self.folder / "x.safetensors"
        write_safetensors(file, {"b": ("F32", [2, 3], bytes(24)), "a": ("I64", [], bytes(8))})
        document = self.run_json("inspect", file)
        self.assertEqual(document["kind"], "safetensors file")
        self.assertEqual(document["bytes"], 32)
        self.assertEqual(document["tensors"], [
            {"name": "a", "dtype": "I64", "shape": [], "bytes": 8},
            {"name": "b", "dtype": "F32", "shape": [2, 3], "bytes": 24}])
        text = self.run_program("inspect", file).stdout
        self.assertIn("2 x 3", text)

    def test_residuals_apart_from_their_model(self):
        metadata = {"residual_version": "1", "bits": "4", "zero_code": "8", "chunk": "1024", "base_method": "vptq",
                    "base_digest": "a" * 64, "calibration": "3 samples", "k_chunk": "16",
                    "budget": "bytes_per_token 8", "k_chunk_of": '{"layers.0.x": 24}'}
        (self.folder / "made").mkdir()
        file = self.folder / "made" / "decdec_residual.safetensors"
        tensors = {"layers.0.x.residual_q": ("I32", [2, 1], b"\x88" * 8),
                   "layers.0.x.residual_scale": ("F16", [8], bytes(16)),
                   "layers.0.x.act_topk_max": ("F32", [2], bytes(8))}
        write_safetensors(file, tensors, metadata)
        for path in (file, file.parent):
            document = self.run_json("inspect", path)
            self.assertEqual(document["kind"], "residual file")
            self.assertEqual(document["residual"]["budget"], "bytes_per_token 8")
            self.assertEqual(document["residuals"], [
                {"name": "layers.0.x", "out_features": 8, "in_features": 2, "bits": 4, "bytes_per_channel": 4,
                 "k_chunk": 24}])
        self.assertIn("bytes_per_channel", self.run_program("inspect", file).stdout)
        tensors["layers.0.x.residual_q"] = ("I32", [2, 1], b"\x88" * 7 + b"\x08")
        write_safetensors(file, tensors, metadata)
        self.assert_refused(["inspect", file], "channel 1, output 7 is 0")

    def test_a_truncated_file_is_refused_by_name(self):
        file = self.folder / "x.safetensors"
        write_safetensors(file, {"a": ("F32", [4], bytes(16))})
        file.write_bytes(file.read_bytes()[:-1])
        self.assert_refused(["inspect", file], "x.safetensors")

    def test_a_model_folder(self):
        write_tiny_model(self.folder / "model")
        document = self.run_json("inspect", "model")
        self.assertEqual(document["kind"], "model")
        self.assertEqual(document["config"]["architecture"], "LlamaForCausalLM")
        self.assertEqual(len(document["tensors"]), 11)
        self.assertEqual(document["bytes"], sum(t["bytes"] for t in document["tensors"]))
        self.assertIn("model.layers.0.mlp.down_proj.weight", self.run_program("inspect", "model").stdout)

    def test_an_unknown_architecture_is_refused(self):
        write_tiny_model(self.folder / "model")
        config = self.folder / "model" / "config.json"
        config.write_text(config.read_text().replace("LlamaForCausalLM", "MambaForCausalLM"))
        self.assert_refused(["inspect", "model"], "config.json", "MambaForCausalLM")


if __name__ == "__main__":
    unittest.main(verbosity=2)
