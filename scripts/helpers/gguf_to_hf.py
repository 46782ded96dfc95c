"""Writes a llama-family GGUF as a Hugging Face folder: weights as float16, tokenizer and configuration."""

import json

import numpy as np
import safetensors.numpy
from gguf import GGUFReader, dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

import common

CONTROL_TOKEN = 3  # GGUF's token type of special tokens
BLOCK_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert(source, folder):
    """Writes everything to `folder`, which exists; returns the licence's name."""
    reader = GGUFReader(source)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if fields["general.architecture"] != "llama" or fields["tokenizer.ggml.pre"] != "smollm":
        raise common.InputError(
            f"{source} holds a {fields['general.architecture']} model with a "
            f"{fields['tokenizer.ggml.pre']} tokenizer (this converter knows llama and smollm).")
    config = make_config(fields)
    tensors = make_tensors(reader, config)
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    safetensors.numpy.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    make_tokenizer(fields).save(str(folder / "tokenizer.json"))
    special = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {"_from_model_config": True, **special})
    write_json(folder / "tokenizer_config.json", make_tokenizer_config(fields))
    return fields["general.license"]


def make_config(fields):
    def llama(key):
        return fields["llama." + key]

    heads = llama("attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "head_dim": llama("embedding_length") // heads,
        "hidden_act": "silu",
        "hidden_size": llama("embedding_length"),
        "initializer_range": 0.02,
        "intermediate_size": llama("feed_forward_length"),
        "max_position_embeddings": llama("context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": llama("block_count"),
        "num_key_value_heads": llama("attention.head_count_kv"),
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
        "rms_norm_eps": shortest(llama("attention.layer_norm_rms_epsilon")),
        "rope_scaling": None,
        "rope_theta": shortest(llama("rope.freq_base")),
        "torch_dtype": "float16",
        "use_cache": True,
        "vocab_size": llama("vocab_size"),
    }


def shortest(value):
    """The shortest decimal that a float32 stands for: 9.99999974e-06 is 1e-05."""
    return float(str(np.float32(value)))


def make_tensors(reader, config):
    """All tensors under their Hugging Face names, as float16."""
    tensors = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float16)
        if not np.isfinite(values).all():
            raise common.InputError(f"{tensor.name} has values that float16 cannot hold.")
        name, heads = hf_name(tensor.name, config)
        tensors[name] = np.ascontiguousarray(into_halves(values, heads) if heads else values)
    return tensors


def hf_name(name, config):
    """Hugging Face's name of a GGUF tensor, and how many heads its rows are to be reordered in (0: none)."""
    outer = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    parts = name.removesuffix(".weight").split(".")
    if parts[0] != "blk":
        return outer[parts[0]] + ".weight", 0
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    return f"model.layers.{parts[1]}.{BLOCK_TENSORS[parts[2]]}.weight", heads.get(parts[2], 0)


def into_halves(weight, heads):
    """Rows of q and k: GGUF has the pair that a rotation turns side by side, Hugging Face half a head apart."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def special_tokens(fields):
    types = fields["tokenizer.ggml.token_type"]
    return [t for t, kind in zip(fields["tokenizer.ggml.tokens"], types) if kind == CONTROL_TOKEN]


def make_tokenizer(fields):
    """Byte-level BPE behind a splitter of single digits; nothing is put before or after a text."""
    vocabulary = {token: index for index, token in enumerate(fields["tokenizer.ggml.tokens"])}
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=False, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in special_tokens(fields)])
    return tokenizer


def make_tokenizer_config(fields):
    tokens = fields["tokenizer.ggml.tokens"]

    def named(key):
        return tokens[fields[f"tokenizer.ggml.{key}_token_id"]]

    return {
        "add_bos_token": fields["tokenizer.ggml.add_bos_token"],
        "add_prefix_space": False,
        "bos_token": named("bos"),
        "chat_template": fields["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "eos_token": named("eos"),
        "model_max_length": fields["llama.context_length"],
        "pad_token": named("padding"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": named("unknown"),
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
