"""Files that are whole or not there, and hashes of what is in them.

A file is written under a temporary name in its own folder, flushed to disk and renamed. Until then
it is locked, so that what a killed process left can be told from what is being written; the name
carries the host, since another's locks may not be seen here. (Asking for the process by its number
is not enough: killed workers stay as zombies where nobody waits for them, as in many containers.)
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from gpte_data.errors import BadOption, UserError

HOST = re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"
_TEMPORARY = re.compile(r"^\..+\.([A-Za-z0-9]+)-\d+\.tmp$")


@contextlib.contextmanager
def atomic(path: Path, before: Callable[[], None] | None = None) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when the block ends well.

    `before` is called when all is written, just before the file gets its name.

    What is no regular file (/dev/null, /dev/stderr, a named pipe) is written as it stands: putting
    a file in its place would take it away from everybody else.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as target:
            yield target
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{HOST}-{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as target:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(target, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield target
            target.flush()
            os.fsync(target.fileno())
        if before is not None:
            before()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def readable(name: str) -> str:
    """Return what of a name can stand in the name of a folder: the end of it, 48 characters."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name)[-48:].strip("-.")


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder for oneself, made if need be; raise BadOption where another run holds it.

    Two runs into one folder would pay for the same answers twice. Where a file system has no locks,
    the block runs without one. A lock ends with its process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadOption(
                f"another run is writing {folder}: wait until it has ended, or give another -o"
            ) from None
        except OSError:
            pass
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold a folder for oneself, made if need be, as soon as another process lets it go."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sweep(folder: Path) -> int:
    """Delete temporaries that processes of this host left when they died; return how many."""
    swept = 0
    for path in folder.glob(".*.tmp") if folder.is_dir() else ():
        match = _TEMPORARY.match(path.name)
        if match and match[1] == HOST and _abandoned(path):
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _abandoned(temporary: Path) -> bool:
    """Tell whether nobody has the file open for writing any more."""
    try:
        with temporary.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


Signature = tuple[tuple[str, int, int], ...]


def signature(paths: Iterable[Path]) -> Signature:
    """Return name, size and time of each file: what changes when a file does."""
    return tuple((str(p), (s := p.stat()).st_size, s.st_mtime_ns) for p in paths)


def sha256_file(path: Path) -> str:
    """Return the hash of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_folder(folder: Path) -> str:
    """Return one hash over names and contents of all files below a folder that are not hidden."""
    digest = hashlib.sha256()
    for path in visible_files(folder):
        inner = os.fsencode(path.relative_to(folder).as_posix())
        digest.update(inner + f"\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def visible_files(folder: Path) -> list[Path]:
    """Return all files below a folder that are not hidden, in order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
REFUSED = FULL | {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
    errno.ENAMETOOLONG, errno.EIO,
}  # fmt: skip


@contextlib.contextmanager
def disk_errors(output: Path | str) -> Iterator[None]:
    """Turn what the disk refuses into one sentence, about the file that the system names if any."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        where = output if error.errno in FULL else error.filename or output
        raise UserError(
            f"{where} can't be used ({os.strerror(error.errno).lower()}): what is done is kept; "
            "mend that and run the same command again"
        ) from None
