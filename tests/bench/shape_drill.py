#!/usr/bin/env python3
"""A whole run at a real layer's dimensions: does a block of Llama 3 70B fit the memory it is promised?

    shape_drill.py TESSERA FOLDER [--shape 70b|quarter|small] [--blocks N] [--host-memory 20GiB] [--threads N]
                   [--centroids 256] [--iterations 2] [--refine-rounds 0] [--set KEY=VALUE ...] [--keep]

Writes a LLaMA with made-up bf16 weights and a vocabulary of 512 below FOLDER (1.8 GB for one block of 70B), runs a job on a
few random tokens, verifies its output, and prints what was measured beside what `tessera plan --json` said before, where the
program can plan. The weights are noise: sizes, bytes, memory and time mean something, perplexity does not. Needs the scripts'
Python (scripts/setup-python) for the token file.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "helpers"))
import work_file  # noqa: E402

VOCABULARY = 512
SHAPES = {
    "70b": {"hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64, "num_key_value_heads": 8},
    "quarter": {"hidden_size": 2048, "intermediate_size": 7168, "num_attention_heads": 16, "num_key_value_heads": 2},
    "small": {"hidden_size": 256, "intermediate_size": 896, "num_attention_heads": 8, "num_key_value_heads": 2},
}
STAGES = ("prepare", "calibrate", "equalize", "solve", "assemble", "evaluate")


def tensors_of(shape, blocks):
    hidden, wide = shape["hidden_size"], shape["intermediate_size"]
    head = hidden // shape["num_attention_heads"]
    keys = head * shape["num_key_value_heads"]
    yield "model.embed_tokens.weight", (VOCABULARY, hidden)
    for block in range(blocks):
        start = f"model.layers.{block}."
        yield start + "input_layernorm.weight", (hidden,)
        yield start + "post_attention_layernorm.weight", (hidden,)
        for name, rows in (("q", hidden), ("k", keys), ("v", keys), ("o", hidden)):
            yield f"{start}self_attn.{name}_proj.weight", (rows, hidden)
        for name in ("gate", "up"):
            yield f"{start}mlp.{name}_proj.weight", (wide, hidden)
        yield start + "mlp.down_proj.weight", (hidden, wide)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (VOCABULARY, hidden)


def bf16(values):
    """Rounded to the nearest, ties to even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_weights(file, tensors):
    """A piece at a time: memory holds a few million numbers."""
    header, begin = {}, 0
    for name, shape in tensors:
        end = begin + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(0)
    with open(file, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for _, shape in tensors:
            left = int(np.prod(shape))
            while left > 0:
                count = min(left, 1 << 22)
                numbers = np.ones(count, np.float32)
                if len(shape) == 2:
                    numbers = random.standard_normal(count, np.float32) / np.float32(np.sqrt(shape[1]))
                out.write(bf16(numbers).tobytes())
                left -= count
    return begin


def write_model(folder, shape, blocks):
    folder.mkdir(parents=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_act": "silu",
              "num_hidden_layers": blocks, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
              "head_dim": shape["hidden_size"] // shape["num_attention_heads"], "max_position_embeddings": 8192,
              "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, **shape}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer.json").write_text("{}")  # the tokens are ready
    return write_weights(folder / "model.safetensors", list(tensors_of(shape, blocks)))


def write_tokens(file, count, seed):
    tokens = np.random.default_rng(seed).integers(0, VOCABULARY, count, dtype=np.uint32)
    work_file.save(file, {"kind": "tokens", "version": "1", "text": "drill", "tokenizer": "drill"},
                   {"tokens": tokens, "text_digest": "drill", "tokenizer_digest": "drill"})


def write_job(folder, arguments):
    job = f"""model:
  path: {folder}/model
calibration:
  tokens: {folder}/calibration.h5
  num_samples: {arguments.samples}
  max_seq_length: {arguments.length}
  num_shards: 2
quantize:
  method: vptq
  vptq: {{vector_len: 8, num_centroids: {arguments.centroids}, num_res_centroids: 0,
         kmeans_iterations: {arguments.iterations}, refine_rounds: {arguments.refine_rounds}}}
evaluation:
  tokens: {folder}/evaluation.h5
  context_length: {arguments.length}
  windows: 1
output:
  dir: {folder}/out
  format: vptq
runtime:
  work_dir: {folder}/work
  host_memory: {arguments.host_memory}
  threads: {arguments.threads}
"""
    (folder / "job.yaml").write_text(job)


def run(*words):
    print("$ " + " ".join(map(str, words)), flush=True)
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True, check=False)


