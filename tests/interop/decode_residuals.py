#!/usr/bin/env python3
"""Decodes our residual files, and the files exported for DecDEC, by DecDEC's published layout (arXiv 2412.20185,
cheatsheet.py and dec.cu at 7a3323f), in torch and without a line of ours.

    decode_residuals.py MAKE_RESIDUALS EXPORT_DECDEC

Everything is compared bit for bit with what our reader decodes (make_residuals.cpp). The codes of a plain scale search are
compared with those of DecDEC's search. Exits 1 on a difference, 77 (skipped) where a package is missing.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file
except ImportError as error:
    print(f"skipped: {error} (set TESSERA_INTEROP_PYTHON to an interpreter with torch, numpy and safetensors)")
    sys.exit(77)

PARTS = {"self_attn.qkv_proj": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
         "mlp.gate_up_proj": ["mlp.gate_proj", "mlp.up_proj"]}
HALF_ROUNDING = 2.0 ** -11  # of a norm that is stored as a half, relative


class Report:
    def __init__(self):
        self.num_bad = 0

    def add(self, what, is_good, text=""):
        self.num_bad += not is_good
        print(f"{what:58s} {text}{'' if is_good else '  DIFFERS'}", flush=True)


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def must_run(*command):
    done = run(*command)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done


def search(lost, bits):
    """cheatsheet.py: 32 scales from m / 32 to m for each row, as halves; least mean squared error, the first of equals."""
    limit = (2 ** bits - 1) // 2
    largest = lost.abs().amax(dim=1) / limit
    best_error = torch.full((len(lost),), torch.inf)
    best_scale = torch.zeros(len(lost))
    best_codes = torch.zeros_like(lost)
    for scale in torch.stack([torch.linspace(float(m) / 32, float(m), 32) for m in largest]).T:
        scale = scale.half().float()
        codes = torch.nan_to_num(torch.clamp(torch.round(lost / scale[:, None]), -limit, limit))
        error = ((lost - codes * scale[:, None]) ** 2).mean(dim=1)
        better = error < best_error
        best_error = torch.where(better, error, best_error)
        best_scale = torch.where(better, scale, best_scale)
        best_codes = torch.where(better[:, None], codes, best_codes)
    return best_codes, best_scale


def decode_stream(words, scale, bits):
    """Any bits: a row is one number, its lowest bits the code of output 0."""
    rows = []
    for row in words.numpy():
        number = int.from_bytes(row.astype("<i4").tobytes(), "little")
        rows.append([(number >> (bits * i)) % 2 ** bits for i in range(len(scale))])
    codes = torch.tensor(rows).T - 2 ** (bits - 1)
    return codes, codes.float() * scale.float()[:, None]


def decode_decdec(entry):
    """dec.cu: output 8 c + n is nibble n of word c, its scale at n (d_out / 8) + c."""
    words, reordered = entry["cheatsheet"], entry["reordered_scales"]
    num_words = words.shape[1]
    assert words.dtype == torch.int32 and reordered.dtype == torch.float16
    assert reordered.shape == (8 * num_words,) and words.is_contiguous()
    decoded = torch.empty(8 * num_words, len(words))
    for c in range(num_words):
        for n in range(8):
            nibble = (words[:, c] >> (4 * n)) & 15
            decoded[8 * c + n] = (nibble - 8).float() * reordered[n * num_words + c].float()
    return decoded


def check_search(report, what, lost, codes, scale, bits):
    """The same codes in almost all rows; in the others two candidates tie, so that the error is the same."""
    their_codes, their_scale = search(lost, bits)
    differ = ((codes != their_codes).any(dim=1)) | (scale.float() != their_scale)

    def squared(codes, scale):
        return ((lost.double() - codes.double() * scale.double()[:, None]) ** 2).sum(dim=1)

    ours, theirs = squared(codes, scale), squared(their_codes, their_scale)
    excess = float(((ours - theirs) / theirs.clamp_min(1e-30))[differ].max()) if differ.any() else 0.0
    report.add(what, excess < 1e-4 and int(differ.sum()) <= 0.05 * len(lost),
               f"{int(differ.sum())} of {len(lost)} rows differ, errors by {excess:.1e}")


def check_file(report, make, folder, bits, shard_bytes):
    what = f"{bits} bits{', shards' if shard_bytes else ''}"
    must_run(make, folder, bits, *([shard_bytes] if shard_bytes else []))
    files = sorted(folder.glob("decdec_residual*.safetensors"))
    assert (len(files) > 1) == bool(shard_bytes)
    tensors = {name: value for file in files for name, value in load_file(file).items()}
    with safe_open(files[0], framework="pt") as opened:
        metadata = opened.metadata()
    assert metadata["bits"] == str(bits) and metadata["zero_code"] == str(2 ** (bits - 1)), metadata
    decoded, lost = load_file(folder / "decoded.safetensors"), load_file(folder / "lost.safetensors")
    assert set(tensors) == {f"{layer}.{part}" for layer in decoded for part in (
        "residual_q", "residual_scale", "act_topk_max", "residual_colnorm", "static_order")}
    num_different, worst_norm, are_sound = 0, 0.0, True
    for layer, ours in decoded.items():
        codes, values = decode_stream(tensors[f"{layer}.residual_q"], tensors[f"{layer}.residual_scale"], bits)
        num_different += int((values != ours).sum())
        norm = values.double().norm(dim=0)
        worst_norm = max(worst_norm, float((tensors[f"{layer}.residual_colnorm"] / norm - 1).abs().max()))
        top = tensors[f"{layer}.act_topk_max"]
        are_sound &= bool((top.diff() <= 0).all()) and float(top.max()) == 65504 and not top.half().isinf().any()
        are_sound &= torch.equal(tensors[f"{layer}.static_order"].sort().values.long(), torch.arange(len(top)))
        if not shard_bytes:
            check_search(report, f"{what}: search of {layer.removeprefix('model.layers.')}", lost[layer], codes,
                         tensors[f"{layer}.residual_scale"], bits)
    report.add(f"{what}: decoded", num_different == 0, f"{num_different} values differ")
    report.add(f"{what}: norms", worst_norm <= HALF_ROUNDING, f"{worst_norm:.1e} apart")
    report.add(f"{what}: magnitudes and orders", are_sound)
    return tensors, decoded


def load(folder, name):
    return torch.load(folder / f"{name}.pt", weights_only=True)


def check_export(report, export, source, tensors, decoded, scratch):
    apart, together = scratch / "apart", scratch / "fused"
    must_run(export, source, "--output", apart)
    must_run(export, source, "--output", together, "--fused")
    sheets, limits, orders = (load(apart, name) for name in ("cheatsheet", "thresholds", "static"))
    names = {f"model.layers.{i}.{module}" for i, block in enumerate(sheets) for module in block}
    report.add("export: the layers", names == set(decoded) and len(sheets) == len(limits) == len(orders) == 2,
               f"{len(names)} modules")
    num_different = 0
    for name in names:
        _, _, block, module = name.split(".", 3)
        block = int(block)
        num_different += int((decode_decdec(sheets[block][module]) != decoded[name]).sum())
        num_different += int((limits[block][module] != tensors[f"{name}.act_topk_max"]).sum())
        assert limits[block][module].dtype == torch.float32
        indices = orders[block][module]["sorted_indices"]
        num_different += int((indices != tensors[f"{name}.static_order"]).sum())
    report.add("export: decoded, thresholds, static", num_different == 0, f"{num_different} values differ")

    fused_sheets, fused_limits, fused_orders = (load(together, name) for name in ("cheatsheet", "thresholds", "static"))
    num_different, num_fused = 0, 0
    for i, block in enumerate(fused_sheets):
        for module, entry in block.items():
            parts = PARTS.get(module, [module])
            num_fused += len(parts) > 1
            separate = torch.cat([decode_decdec(sheets[i][part]) for part in parts])
            num_different += int((decode_decdec(entry) != separate).sum())
            for part in parts:
                num_different += int((fused_limits[i][module] != limits[i][part]).sum())
                num_different += int((fused_orders[i][module]["sorted_indices"] !=
                                      orders[i][part]["sorted_indices"]).sum())
    report.add("export: fused as apart", num_different == 0 and num_fused == 4,
               f"{num_fused} fused modules, {num_different} values differ")

    again = scratch / "again"
    must_run(export, source, "--output", again)
    report.add("export: the same bytes again", all(
        (apart / f"{name}.pt").read_bytes() == (again / f"{name}.pt").read_bytes()
        for name in ("cheatsheet", "thresholds", "static")))
    num_bytes = (apart / "cheatsheet.pt").stat().st_size
    mapped = torch.load(apart / "cheatsheet.pt", weights_only=True, mmap=True)
    report.add("export: mapped into memory", all(
        torch.equal(mapped[i][module]["cheatsheet"], entry["cheatsheet"])
        and mapped[i][module]["cheatsheet"].data_ptr() % 64 == 0
        for i, block in enumerate(sheets) for module, entry in block.items()), f"{num_bytes} bytes")


def check_refusals(report, export, scratch):
    def refused(what, path, *texts):
        done = run(export, path, "--output", scratch / "nothing", "--fused")
        report.add(f"export refuses {what}", done.returncode == 2 and all(text in done.stderr for text in texts)
                   and "Traceback" not in done.stderr and not (scratch / "nothing").exists(), done.stderr.strip()[-90:])

    refused("8 bits", scratch / "8", "residuals of 8 bits", "residual.bits 4")
    refused("a folder without residuals", scratch, "holds neither")
    refused("what is not there", scratch / "absent", "does not exist")
    refused("another safetensors file", scratch / "4" / "lost.safetensors", "is no residual file")
    (scratch / "cut").mkdir()
    whole = (scratch / "4" / "decdec_residual.safetensors").read_bytes()
    (scratch / "cut" / "decdec_residual.safetensors").write_bytes(whole[:-1])
    refused("a file that is cut short", scratch / "cut", "cannot be read")


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    make, export = sys.argv[1:]
    torch.set_num_threads(1)
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for bits in (2, 3, 8):
            check_file(report, make, scratch / str(bits), bits, 0)
        tensors, decoded = check_file(report, make, scratch / "4", 4, 0)
        check_export(report, export, scratch / "4", tensors, decoded, scratch / "export")
        tensors, decoded = check_file(report, make, scratch / "shards", 4, 5000)
        check_export(report, export, scratch / "shards", tensors, decoded, scratch / "export of shards")
        check_refusals(report, export, scratch)
    print(f"{report.num_bad} of the comparisons differ" if report.num_bad else "all agree")
    return 1 if report.num_bad else 0


if __name__ == "__main__":
    sys.exit(main())
