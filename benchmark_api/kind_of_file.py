"""What a file is by its first bytes, so that a message can name a wrong download for what it is, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

from benchmark_api.jobs.files import regular

HEAD = 512
"""Bytes that `kind_of` needs: those of the header of a tar archive."""

_TORCH = (
    "a PyTorch file, which is not supported; in place of NAS-Bench-201's take NATS-Bench's archive of the same architectures, "
    "NATS-tss-v1_0-3ffb9-simple.tar"
)
_BEGINNINGS = {
    b"\x1f\x8b": "a gzip file: unpack it",
    b"\xfd7zXZ\x00": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a Zstandard file: unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"BZh": "a bz2 file",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"version https://git-lfs": "a pointer of Git LFS instead of the file: fetch it with `git lfs pull`",
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9": _TORCH,  # the magic number of torch.save before PyTorch 1.6
}


def kind_of_file(path: str | os.PathLike[str]) -> str | None:
    """Return what a file is, as `kind_of` does. Raises OSError where it cannot be read."""
    with open(regular(path), "rb") as file:
        return kind_of(file.read(HEAD), Path(path).name)


def is_safetensors(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as safetensors files do: eight bytes, then JSON. Raises OSError where it cannot be read."""
    with open(regular(path), "rb") as file:
        return file.read(9)[8:] == b"{"


def kind_of(head: bytes, name: str = "the file") -> str | None:
    """Return what a file is that begins with these bytes, with an article, and what to do with it; None if that is unknown.

    Args:
        head: the first `HEAD` bytes, or all that there are.
        name: stands for the file in advice.
    """
    if not head:
        return "an empty file: download it again"
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if head[257:262] == b"ustar":
        return f"a tar archive: unpack it (tar xf {name}), and give the folder"
    if head.startswith(b"PK\x03\x04"):
        return _TORCH if b"/data.pkl" in head else "a zip archive: unpack it"
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "a web page instead of the file: the download failed, try it again"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27:
        return "a safetensors file: a table of this project needs no import, only a name that ends in .safetensors"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a pickle that is not compressed"
    return None
