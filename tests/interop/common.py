"""What the scripts that load packed models in other people's engines share."""
import subprocess
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM


def run(*command, data=None):
    done = subprocess.run([str(part) for part in command], input=data, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.decode().strip()}")
    return done.stdout


def make_random_model(config, folder: Path):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # transformers starts biases at 0
            if name.endswith(".bias"):
                parameter.normal_(0, 0.3)
    model.save_pretrained(folder)


def relative_error(found, expected) -> float:
    error = np.linalg.norm(found.astype(np.float64) - expected, axis=-1)
    return float((error / np.linalg.norm(expected, axis=-1)).max())  # the worst token


def random_tokens(model):
    return np.random.default_rng(7).integers(0, model.config.vocab_size, (2, 24))


def logits_of(model, tokens):
    with torch.no_grad():
        return model(torch.from_numpy(tokens)).logits.float().numpy()


def our_logits(print_logits, folder: Path, tokens):
    """Those of our forward pass, from print_logits.cpp."""
    printed = run(print_logits, folder, tokens.shape[1], data=tokens.astype(np.uint32).tobytes())
    return np.frombuffer(printed, np.float32).reshape(*tokens.shape, -1)


class Report:
    """Prints a line for each comparison and counts those that differ."""

    def __init__(self):
        self.num_bad = 0

    def add(self, what: str, is_good: bool, text: str):
        self.num_bad += not is_good
        print(f"{what:58s} {text}{'' if is_good else '  DIFFERS'}", flush=True)

    def exit_code(self) -> int:
        print(f"{self.num_bad} of the comparisons differ" if self.num_bad else "all agree")
        return 1 if self.num_bad else 0
