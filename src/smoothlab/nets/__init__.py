"""Small reference nets; anything else comes in by its `_target_`."""

from smoothlab.nets.convnet import ConvNet
from smoothlab.nets.embedding_bag import EmbeddingBag
from smoothlab.nets.linear import Linear
from smoothlab.nets.mlp import MLP
from smoothlab.nets.pretrained import Pretrained
from smoothlab.nets.pretrained_seq2seq import PretrainedSeq2Seq
from smoothlab.nets.resnet import ResNet
from smoothlab.nets.seq2seq import DecodingState, Seq2Seq
from smoothlab.nets.seq2seq_transformer import Seq2SeqTransformer
from smoothlab.nets.tabm import TabM
from smoothlab.nets.tabular_resnet import TabularResNet
from smoothlab.nets.text_transformer import TextTransformer
from smoothlab.nets.timm import Timm

__all__ = [
    "MLP",
    "ConvNet",
    "DecodingState",
    "EmbeddingBag",
    "Linear",
    "Pretrained",
    "PretrainedSeq2Seq",
    "ResNet",
    "Seq2Seq",
    "Seq2SeqTransformer",
    "TabM",
    "TabularResNet",
    "TextTransformer",
    "Timm",
]
