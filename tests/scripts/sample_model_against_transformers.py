"""The sample model's folder against transformers' own way of reading the same GGUF.

    python sample_model_against_transformers.py FOLDER WHEEL_OR_GGUF [TEXT TOKENS]

Needs transformers with torch and gguf. All tensors must be equal after rounding to float16, and a text must give the
same tokens both ways.
"""

import pathlib
import sys
import tempfile
import zipfile

import torch
import transformers
from tokenizers import pre_tokenizers


def compare(folder, gguf, text, num_tokens):
    theirs = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name)
    ours, loading = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float16, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
    wanted, got = dict(theirs.named_parameters()), dict(ours.named_parameters())
    assert wanted.keys() == got.keys(), wanted.keys() ^ got.keys()
    for name, tensor in wanted.items():
        assert torch.equal(tensor.to(torch.float16), got[name]), f"{name} differs"
    print(f"{len(got)} tensors equal")
    for key in ("rope_theta", "rms_norm_eps", "num_key_value_heads", "vocab_size", "max_position_embeddings"):
        assert abs(getattr(theirs.config, key) / getattr(ours.config, key) - 1) < 1e-6, key
    if text is not None:
        content = text.read_bytes().decode("utf-8")
        theirs = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).backend_tokenizer
        # Their route drops the splitter of single digits, which only shows at characters such as a half sign.
        theirs.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
        wanted = theirs.encode(content, add_special_tokens=False).ids
        ids = transformers.AutoTokenizer.from_pretrained(folder)(content, add_special_tokens=False)["input_ids"]
        assert ids == wanted, "tokens differ"
        assert num_tokens in (None, len(ids)), f"{len(ids)} tokens, {num_tokens} are expected"
        print(f"{len(ids)} tokens equal")


def main():
    folder, source = map(pathlib.Path, sys.argv[1:3])
    text = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    num_tokens = int(sys.argv[4]) if len(sys.argv) > 4 else None
    with tempfile.TemporaryDirectory() as scratch:
        if source.suffix == ".whl":
            with zipfile.ZipFile(source) as archive:
                name = next(n for n in archive.namelist() if n.endswith(".gguf"))
                source = pathlib.Path(archive.extract(name, scratch))
        compare(folder, source, text, num_tokens)


if __name__ == "__main__":
    main()
