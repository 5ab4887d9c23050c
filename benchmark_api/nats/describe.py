"""Text about an architecture, as the package prints it."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_api.nats.results import ArchResults

Shown = Mapping[str, tuple[tuple[str, str], ...]]
"""For dataset keys, the sets shown after the training set: pairs of a label and a split."""


def describe(information: ArchResults, extra_info: object = None, show: bool = False, *, shown: Shown) -> list[str]:
    """Return the lines about one architecture under one schedule.

    Args:
        information: the architecture.
        extra_info: text for the second line.
        show: also print the lines.
        shown: sets of the dataset keys that have others than validation and test.
    """

    def metric(setname: str) -> str:
        info = information.get_metrics(dataset, setname)
        return f"loss = {info['loss']:.3f} & top1 = {info['accuracy']:.2f}%"

    lines = [information.arch_str, f"datasets : {information.get_dataset_names()}, extra-info : {extra_info}"]
    for dataset in information.get_dataset_names():
        costs = information.get_compute_costs(dataset)
        latency = costs["latency"]
        milliseconds = None if latency is None else f"{latency * 1000:.2f}"
        lines.append(f"{dataset:14s} FLOP={costs['flops']:6.2f} M, Params={costs['params']:.3f} MB, latency={milliseconds} ms.")
        sets = (("train", "train"), *shown.get(dataset, (("valid", "x-valid"), ("test", "x-test"))))
        lines.append(f"{dataset:14s} " + ", ".join(f"{label} : [{metric(setname)}]" for label, setname in sets))
    if show:
        print("\n".join(lines))
    return lines
