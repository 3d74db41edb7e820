"""The objective: a network with what it is to lower in one stage, as one module, so that it can be spread over GPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from matting_tasks.fit.compose import Pairs
from matting_tasks.fit.stages import BASE, REFINE, Stage
from models.losses import Truth, matting_base_loss, matting_refine_loss, rvm_loss, segmentation

REFINER = "refiner"
MASK_AT = 0.5  # alpha from which a pixel belongs to the person


class Objective(nn.Module):
    """Compute the loss of pairs in one stage."""

    def __init__(self, network: nn.Module, stage: Stage, precision: torch.dtype) -> None:
        """Keep the network; precision: of its layers, losses are float32."""
        super().__init__()
        self.network = network
        self.stage = stage
        self.precision = precision

    def forward(self, pairs: Pairs, is_segmentation: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total to lower, and each loss by name, detached."""
        with torch.autocast(pairs.frame.device.type, self.precision, enabled=self.precision != torch.float32):
            outputs = self._outputs(pairs, is_segmentation)
        if is_segmentation:
            logits = outputs[0].flatten(0, 1).float()
            mask = (pairs.alpha.flatten(0, 1) > MASK_AT).float()
            loss = segmentation(logits, nn.functional.interpolate(mask, logits.shape[-2:], mode="area"))
            return loss, {"segmentation": loss.detach()}
        losses = self._losses(outputs, pairs)
        total = losses.total
        if self.stage.refiner_alone:
            # where no cell is chosen nothing else leads to what learns
            total = total + 0.0 * sum(part.sum() for part in self.network.parameters() if part.requires_grad)
        return total, losses.parts

    def _outputs(self, pairs: Pairs, is_segmentation: bool) -> Any:
        network: Any = self.network
        if self.stage.kind == BASE:
            return network.forward_base(pairs.frame[:, 0], pairs.plate)
        if self.stage.kind == REFINE:
            return network(pairs.frame[:, 0], pairs.plate)
        # every clip begins with an empty memory
        return network(pairs.frame, downsample_ratio=self._ratio(pairs), segmentation_pass=is_segmentation)

    def _ratio(self, pairs: Pairs) -> float:
        beside = self.stage.beside
        return 1.0 if beside is not None and pairs.frame.shape[1] == beside.n_frames else self.stage.downsample_ratio

    def _losses(self, outputs: Any, pairs: Pairs) -> Any:
        weights = self.stage.weights
        if self.stage.kind in (BASE, REFINE):
            truth = Truth(pairs.alpha[:, 0], pairs.foreground[:, 0])
            compute = matting_base_loss if self.stage.kind == BASE else matting_refine_loss
            return compute(outputs, truth, weights)
        return rvm_loss(outputs[1], outputs[0], Truth(pairs.alpha, pairs.foreground), weights)


def set_to_learn(network: nn.Module, stage: Stage) -> None:
    """Bring a network into training mode for a stage.

    While a refiner learns, the layers below it keep the statistics of their BatchNorm: a batch of two large pictures
    would tell less than what they have. A refiner that learns alone keeps its own too.
    """
    network.train(not stage.refiner_alone)
    if stage.kind == REFINE and not stage.refiner_alone:
        for name, part in network.named_children():
            part.train(name == REFINER)


def trained(network: nn.Module, stage: Stage) -> list[dict[str, Any]]:
    """Switch on the gradients of what learns in a stage, off all others, and return the groups of an optimizer."""
    rates = {"backbone": stage.backbone_rate, "rest": stage.rate}
    if stage.refiner_rate is not None:
        rates["refiner"] = stage.refiner_rate
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in rates}
    for name, parameter in network.named_parameters():
        part = name.partition(".")[0]
        learns = part == REFINER if stage.refiner_alone else not (stage.kind == BASE and part == REFINER)
        parameter.requires_grad_(learns)
        if learns:
            groups[part if part in rates else "rest"].append(parameter)
    return [{"params": groups[name], "highest": rate} for name, rate in rates.items() if groups[name]]
