"""Writes files that torch.load(weights_only=True) reads, without torch: lists and dicts of tensors, as zip archives.

An archive holds data.pkl, a pickle in which tensors are calls of torch._utils._rebuild_tensor_v2 on storages that are
named by number, and data/NUMBER with the bytes of each."""

import collections
import io
import pickle
import zipfile

import common

ALIGNMENT = 64  # of a storage in the file, as torch itself has it
STORAGES = {"float16": "HalfStorage", "float32": "FloatStorage", "int32": "IntStorage", "int64": "LongStorage"}


class Tensor:
    """A tensor to be written: its shape now, its contiguous array when its turn comes."""

    def __init__(self, dtype, shape, load):
        self.dtype, self.shape, self.load = dtype, tuple(shape), load

    def strides(self):
        strides, step = [], 1
        for extent in reversed(self.shape):
            strides.insert(0, step)
            step *= extent
        return tuple(strides)

    def count(self):
        count = 1
        for extent in self.shape:
            count *= extent
        return count


class Global:
    """A name in a module that is not imported here."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):  # the pickler wants to see that it could be called
        raise NotImplementedError(self.name)


class Storage:
    def __init__(self, key, tensor):
        self.key, self.tensor = key, tensor


class Pickler(pickle._Pickler):  # the one in Python, whose dispatch can be added to
    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, stream):
        super().__init__(stream, protocol=2)
        self.tensors = []

    def save_name(self, name):
        self.write(pickle.GLOBAL + f"{name.module}\n{name.name}\n".encode())
        self.memoize(name)

    dispatch[Global] = save_name

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        kind = Global("torch", STORAGES[value.tensor.dtype])
        return ("storage", kind, value.key, "cpu", value.tensor.count())

    def reducer_override(self, value):
        if not isinstance(value, Tensor):
            return NotImplemented
        storage = Storage(str(len(self.tensors)), value)
        self.tensors.append(value)
        arguments = (storage, 0, value.shape, value.strides(), False, collections.OrderedDict())
        return REBUILD, arguments


REBUILD = Global("torch._utils", "_rebuild_tensor_v2")


def save(file, value):
    """`value`: lists and dicts of Tensor, in any depth. One tensor is in memory at a time; the same value gives the
    same bytes."""
    stream = io.BytesIO()
    pickler = Pickler(stream)
    pickler.dump(value)
    with common.file_that_appears_whole(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        add(archive, "data.pkl", stream.getvalue())
        add(archive, "byteorder", b"little")
        for key, tensor in enumerate(pickler.tensors):
            array = tensor.load()
            if (str(array.dtype), array.shape) != (tensor.dtype, tensor.shape) or not array.flags.c_contiguous:
                raise AssertionError(f"tensor {key} of {file} is not what was announced")
            add(archive, f"data/{key}", array.astype(array.dtype.newbyteorder("<"), copy=False).data.cast("B"))
        add(archive, "version", b"3\n")


def add(archive, name, content):
    entry = zipfile.ZipInfo(f"archive/{name}")  # of 1980
    is_long = len(content) > zipfile.ZIP64_LIMIT
    begin = archive.fp.tell() + 30 + len(entry.filename) + (20 if is_long else 0) + 4
    padding = -begin % ALIGNMENT
    entry.extra = b"FB" + padding.to_bytes(2, "little") + bytes(padding)
    entry.file_size = len(content)
    with archive.open(entry, "w", force_zip64=is_long) as out:
        out.write(content)
