"""Checkpoints: named arrays and JSON facts in one safetensors file, written whole or not at all, read without running code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from benchmark_api.jobs.files import whole_file
from benchmark_api.schema import checked, parse_json
from benchmark_api.tables.safetensors import FormatError, Layout, fingerprint, map_safetensors
from benchmark_api.types import AnyArray

Part = nn.Module | torch.optim.Optimizer
FORMAT = 1
MAX_EPOCHS = 1_000_000


def state(draws: Mapping[str, torch.Generator], parts: Mapping[str, Part]) -> dict[str, AnyArray]:
    """Return a copy of the state of generators, modules and optimizers, as arrays named "PART/NAME"."""
    tensors = {f"draws/{name}": draw.get_state() for name, draw in draws.items()}
    for name, part in parts.items():
        values = part.state_dict() if isinstance(part, nn.Module) else _flat(part)
        tensors |= {f"{name}/{key}": tensor for key, tensor in values.items()}
    return {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}


def restore(arrays: Mapping[str, AnyArray], draws: Mapping[str, torch.Generator], parts: Mapping[str, Part]) -> None:
    """Give generators, modules and optimizers the state that `state` returned."""
    for name, draw in draws.items():
        draw.set_state(torch.from_numpy(arrays[f"draws/{name}"].copy()))
    for name, part in parts.items():
        prefix = f"{name}/"
        values = {key[len(prefix) :]: torch.from_numpy(a.copy()) for key, a in arrays.items() if key.startswith(prefix)}
        part.load_state_dict(values if isinstance(part, nn.Module) else _nested(part, values))


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimizer by "PARAMETER/NAME", without its settings, which the configuration has."""
    values_of = optimizer.state_dict()["state"]
    return {f"{number}/{name}": value for number, values in values_of.items() for name, value in values.items()}


def _nested(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the state dict of an optimizer from the result of `_flat`."""
    values_of: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        number, name = key.split("/")
        values_of.setdefault(int(number), {})[name] = value
    return {"state": values_of, "param_groups": optimizer.state_dict()["param_groups"]}


class Facts(msgspec.Struct):
    """Schema of the facts of a checkpoint. Those that tell searches apart are compared as they are (`require_same`)."""

    format: int
    method: str
    config: dict[str, Any]
    seed: int
    epoch: Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCHS)]
    metrics: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MAX_EPOCHS)] | None = None
    figures: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MAX_EPOCHS)] | None = None  # of the first version


@contextmanager
def refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what arrays and metrics that do not fit a search raise into a ValueError that names the checkpoint."""
    try:
        yield
    except (AttributeError, LookupError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} does not fit this search, or is damaged: {reason:.300}") from error


def require_same(path: str | os.PathLike[str], theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Check that the identity of a checkpoint is that of this search.

    Raises:
        ValueError: they differ; the message names the first fact that does.
    """
    for fact in dict.fromkeys((*ours, *theirs)):
        their, our = theirs.get(fact), ours.get(fact)
        if their == our:
            continue
        if isinstance(their, dict) and isinstance(our, dict):  # of a configuration, the entries that differ
            names = sorted(name for name in their.keys() | our.keys() if their.get(name) != our.get(name))
            their, our = ({name: values.get(name) for name in names} for values in (their, our))
        raise ValueError(f"{path} is of another search: its {fact} is {their}, this one's is {our}")


def write(path: str | os.PathLike[str], arrays: Mapping[str, AnyArray], facts: Mapping[str, Any]) -> None:
    """Write named arrays and JSON facts. An existing file is replaced only once the new one is complete and on the disk."""
    text = json.dumps(facts)
    shapes = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    layout = Layout(shapes, {"search": text, "sha256": _digest(text, arrays)})
    with whole_file(Path(path)) as file:
        file.write(layout.head)
        for name, (dtype, _, _) in layout.places.items():
            file.write(np.ascontiguousarray(arrays[name], dtype).tobytes())


def read(path: str | os.PathLike[str]) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Return the arrays and the facts of a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, or a damaged one.
    """
    try:
        arrays, metadata = map_safetensors(Path(path))
        text, sha256 = metadata["search"], metadata["sha256"]
    except (FormatError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is not the checkpoint of a search, or a damaged one: {error}") from error
    if sha256 != _digest(text, arrays):
        raise ValueError(f"{path} is damaged: its content does not match its SHA-256; use an older checkpoint, or start again")
    try:
        facts: dict[str, Any] = parse_json(text)
        checked(facts, Facts, "its facts")
    except ValueError as error:
        raise ValueError(f"{path} is not the checkpoint of a search: {error}") from error
    return arrays, facts


def _digest(text: str, arrays: Mapping[str, AnyArray]) -> str:
    """Return the SHA-256 of the content of a checkpoint."""
    return hashlib.sha256(text.encode() + fingerprint(arrays).encode()).hexdigest()
