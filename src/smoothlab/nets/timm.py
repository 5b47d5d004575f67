"""An image net of the timm library, from random weights or from those of a file."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from smoothlab.errors import InvalidArgument, UserMistake, reason_of
from smoothlab.numbers import check_number, check_share
from smoothlab.packaged_files import WEIGHTS, files_of_package, weights_of_package

Training = Literal["tuned", "frozen"]


def timm_library() -> Any:
    """The library ``timm``.

    Raises:
        UserMistake: it is not installed, or its torchvision is for another torch.
    """
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise UserMistake(
            "net: image nets of timm need the package timm, which is not installed: pip install 'smoothlab[timm]'"
        ) from None
    except RuntimeError as error:  # compiled operators that do not load
        raise UserMistake(
            f"net: timm cannot be imported ({reason_of(error)}); its torchvision must be of torch's release and build"
        ) from None


def weights_file(weights: str) -> Path:
    """The file of weights; nothing is fetched, and no code of a package runs.

    Args:
        weights: a file, or the name of an installed package with one such file in it.

    Raises:
        InvalidArgument: there is none.
    """
    path, endings = Path(weights), " ".join(WEIGHTS)
    if path.is_file():
        if path.suffix not in WEIGHTS:
            raise InvalidArgument("weights", weights, f"a file of weights ({endings})")
        return path
    inside = weights_of_package(weights)
    if len(inside) == 1:
        return inside[0]
    why = "" if files_of_package(weights) is None else f"; the package holds {len(inside)} such files"
    raise InvalidArgument("weights", weights, f"a file of weights ({endings}), or a package with one{why}")


class Timm(nn.Module):
    """An image net of timm with a layer for the classes of the data.

    With weights, images reach the net standardised as timm says of it, whatever the data's own mean and deviation, and
    a first layer for three channels is adapted to grey images. The layer for the classes begins anew where the file has
    one for another number of classes.

    Args:
        in_channels: of the images ``(N, in_channels, H, W)``.
        num_classes: K, the width of the logits ``(N, K)``.
        name: of the net in timm, such as ``resnet18``.
        weights: a file, or an installed package with one; None: random weights.
        by_order: whether the file's tensors stand under names of another library; they are taken in their order, in
            which every shape must agree.
        encoder: ``tuned``: all of the net is trained; ``frozen``: the layer for the classes alone, while the rest
            neither changes nor counts batches.
        dropout: before that layer where the net is tuned, in [0, 1).
        encoder_rate: with weights, what the learning rate is multiplied by for the last block below it, above 0.
        decay: and again for each block below, in (0, 1].
        image_size: height and width, for nets that are made for one size.
        channel_statistics: ``mean`` and ``deviation`` of each channel, in [0, 1], by which the data standardise images;
            None: not known.
        restoring: whether a checkpoint's weights follow, so that the file need not be read.

    Raises:
        InvalidArgument: for arguments outside their range, a name that timm has not, or a file of another net.
        UserMistake: timm is not there.

    Source: Wightman, "PyTorch Image Models", 2019; rates by depth as of :class:`smoothlab.nets.Pretrained`.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        name: str,
        weights: str | None = None,
        by_order: bool = False,
        encoder: Training = "tuned",
        dropout: float = 0.0,
        encoder_rate: float = 0.1,
        decay: float = 0.8,
        image_size: Sequence[int] | None = None,
        channel_statistics: Mapping[str, Sequence[float]] | None = None,
        restoring: bool = False,
    ) -> None:
        super().__init__()
        if encoder not in get_args(Training):
            raise InvalidArgument("encoder", encoder, f"one of {', '.join(get_args(Training))}")
        if encoder == "frozen" and weights is None:
            raise InvalidArgument("encoder", encoder, "tuned where net.weights is null: there is nothing to keep")
        check_share("dropout", dropout)
        check_number("encoder_rate", encoder_rate, above=0)
        check_number("decay", decay, above=0, at_most=1)
        self.frozen = encoder == "frozen"
        self.encoder_rate, self.decay = (encoder_rate, decay) if weights is not None else (1.0, 1.0)
        options = _options(name, in_channels, dropout, image_size)
        if weights is None or restoring:
            self.model: Any = timm_library().create_model(name, pretrained=False, num_classes=num_classes, **options)
        else:
            self.model = _with_weights(name, weights_file(weights), num_classes, by_order, options)
        scale, shift = torch.ones(in_channels), torch.zeros(in_channels)
        if weights is not None and channel_statistics is not None:
            # from (x - mean) / deviation of the data to that of the net's own training
            mean, deviation = (_of_channels(self.model.pretrained_cfg[key], in_channels) for key in ("mean", "std"))
            scale = torch.tensor(list(channel_statistics["deviation"])) / deviation
            shift = (torch.tensor(list(channel_statistics["mean"])) - mean) / deviation
        self.register_buffer("scale", scale.view(-1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(-1, 1, 1), persistent=False)
        if self.frozen:
            self.model.requires_grad_(False)
            self._head.requires_grad_(True)

    @property
    def _head(self) -> nn.Module:
        head: Any = self.model.get_classifier()
        made: nn.Module = nn.ModuleList(head) if isinstance(head, tuple) else head
        return made

    def train(self, mode: bool = True) -> Timm:
        """See :class:`torch.nn.Module`; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of images ``(N, C, H, W)``."""
        images = images * self.scale + self.shift
        logits: Tensor = self.model(images.contiguous(memory_format=torch.channels_last))
        return logits

    def rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Parameters below the layer for the classes, and what the learning rate is multiplied by for each."""
        group_parameters = importlib.import_module("timm.models").group_parameters
        depths: Mapping[str, int] = group_parameters(self.model, self.model.group_matcher(), reverse=True)
        head = {id(parameter) for parameter in self._head.parameters()}
        below = [
            (parameter, depths[name]) for name, parameter in self.model.named_parameters() if id(parameter) not in head
        ]
        last = max((depth for _, depth in below), default=0)
        for parameter, depth in below:
            yield parameter, self.encoder_rate * self.decay ** (last - depth)


def _options(name: str, in_channels: int, dropout: float, image_size: Sequence[int] | None) -> dict[str, Any]:
    """What every making of the net is told.

    Raises:
        InvalidArgument: timm has no such net.
    """
    library = timm_library()
    if not isinstance(name, str) or not library.is_model(name):
        near = library.list_models(f"*{name}*")[:5] if isinstance(name, str) else []
        there = f", such as {', '.join(near)}" if near else ""
        raise InvalidArgument("name", name, f"a net of timm{there} (timm.list_models() names all)")
    options: dict[str, Any] = {"in_chans": in_channels, "drop_rate": dropout}
    if image_size is not None and getattr(library.get_pretrained_cfg(name), "fixed_input_size", False):
        options["img_size"] = tuple(image_size)
    return options


def _with_weights(name: str, file: Path, num_classes: int, by_order: bool, options: dict[str, Any]) -> Any:
    """The net with the weights of a file and a layer for ``num_classes``, which is new where the file's has others."""
    library, models = timm_library(), importlib.import_module("timm.models")
    try:
        state: dict[str, Tensor] = models.load_state_dict(str(file), weights_only=True)
        if by_order:
            state = _renamed(state, library.create_model(name, in_chans=3).state_dict())
        # Made for the classes of the file, timm refuses what is missing and what is too much.
        classes = _classes_of(state, library.get_pretrained_cfg(name))
        overlay = {"state_dict": state, "num_classes": classes, "custom_load": False, "source": None}
        model = library.create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes, **options
        )
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).split("Expected in state_dict")[0][:160]
        raise InvalidArgument("weights", str(file), f"weights of timm's {name} ({reason} ...)") from None
    if classes != num_classes:
        model.reset_classifier(num_classes)
    return model


def _classes_of(state: Mapping[str, Tensor], config: Any) -> int:
    """For how many classes the file has a layer, 0 without one."""
    named = getattr(config, "classifier", None) or ()
    for layer in (named,) if isinstance(named, str) else named:
        if f"{layer}.weight" in state:
            return len(state[f"{layer}.weight"])
    return 0


def _renamed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in their order under the names of a net.

    Raises:
        ValueError: they are not as many, or a shape differs.
    """
    if len(state) != len(wanted):
        raise ValueError(f"{len(state)} tensors, the net has {len(wanted)}")
    for (theirs, value), (ours, place) in zip(state.items(), wanted.items(), strict=True):
        if value.shape != place.shape:
            raise ValueError(f"{theirs} has the shape {tuple(value.shape)}, {ours} has {tuple(place.shape)}")
    return dict(zip(wanted, state.values(), strict=True))


def _of_channels(values: Sequence[float], channels: int) -> Tensor:
    """A value a channel: those of timm, or their mean where there are other channels."""
    return torch.tensor(list(values)) if len(values) == channels else torch.full((channels,), sum(values) / len(values))
