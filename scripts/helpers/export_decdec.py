"""A residual file to DecDEC's own files; see scripts/export-decdec."""

import argparse
import json
import pathlib
import re

import numpy as np
import safetensors

import common
from torch_file import Tensor, save

STEM = "decdec_residual"
# Modules that DecDEC's end-to-end loader runs as one; their rows follow each other.
FUSED = {
    "self_attn.qkv_proj": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "mlp.gate_up_proj": ["mlp.gate_proj", "mlp.up_proj"],
}


def main():
    parser = argparse.ArgumentParser(
        prog="export-decdec", description="Writes residuals as DecDEC's cheatsheet.pt, thresholds.pt and static.pt.",
        epilog="Example: scripts/export-decdec models/my-model-3bit --output decdec/my-model. Only residuals of 4 bits "
               "(residual.bits 4) can be exported.")
    parser.add_argument("residuals", type=pathlib.Path,
                        help="folder with decdec_residual.safetensors, or that file, or the index of several")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="folder to write to")
    parser.add_argument("--fused", action="store_true", help="join q, k, v and gate, up, as DecDEC's end-to-end loader runs them; its evaluation wants them apart")
    arguments = parser.parse_args()
    file = ResidualFile(arguments.residuals)
    blocks = [fused(block) if arguments.fused else block for block in file.blocks()]
    arguments.output.mkdir(parents=True, exist_ok=True)
    written = {"cheatsheet.pt": cheatsheet, "thresholds.pt": thresholds}
    if all(layer.has_order() for block in blocks for layers in block.values() for layer in layers):
        written["static.pt"] = static
    for name, contents in written.items():
        save(arguments.output / name,
             [{module: contents(layers) for module, layers in block.items()} for block in blocks])
    common.say(f"{sum(len(block) for block in blocks)} modules of {len(blocks)} blocks -> "
               f"{', '.join(written)} in {arguments.output}")


class ResidualFile:
    """Tensors by name, from one file or several."""

    def __init__(self, path):
        self.path, files = path, files_of(path)
        self.file_of = {}
        for file in files:
            try:
                opened = safetensors.safe_open(file, framework="numpy")
            except (OSError, safetensors.SafetensorError) as error:
                raise common.InputError(f"{file} cannot be read ({error}). Make it again.") from error
            self.require_four_bits(file, opened.metadata() or {})
            self.file_of |= {name: opened for name in opened.keys()}

    @staticmethod
    def require_four_bits(file, metadata):
        if "residual_version" not in metadata:
            raise common.InputError(f"{file} is no residual file (its header has no residual_version).")
        if metadata["residual_version"] != "1":
            raise common.InputError(f"{file} is a residual file of version {metadata['residual_version']} "
                                    "(this program knows version 1). Use a newer program.")
        if metadata.get("bits") != "4":
            raise common.InputError(f"{file} holds residuals of {metadata.get('bits')} bits (DecDEC's files hold 4 "
                                    "only). Quantize with residual.bits 4.")

    def tensor(self, name):
        if name not in self.file_of:
            raise common.InputError(f"{self.path} holds no tensor {name}. Make it again.")
        return self.file_of[name].get_tensor(name)

    def shape(self, name):
        if name not in self.file_of:
            raise common.InputError(f"{self.path} holds no tensor {name}. Make it again.")
        return tuple(self.file_of[name].get_slice(name).get_shape())

    def blocks(self):
        """For each block of the model its layers: module -> [Layer]."""
        blocks = []
        for name in sorted(self.file_of):
            if not name.endswith(".residual_q"):
                continue
            place = re.fullmatch(r"(?:.*\.)?layers\.(\d+)\.(.+)\.residual_q", name)
            if place is None:
                raise common.InputError(f"{self.path}: {name} is of no layer in a block (layers.N.MODULE).")
            number = int(place[1])
            if number > 10000:
                raise common.InputError(f"{self.path}: {name} is of block {number} (fewer are expected).")
            blocks += [{} for _ in range(number + 1 - len(blocks))]
            blocks[number][place[2]] = [Layer(self, name.removesuffix(".residual_q"))]
        config = (self.path if self.path.is_dir() else self.path.parent) / "config.json"
        if config.is_file():  # the last blocks may have no residuals
            num_blocks = read_object(config).get("num_hidden_layers", 0)
            blocks += [{} for _ in range(num_blocks - len(blocks))]
        self.say_what_is_missing(blocks)
        return blocks

    def say_what_is_missing(self, blocks):
        wanted = set().union(*blocks)
        missing = [f"layers.{i}.{module}" for i, block in enumerate(blocks) for module in sorted(wanted - set(block))]
        if missing:
            common.say(f"note: there is no residual of {', '.join(missing[:5])}"
                       f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''} (DecDEC wants one of each "
                       "linear layer, or k_chunk 0 for its kind).")


