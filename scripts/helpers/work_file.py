"""Writes files that store::load reads (src/store/archive.hpp): HDF5 behind a seal of 512 bytes."""

import hashlib

import h5py

import common

SEAL_BYTES = 512
CHUNK_BYTES = 1 << 20


def save(file, identity, fields):
    """`fields` maps names to texts and to one-dimensional arrays."""
    with common.file_that_appears_whole(file) as temporary:
        with h5py.File(temporary, "w", userblock_size=SEAL_BYTES, libver="v110", track_order=False) as out:
            for key, value in sorted(identity.items()):
                out.attrs.create(key, value.encode(), dtype=text_type(value))
            for name, value in fields.items():
                write(out, name, value)
        seal(temporary)


def write(out, name, value):
    if isinstance(value, str):
        out.create_dataset(name, data=value.encode(), dtype=text_type(value), track_times=False)
    elif value.size == 0:
        out.create_dataset(name, data=value, track_times=False)
    else:
        num_chunks = -(-value.nbytes // CHUNK_BYTES)
        chunk = -(-value.size // num_chunks)
        out.create_dataset(name, data=value, chunks=(chunk,), fletcher32=True, track_times=False)


def text_type(text):
    return h5py.string_dtype("utf-8", max(len(text.encode()), 1))


def seal(file):
    with open(file, "r+b") as stream:
        stream.seek(SEAL_BYTES)
        digest = hashlib.sha256()
        total = SEAL_BYTES
        while piece := stream.read(CHUNK_BYTES):
            digest.update(piece)
            total += len(piece)
        text = f"tessera work file 1\nbytes {total:020}\nsha256 {digest.hexdigest()}\n".encode()
        stream.seek(0)
        stream.write(text + bytes(SEAL_BYTES - len(text)))
