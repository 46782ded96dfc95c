"""What the helpers share: messages in the project's form, digests, folders and files that appear whole."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import sys


class InputError(Exception):
    """The user's mistake; the helper ends with 2. The message reads: problem (why) what to do."""


class MachineError(Exception):
    """The machine's failure, or the network's; the helper ends with 1."""


def main(name, run):
    """Runs `run()`; turns errors into one line on stderr and an exit code."""
    try:
        run()
    except InputError as error:
        sys.exit(_say(name, error, 2))
    except (MachineError, OSError, MemoryError) as error:
        sys.exit(_say(name, error or "out of memory", 1))
    except KeyboardInterrupt:
        sys.exit(130)


def _say(name, text, code):
    print(f"{name}: {text}", file=sys.stderr)
    return code


def say(text):
    print(text, file=sys.stderr, flush=True)


def digest_of_file(path):
    """SHA-256 in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def folder_that_appears_whole(folder):
    """Yields `<folder>.partial`, empty; at the end it is flushed and takes the place of `folder`."""
    folder = pathlib.Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for entry in partial.iterdir():
            entry.chmod(readable_mode())  # some libraries write files only their owner may read
            sync_to_disk(entry)
        sync_to_disk(partial)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        partial.rename(folder)
        sync_to_disk(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def file_that_appears_whole(file):
    """Yields a temporary path beside `file`; at the end it is flushed and renamed into place."""
    file = pathlib.Path(file)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync_to_disk(temporary)
        temporary.rename(file)
        sync_to_disk(file.parent)
    finally:
        temporary.unlink(missing_ok=True)


def readable_mode():
    """What `open` would have given: read and write for all, less the umask."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def sync_to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