def files_of(path):
    if path.is_dir():
        single, index = path / f"{STEM}.safetensors", path / f"{STEM}.safetensors.index.json"
        if not single.exists() and not index.exists():
            raise common.InputError(f"{path} holds neither {single.name} nor {index.name}. "
                                    "Quantize with residual.bits 4, or name the file.")
        return files_of(single if single.exists() else index)
    if not path.is_file():
        raise common.InputError(f"{path} does not exist.")
    if not path.name.endswith(".index.json"):
        return [path]
    names = sorted(set(read_object(path).get("weight_map", {}).values()))
    if not names or any("/" in name or "\\" in name for name in names):
        raise common.InputError(f"{path} names no files, or one outside its folder. Make it again.")
    return [path.parent / name for name in names]


def read_object(file):
    try:
        document = json.loads(file.read_text())
    except ValueError as error:
        raise common.InputError(f"{file} is no JSON ({error}). Make it again.") from error
    if not isinstance(document, dict):
        raise common.InputError(f"{file} is no JSON object. Make it again.")
    return document


class Layer:
    def __init__(self, file, name):
        self.file, self.name = file, name
        self.d_out, = file.shape(f"{name}.residual_scale")
        self.d_in, words = file.shape(f"{name}.residual_q")
        if words * 8 != self.d_out:
            raise common.InputError(f"{file.path}: {name}.residual_q is [{self.d_in}, {words}] (its {self.d_out} "
                                    "scales make it 8 to a word). Make it again.")

    def part(self, name):
        return self.file.tensor(f"{self.name}.{name}")

    def has_order(self):
        return f"{self.name}.static_order" in self.file.file_of


def fused(block):
    """The block with the parts of each fused module together, in the order of their rows."""
    block = dict(block)
    for module, parts in FUSED.items():
        present = [part for part in parts if part in block]
        if not present:
            continue
        if present != parts:
            lacking = next(part for part in parts if part not in block)
            raise common.InputError(f"{block[present[0]][0].name} has a residual, but {lacking} of the same block has "
                                    "none (they are to be fused). Leave --fused out.")
        block[module] = [layer for part in parts for layer in block.pop(part)]
        require_common_input(block[module])
    return block


def require_common_input(layers):
    for layer in layers[1:]:
        for part in ("act_topk_max", "static_order") if layer.has_order() else ("act_topk_max",):
            if not np.array_equal(layer.part(part), layers[0].part(part)):
                raise common.InputError(f"{layer.name} and {layers[0].name} have different {part} (fused layers read "
                                        "one input). Leave --fused out.")


def cheatsheet(layers):
    d_out, d_in = sum(layer.d_out for layer in layers), layers[0].d_in

    def codes():
        return np.ascontiguousarray(np.concatenate([layer.part("residual_q") for layer in layers], axis=1))

    def scales():
        natural = np.concatenate([layer.part("residual_scale") for layer in layers])
        return interleaved(natural)

    return {"cheatsheet": Tensor("int32", (d_in, d_out // 8), codes),
            "reordered_scales": Tensor("float16", (d_out,), scales)}


def interleaved(scales):
    """Nibble-major: position n (d_out / 8) + c holds the scale of output 8 c + n. The order depends on all outputs, so
    scales are concatenated first."""
    return np.ascontiguousarray(scales.reshape(-1, 8).T).reshape(-1)


def thresholds(layers):
    return Tensor("float32", (layers[0].d_in,), lambda: layers[0].part("act_topk_max"))


def static(layers):
    return {"sorted_indices": Tensor("int64", (layers[0].d_in,),
                                     lambda: layers[0].part("static_order").astype(np.int64))}


if __name__ == "__main__":
    common.main("export-decdec", main)
