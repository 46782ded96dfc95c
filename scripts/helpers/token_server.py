"""Tokens for a program that generates text; see scripts/tokenize --serve.

One JSON object a line, in and out, each request answered at once:

    {"encode": TEXT}   {"tokens": [...]}   the prompt: with the special tokens its tokenizer adds (a BOS)
    {"decode": TOKEN}  {"text": TEXT}      what this token adds to the text that can be told so far
    {"finish": true}   {"text": TEXT}      what was held back

A token may end within a character: its bytes are held back until the character is whole. Text is what the
decoded sequence gains, so that spaces stand where they would in the whole text, decoded at once.
"""

import json

UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # what the decoder makes of the beginning of a character
CONTEXT = 8  # pieces before a new one that tell how it joins: a space, or none


class TextStream:
    """The text of a sequence whose tokens come one by one. Special tokens are no text."""

    def __init__(self, tokenizer, prompt=()):
        self._tokenizer = tokenizer
        self._pieces = [list(prompt)]  # the tokens of what was told last; each begins with a character
        self._new = []
        self._told = self._decoded()

    def add(self, token):
        self._new.append(token)
        text = self._decoded()
        return "" if text.endswith(UNFINISHED) else self._tell(text)

    def finish(self):
        return self._tell(self._decoded())

    def _tell(self, text):
        piece = text[len(self._told):]
        self._pieces = [*self._pieces, self._new][-CONTEXT:]
        self._new = []
        self._told = self._decoded()
        return piece

    def _decoded(self):
        tokens = [token for piece in self._pieces for token in piece]
        return self._tokenizer.decode(tokens + self._new, skip_special_tokens=True)


def serve(tokenizer, requests, answers):
    requests.reconfigure(encoding="utf-8")  # whatever the locale says
    stream = TextStream(tokenizer)
    for line in requests:
        request = json.loads(line)
        if "encode" in request:
            tokens = tokenizer.encode(request["encode"], add_special_tokens=True).ids
            stream = TextStream(tokenizer, tokens)
            answer = {"tokens": tokens}
        elif "decode" in request:
            answer = {"text": stream.add(request["decode"])}
        else:
            answer = {"text": stream.finish()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