def predicted(arguments, folder):
    words = [arguments.tessera, "plan", folder / "job.yaml", "--json", *settings_of(arguments)]
    result = run(*words)
    return json.loads(result.stdout) if result.returncode in (0, 4) and result.stdout else {}


def settings_of(arguments):
    return [word for item in arguments.set for word in ("--set", item)]


def stage_lines(work):
    """Seconds and the largest resident set so far, by stage, as the journal has them."""
    decoder = json.JSONDecoder()
    with open(work / "journal.jsonl", encoding="utf-8") as lines:
        entries = [decoder.raw_decode(line)[0] for line in lines]  # behind each stands its check sum
    return [entry for entry in entries if "stage" in entry]


def bytes_below(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def print_table(report, stages, plan, folder):
    seconds = plan.get("seconds", {})
    print(f"\n{'':<12}{'seconds':>10}{'planned':>10}{'peak so far, GB':>18}")
    for stage in stages:
        planned = seconds.get(stage["stage"])
        print(f"{stage['stage']:<12}{stage['seconds']:>10.1f}{'-' if planned is None else format(planned, '.1f'):>10}"
              f"{stage['peak_memory_bytes'] / 1e9:>18.2f}")
    measured = {"host_memory_bytes": report["peak_memory_bytes"], "output_bytes": bytes_below(folder / "out"),
                "scratch_bytes": bytes_below(folder / "work")}
    for key, value in measured.items():
        planned = plan.get(key)
        beside = "" if planned is None else f", planned {planned / 1e9:.3f} GB ({planned / value:.2f} of it)"
        print(f"{key}: {value / 1e9:.3f} GB{beside}")
    for layer in sorted(report["layers"], key=lambda row: -row["seconds"])[:7]:
        print(f"  block {layer['block']} {layer['module']}: {layer['seconds']:.1f} s, error {layer['proxy_error']:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tessera")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shape", choices=SHAPES, default="70b")
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--host-memory", default="20GiB")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--centroids", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--refine-rounds", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--keep", action="store_true", help="leave FOLDER as it is at the end")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    os.makedirs(folder)
    weights = write_model(folder / "model", SHAPES[arguments.shape], arguments.blocks)
    print(f"{arguments.blocks} blocks of {arguments.shape}: {weights / 1e9:.3f} GB of bf16 weights")
    write_tokens(folder / "calibration.h5", arguments.samples * arguments.length, 1)
    write_tokens(folder / "evaluation.h5", arguments.length + 1, 2)
    write_job(folder, arguments)
    plan = predicted(arguments, folder)
    result = run(arguments.tessera, "run", folder / "job.yaml", "--resume", "--json", *settings_of(arguments))
    if result.returncode != 0:
        raise SystemExit(f"the run ended with {result.returncode}")
    report = json.loads(result.stdout)
    stages = stage_lines(folder / "work")
    if run(arguments.tessera, "verify", folder / "out").returncode != 0:
        raise SystemExit("the output does not verify")
    missing = set(STAGES) - {stage["stage"] for stage in stages}
    if missing:
        raise SystemExit(f"the journal lacks stages: {', '.join(sorted(missing))}")
    print_table(report, stages, plan, folder)
    if not arguments.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
