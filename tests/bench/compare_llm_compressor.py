#!/usr/bin/env python3
"""The recipes W4A16 and W8A8 through llm-compressor and through this program, on this machine: time and perplexity.

    compare_llm_compressor.py TESSERA JOB.yaml --python PYTHON --text TEXT --test TEXT [--rounds N] [--recipes W4A16 W8A8]
        [--keep DIR]

PYTHON is that of an environment with (nothing of it is needed by this program):

    python3 -m venv env && env/bin/pip install llmcompressor==0.14.0.1   # torch 2.14, transformers 5.17, compressed-tensors 0.19

Both calibrate on the same tokens, the first calibration.num_samples x max_seq_length of TEXT. llm-compressor runs its published
recipes (GPTQ with its default order of columns and dampening; for W8A8 SmoothQuant(0.8) before it), in fp32, groups of 64 at 4
bits because 128 does not divide this model's layers. This program runs JOB with its own settings at the same scheme, and the
method gptq at W4A16, which is the peer's recipe without equalization. Timed is all from the start of the process to the saved
folder, scoring left out, alternately, wall and CPU seconds (user and system, all threads): on a machine that others load the
latter tell more. Then `tessera eval` scores both folders on the first windows of --test.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

OURS = {"W4A16": {"ours": ["quantize.method=aweq", "quantize.aweq.scheme=W4A16", "quantize.aweq.group_size=64"],
                  "ours, GPTQ alone": ["quantize.method=gptq", "quantize.gptq.scheme=W4A16", "quantize.gptq.group_size=64"]},
        "W8A8": {"ours": ["quantize.method=aweq", "quantize.aweq.scheme=W8A8"]}}


def compress(model_path, tokens_path, recipe_name, output, batch_size):
    """In the peer's environment."""
    import torch
    from llmcompressor import oneshot
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    samples = torch.tensor(json.loads(pathlib.Path(tokens_path).read_text()))
    batches = torch.utils.data.DataLoader(
        [{"input_ids": s, "attention_mask": torch.ones_like(s)} for s in samples], batch_size=batch_size)
    weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 64}
    recipe = {"W4A16": [GPTQModifier(ignore=["lm_head"], config_groups={"group_0": {"targets": ["Linear"], "weights": weights}})],
              "W8A8": [SmoothQuantModifier(smoothing_strength=0.8),
                       GPTQModifier(targets="Linear", scheme="W8A8", ignore=["lm_head"])]}[recipe_name]
    oneshot(model=model, dataset=batches, recipe=recipe, num_calibration_samples=len(samples),
            max_seq_length=samples.shape[1])
    model.save_pretrained(output, save_compressed=True)
    AutoTokenizer.from_pretrained(model_path).save_pretrained(output)


def timed(words, environment=None):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_tokens(tokenizer, text, num_samples, length):
    from tokenizers import Tokenizer  # this process: the project's own environment, or any that has it
    ids = Tokenizer.from_file(str(tokenizer)).encode(pathlib.Path(text).read_text(), add_special_tokens=False).ids
    return [ids[i * length:(i + 1) * length] for i in range(num_samples)]


def forget_order(folder):
    """Columns quantized in the order of their inputs ("static") are stored in their own: to readers the order means nothing."""
    path = pathlib.Path(folder, "config.json")
    config = json.loads(path.read_text())
    for group in config["quantization_config"].get("config_groups", {}).values():
        if group["weights"].get("actorder") in ("static", "weight"):
            group["weights"]["actorder"] = None
    path.write_text(json.dumps(config, indent=2))


def perplexity(arguments, folder):
    forget_order(folder)
    # the peer writes its tokenizer anew: the original's belongs to the model
    (pathlib.Path(folder) / "tokenizer.json").unlink(missing_ok=True)
    (pathlib.Path(folder) / "tokenizer.json").symlink_to(pathlib.Path(arguments.model, "tokenizer.json").resolve())
    words = [arguments.tessera, "eval", folder, "--text", arguments.test, "--windows", str(arguments.windows), "--json"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {result.returncode}:\n{result.stderr}")
    return json.loads(result.stdout)["perplexity"]


def run_peer(arguments, recipe, folder):
    threads = str(len(os.sched_getaffinity(0)))
    return timed([arguments.python, __file__, "--peer", arguments.model, arguments.tokens, recipe, folder,
                  str(arguments.batch_size)], dict(os.environ, OMP_NUM_THREADS=threads, CUDA_VISIBLE_DEVICES=""))


def run_ours(arguments, settings, folder):
    job = pathlib.Path(f"{folder}.yaml")  # without its evaluation: scoring is not timed
    job.write_text(re.sub(r"^evaluation:\n(?:[ #].*\n)*", "", pathlib.Path(arguments.job).read_text(), flags=re.MULTILINE))
    words = [arguments.tessera, "run", str(job), "--fresh"]
    for item in [f"model.path={arguments.model}", f"calibration.text=[{arguments.text}]",
                 f"calibration.num_samples={arguments.samples}", f"calibration.max_seq_length={arguments.length}",
                 f"runtime.work_dir={folder}-work", f"output.dir={folder}", *settings]:
        words += ["--set", item]
    return timed(words)


def compare(arguments, recipe, folder):
    runs = {"llm-compressor": lambda out: run_peer(arguments, recipe, out)}
    for name, settings in OURS[recipe].items():
        runs[name] = lambda out, settings=settings: run_ours(arguments, settings, out)
    taken, scores = {name: [] for name in runs}, {}
    for round_index in range(arguments.rounds):
        for name, run in runs.items():
            out = f"{folder}/{recipe}-{name.replace(', ', '-').replace(' ', '-')}"
            if round_index > 0:
                subprocess.run(["rm", "-rf", out, out + "-work"], check=True)
            taken[name].append(run(out))
            print(f"{recipe} {name}: {taken[name][-1][0]:.1f} s, {taken[name][-1][1]:.1f} CPU seconds", flush=True)
            if name not in scores:
                scores[name] = perplexity(arguments, out)
                print(f"{recipe} {name}: perplexity {scores[name]:.4f}", flush=True)
    wall, cpu = ({name: statistics.median(t[i] for t in of_run) for name, of_run in taken.items()} for i in (0, 1))
    for name in OURS[recipe]:
        print(f"{recipe} {name}: {wall['llm-compressor'] / wall[name]:.2f} times as fast, "
              f"{cpu['llm-compressor'] / cpu[name]:.2f} times in CPU seconds, "
              f"perplexity {scores[name] / scores['llm-compressor']:.4f} of the peer's", flush=True)


def main():
    if sys.argv[1:2] == ["--peer"]:
        return compress(*sys.argv[2:6], int(sys.argv[6]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tessera")
    parser.add_argument("job")
    parser.add_argument("--python", required=True)
    parser.add_argument("--model", default="models/smollm2-135m-instruct")
    parser.add_argument("--text", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=8, help="of the peer; its own default is 1")
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--recipes", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or scratch
        os.makedirs(folder, exist_ok=True)
        arguments.tokens = f"{folder}/tokens.json"
        tokens = first_tokens(pathlib.Path(arguments.model, "tokenizer.json"), arguments.text, arguments.samples, arguments.length)
        pathlib.Path(arguments.tokens).write_text(json.dumps(tokens))
        for recipe in arguments.recipes:
            compare(arguments, recipe, folder)


if __name__ == "__main__":
    main()
