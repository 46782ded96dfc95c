#!/usr/bin/env python3
"""Compares greedy decoding with that of transformers in fp32: the prompt's tokens, every generated token, the text.

    compare_generation.py TESSERA MODEL_FOLDER...

TESSERA is the program; its helper for tokens runs in $TESSERA_PYTHON. Exits 1 when something differs.
"""
import json
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from common import Report

PROMPTS = ["Once upon a time", "The capital of France is", "Lily and Ben went to the park. They saw a big dog and"]
MAX_TOKENS = 200


def ours(program, folder: Path, prompt, max_tokens):
    done = subprocess.run([program, "generate", folder, "--prompt", prompt, "--max-tokens", str(max_tokens), "--json"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def theirs(model, prompt, max_tokens):
    with torch.no_grad():
        tokens = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                do_sample=False, max_new_tokens=max_tokens, pad_token_id=0)
    return tokens[0, len(prompt):].tolist()


def compare(report, program, folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    ends = model.generation_config.eos_token_id
    ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
    for prompt in PROMPTS:
        begin = tokenizer(prompt).input_ids
        room = min(MAX_TOKENS, model.config.max_position_embeddings - len(begin))
        found, expected = ours(program, folder, prompt, room), theirs(model, begin, room)
        is_ended = bool(expected) and expected[-1] in ends
        if is_ended:
            expected.pop()  # where ours ends
        text = tokenizer.decode(begin + expected, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        is_equal = (found["prompt_tokens"] == len(begin) and found["tokens"] == expected
                    and text.endswith(found["text"]) and (found["stop"] == "end_token") == is_ended)
        report.add(f"{folder.name}, {prompt[:28]!r}", is_equal, f"{len(expected)} tokens")


def main() -> int:
    program, folders = sys.argv[1], [Path(name) for name in sys.argv[2:]]
    torch.set_num_threads(2)
    report = Report()
    for folder in folders:
        compare(report, program, folder)
    return report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
