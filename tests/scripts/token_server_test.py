"""scripts/tokenize --serve from the outside, on the sample tokenizers: streamed text is the decoded text.

    token_server_test.py ROOT DATA
"""

import json
import os
import pathlib
import subprocess
import sys

import tokenizers

TEXTS = ["Once upon a time", " there was a naïve 😀 girl.\n\nShe said: “日本語” 👩‍👩‍👧!", "x", "  spaces   and\ttabs", "\u00e9"]


class Server:
    def __init__(self, root, folder):
        self.process = subprocess.Popen([root / "scripts" / "tokenize", folder, "--serve"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def pieces(self, tokens):
        return [self.ask(decode=token)["text"] for token in tokens] + [self.ask(finish=True)["text"]]

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0 and self.process.stdout.read() == ""
        self.process.stdout.close()


def check_stream(server, tokenizer, prompt, text):
    begin, tokens = tokenizer.encode(prompt).ids, tokenizer.encode(text, add_special_tokens=False).ids
    assert server.ask(encode=prompt)["tokens"] == begin, prompt
    pieces = server.pieces(tokens)
    whole = tokenizer.decode(begin + tokens)[len(tokenizer.decode(begin)):]
    assert "".join(pieces) == whole, (prompt, text, pieces, whole)
    assert not any("\ufffd" in piece for piece in pieces), pieces


def check_part_of_a_character(server, tokenizer):
    """The first bytes of a character are held back; at the end they are told as what they are."""
    tokens = tokenizer.encode("a😀", add_special_tokens=False).ids[:-1]
    if not tokenizer.decode(tokens).endswith("\ufffd"):
        return False  # one token, or none
    server.ask(encode="b")
    *pieces, rest = server.pieces(tokens)
    assert "\ufffd" not in "".join(pieces) and "\ufffd" in rest, (pieces, rest)
    return True


def main():
    root, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    folders = [file.parent for file in sorted(data.glob("*/*/tokenizer.json"))]
    if not folders:
        print(f"skipped: there are no tokenizers in {data}")
        return 77
    num_parts = 0
    for folder in folders:
        tokenizer, server = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")), Server(root, folder)
        for prompt in TEXTS:
            for text in TEXTS:
                check_stream(server, tokenizer, prompt, text)
        num_parts += check_part_of_a_character(server, tokenizer)
        server.end()
    assert num_parts > 0
    print(f"{len(folders)} tokenizers stream what they decode")
    return 0


if __name__ == "__main__":
    os.environ["TESSERA_PYTHON"] = sys.executable
    sys.exit(main())
