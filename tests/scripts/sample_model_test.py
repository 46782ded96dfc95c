"""scripts/helpers/gguf_to_hf.py on a tiny GGUF made here, and what scripts/fetch-sample-model says of folders it finds."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from gguf import GGUFWriter
from safetensors.numpy import load_file
from tokenizers import Tokenizer

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS / "helpers"))
sys.dont_write_bytecode = True

import common  # noqa: E402
import fetch_sample_model  # noqa: E402
import gguf_to_hf  # noqa: E402

HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD = 3, 1, 4, 10
HIDDEN = HEADS * HEAD_DIM
TOKENS = ["<|end|>", "<|start|>", "a", "b", "ab", "1", "2", "12", "\u0120"]
SHAPES = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (KV_HEADS * HEAD_DIM, HIDDEN), "attn_v": (KV_HEADS * HEAD_DIM, HIDDEN),
          "attn_output": (HIDDEN, HIDDEN), "ffn_gate": (FEED_FORWARD, HIDDEN), "ffn_up": (FEED_FORWARD, HIDDEN),
          "ffn_down": (HIDDEN, FEED_FORWARD), "attn_norm": (HIDDEN,), "ffn_norm": (HIDDEN,)}


def write_gguf(path, architecture="llama"):
    """A model of one block; returns its tensors under GGUF's names."""
    writer = GGUFWriter(path, architecture)
    writer.add_license("mit")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3] + [1] * (len(TOKENS) - 2))
    writer.add_token_merges(["a b", "1 2"])
    for name, token in (("bos", 1), ("eos", 0), ("unk", 0), ("pad", 0)):
        getattr(writer, f"add_{name}_token_id")(token)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{{ messages }}")
    random = np.random.default_rng(1)
    shapes = {"token_embd.weight": (len(TOKENS), HIDDEN), "output_norm.weight": (HIDDEN,),
              **{f"blk.0.{name}.weight": shape for name, shape in SHAPES.items()}}
    tensors = {name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


class Converted(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name)

    def convert(self):
        source = write_gguf(self.folder / "model.gguf")
        self.assertEqual(gguf_to_hf.convert(self.folder / "model.gguf", self.folder), "mit")
        return source, load_file(self.folder / "model.safetensors")

    def test_tensors_have_the_names_and_the_halves_of_hugging_face(self):
        source, tensors = self.convert()
        self.assertEqual(len(tensors), len(source))
        self.assertTrue(all(t.dtype == np.float16 for t in tensors.values()))
        down = tensors["model.layers.0.mlp.down_proj.weight"]
        np.testing.assert_array_equal(down, source["blk.0.ffn_down.weight"].astype(np.float16))
        for ours, theirs, heads in (("q", "attn_q", HEADS), ("k", "attn_k", KV_HEADS)):
            got = tensors[f"model.layers.0.self_attn.{ours}_proj.weight"]
            for head in range(heads):
                for pair in range(HEAD_DIM // 2):
                    for half in range(2):
                        interleaved = source[f"blk.0.{theirs}.weight"][head * HEAD_DIM + 2 * pair + half]
                        row = got[head * HEAD_DIM + half * HEAD_DIM // 2 + pair]
                        np.testing.assert_array_equal(row, interleaved.astype(np.float16))

    def test_configuration(self):
        self.convert()
        config = json.loads((self.folder / "config.json").read_text())
        for key, value in {"model_type": "llama", "num_hidden_layers": 1, "num_key_value_heads": KV_HEADS,
                           "head_dim": HEAD_DIM, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                           "tie_word_embeddings": True, "vocab_size": len(TOKENS), "bos_token_id": 1}.items():
            self.assertEqual(config[key], value, key)
        tokenizer = json.loads((self.folder / "tokenizer_config.json").read_text())
        self.assertEqual((tokenizer["bos_token"], tokenizer["eos_token"]), ("<|start|>", "<|end|>"))

    def test_tokenizer_splits_digits_and_knows_special_tokens(self):
        self.convert()
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.assertEqual(tokenizer.encode("ab12<|start|> a").tokens, ["ab", "1", "2", "<|start|>", "\u0120", "a"])
        self.assertEqual(tokenizer.decode(tokenizer.encode("ab 12").ids), "ab 12")

    def test_another_architecture_is_refused(self):
        write_gguf(self.folder / "model.gguf", "mamba")
        with self.assertRaisesRegex(common.InputError, "holds a mamba model"):
            gguf_to_hf.convert(self.folder / "model.gguf", self.folder)

    def test_a_folder_that_is_there_is_checked(self):
        model = self.folder / "model"
        model.mkdir()
        (model / "config.json").write_text("{}")
        self.expect(2, "was not made by this script", model)
        fetch_sample_model.write_sums(model)
        self.expect(0, "there and complete", model)
        (model / "config.json").write_text("{ }")
        self.expect(2, "config.json is not what SHA256SUMS says", model)
        (model / "config.json").unlink()
        self.expect(2, "config.json is not what SHA256SUMS says", model)

    def expect(self, code, text, folder):
        result = subprocess.run([sys.executable, "-B", SCRIPTS / "helpers" / "fetch_sample_model.py", folder],
                                capture_output=True, text=True, check=False)
        self.assertIn(text, result.stderr)
        self.assertEqual(result.returncode, code)

    def test_a_folder_appears_whole_or_not_at_all(self):
        folder = self.folder / "made"
        with self.assertRaises(KeyError), common.folder_that_appears_whole(folder) as partial:
            (partial / "half").write_text("x")
            raise KeyError
        self.assertEqual(list(self.folder.iterdir()), [])
        for content in ("first", "second"):
            with common.folder_that_appears_whole(folder) as partial:
                (partial / content).write_text(content)
            self.assertEqual([path.name for path in folder.iterdir()], [content])
        self.assertEqual(list(self.folder.iterdir()), [folder])


if __name__ == "__main__":
    unittest.main()
