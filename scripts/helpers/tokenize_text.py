"""Texts to a token file; see scripts/tokenize. The layout of the file is that of TokenStream in src/calibration/tokens.hpp."""

import argparse
import hashlib
import json
import pathlib
import sys

import numpy as np
import tokenizers

import common
import token_server
import work_file


def main():
    parser = argparse.ArgumentParser(prog="tokenize")
    parser.add_argument("model", type=pathlib.Path, help="folder with tokenizer.json")
    parser.add_argument("--text", nargs="+", action="extend", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--serve", action="store_true", help="answer requests on stdin, see token_server.py")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.model / "tokenizer.json")
        return
    if not arguments.text or not arguments.output:
        parser.error("--text and --output are required")
    tokenizer, tokenizer_digest = open_tokenizer(arguments.model / "tokenizer.json")
    tokens = np.concatenate([tokens_of(tokenizer, text) for text in arguments.text])
    text_digest = digest_of_texts(arguments.text)
    identity = {"kind": "tokens", "version": "1", "text": text_digest, "tokenizer": tokenizer_digest}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    work_file.save(arguments.output, identity, {
        "tokens": tokens, "text_digest": text_digest, "tokenizer_digest": tokenizer_digest})
    common.say(f"{tokens.size} tokens of {', '.join(map(str, arguments.text))} -> {arguments.output}")


def serve(file):
    """A tokenizer that cannot be opened is told to the one who asks, not to the terminal."""
    try:
        tokenizer, _ = open_tokenizer(file)
    except common.InputError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    token_server.serve(tokenizer, sys.stdin, sys.stdout)


def open_tokenizer(file):
    if not file.is_file():
        raise common.InputError(
            f"{file} does not exist (only this form of a tokenizer is read). "
            "transformers writes it: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER).")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises no narrower type
        raise common.InputError(f"{file} is no tokenizer this version of tokenizers knows ({error}).") from error
    tokenizer.no_truncation()  # some tokenizer files ask for it
    tokenizer.no_padding()
    return tokenizer, common.digest_of_file(file)


def is_jsonl(file):
    return file.suffix == ".jsonl"


def tokens_of(tokenizer, file):
    """One stream; documents are tokenized apart and follow each other."""
    documents = documents_of(file) if is_jsonl(file) else [read_text(file)]
    encodings = tokenizer.encode_batch_fast(documents, add_special_tokens=False)
    return np.concatenate([np.array(e.ids, dtype=np.uint32) for e in encodings])


def read_text(file):
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise common.InputError(f"{file} does not exist.") from error
    except UnicodeDecodeError as error:
        raise common.InputError(
            f"{file}: byte {error.start} is no UTF-8 ({error.reason}). "
            f"Convert it: iconv -f latin1 -t utf-8 {file}") from error


def documents_of(file):
    documents = []
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            documents.append(json.loads(line)["text"])
        except (ValueError, KeyError, TypeError):
            documents.append(None)
        if not isinstance(documents[-1], str):
            raise common.InputError(
                f'{file}:{number}: no JSON object with a text under "text". Give one document a line: {{"text": "..."}}.')
    if not documents:
        raise common.InputError(f"{file} has no documents (every line is empty).")
    return documents


def digest_of_texts(files):
    """SHA-256 of the files' bytes, as digest_of_texts in src/calibration/tokens.hpp has it."""
    digest = hashlib.sha256()
    for index, file in enumerate(files):
        digest.update((b"\0" if index > 0 else b"") + (b"jsonl\0" if is_jsonl(file) else b""))
        digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    common.main("tokenize", main)
