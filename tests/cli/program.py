"""What the tests of the program share: they run the built binary ($TESSERA_PROGRAM) as a user would."""

import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("TESSERA_TEST_DATA", ROOT.parent / "shared" / "data"))

DONE, FAILED, BAD_INPUT = 0, 1, 2


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_program(self, *words, expect=DONE, timeout=300):
        """Runs in the test's folder and checks the exit code; returns the finished process."""
        result = subprocess.run(
            [os.environ["TESSERA_PROGRAM"], *map(str, words)], cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
        self.assertEqual(result.returncode, expect, f"{words}\n{result.stdout}\n{result.stderr}")
        return result

    def assert_refused(self, words, *parts):
        """Exit code 2, nothing on stdout, and every part in the message."""
        result = self.run_program(*words, expect=BAD_INPUT)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"(?m)^tessera: ")  # after what was logged, if anything
        self.assertNotIn("bug", result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        return result.stderr

    def run_json(self, *words, **options):
        """The one JSON document on stdout, strictly read; stderr, which is no terminal, has no live line."""
        def refuse(word):
            raise AssertionError(f"{word} is no JSON")
        result = self.run_program(*words, "--json", **options)
        self.assertNotIn("\x1b", result.stderr)
        return json.loads(result.stdout, parse_constant=refuse)

    def model_of_data(self, name):
        folder = DATA / "models" / name
        if not folder.is_dir():
            self.skipTest(f"models/{name} is not in $TESSERA_TEST_DATA nor in ../shared/data")
        return folder


def write_safetensors(file, tensors, metadata=None):
    """tensors: name -> (dtype, shape, bytes)."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, data) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(
        data for _, (_, _, data) in sorted(tensors.items())))


def write_tiny_model(folder):
    """A one-block Llama of zeros: enough to be looked at."""
    hidden, inner, heads, vocabulary = 8, 16, 2, 11
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": 1, "num_attention_heads": heads,
        "num_key_value_heads": heads, "vocab_size": vocabulary, "max_position_embeddings": 32,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "torch_dtype": "float16"}))
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}
    block = "model.layers.0."
    for norm in ("input_layernorm", "post_attention_layernorm"):
        shapes[block + norm + ".weight"] = [hidden]
    for name in "qkvo":
        shapes[f"{block}self_attn.{name}_proj.weight"] = [hidden, hidden]
    shapes[block + "mlp.gate_proj.weight"] = shapes[block + "mlp.up_proj.weight"] = [inner, hidden]
    shapes[block + "mlp.down_proj.weight"] = [hidden, inner]
    write_safetensors(folder / "model.safetensors", {
        name: ("F16", shape, bytes(2 * shape[0] * (shape[1] if len(shape) > 1 else 1)))
        for name, shape in shapes.items()}, {"format": "pt"})
