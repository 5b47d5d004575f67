"""Small reference nets; anything else comes in by its `_target_`."""

from smoothlab.nets.convnet import ConvNet
from smoothlab.nets.embedding_bag import EmbeddingBag
from smoothlab.nets.mlp import MLP
from smoothlab.nets.resnet import ResNet
from smoothlab.nets.text_transformer import TextTransformer

__all__ = ["MLP", "ConvNet", "EmbeddingBag", "ResNet", "TextTransformer"]
