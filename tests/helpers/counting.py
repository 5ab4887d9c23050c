"""Parameters and multiply-accumulates of a network, counted on the network itself: the reference for `training.costs`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def count_params(module: nn.Module) -> int:
    """The number of trainable parameters, those of batch normalisations included."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_flops(module: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Multiply-accumulates for one image, counted during a forward pass.

    As in NATS-Bench, those of convolutions and linear layers with their biases; all else is free.

    Args:
        module: any module that takes a batch of images. Its mode and its running statistics are as before afterwards.
        image_shape: channels, height and width of an image.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        inputs_of_one = layer.weight[0].numel() + (layer.bias is not None)
        total += inputs_of_one * output[0].numel()

    modes = {layer: layer.training for layer in module.modules()}
    hooks = [layer.register_forward_hook(count) for layer in modes if isinstance(layer, nn.Conv2d | nn.Linear)]
    try:
        module.eval()
        with torch.no_grad():
            module(next(module.parameters()).new_zeros(1, *image_shape))
    finally:
        for hook in hooks:
            hook.remove()
        for layer, mode in modes.items():
            layer.training = mode
    return total
