"""Sentence pairs of random tokens, and nets that read them."""

import torch

from smoothlab.data.parallel.pairs import SentencePairs
from smoothlab.nets import Seq2SeqTransformer

PADDING, BEGIN, END = 0, 1, 2


def padded(sentences, *, more=0):
    length = max(map(len, sentences)) + more
    return torch.tensor([[*sentence, *[PADDING] * (length - len(sentence))] for sentence in sentences])


def pairs_of(sources, targets, *, more=0):
    """Sentences without special tokens, and the labels of their pairs."""
    target = padded([[BEGIN, *sentence] for sentence in targets], more=more)
    positions = [n * target.shape[1] + t for n, sentence in enumerate(targets) for t in range(len(sentence) + 1)]
    labels = [token for sentence in targets for token in [*sentence, END]]
    source = padded([[*sentence, END] for sentence in sources], more=more)
    return SentencePairs(source, target, torch.tensor(positions)), torch.tensor(labels)


def random_sentences(lengths, vocabulary, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, vocabulary, (length,), generator=generator).tolist() for length in lengths]


def toy_net(vocabulary=9, *, seed=0, **options):
    """A small net in float64 that is far from its first weights."""
    torch.manual_seed(seed)
    made = {"padding_index": PADDING, "begin_index": BEGIN, "end_index": END, "max_length": 12, "width": 8}
    made |= {"encoder_blocks": 2, "decoder_blocks": 2, "heads": 2, "hidden": 16, "dropout": 0.0}
    net = Seq2SeqTransformer(vocabulary, vocabulary, **(made | options)).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return net


def lively_net(vocabulary=9, *, seed=0):
    """A toy net whose translations differ from sentence to sentence, in length too."""
    net = toy_net(vocabulary, seed=seed, tied=False)
    lengths = [1, 2, 3, 4, 5, 6] * 20
    pairs, _ = pairs_of(random_sentences(lengths, vocabulary), random_sentences(lengths[::-1], vocabulary, seed=1))
    with torch.no_grad():
        hidden = net.hidden(pairs)
        net.output.mul_(3)
        net.bias.copy_(-net.output @ hidden.mean(0))  # no token is the favourite everywhere
    return net
