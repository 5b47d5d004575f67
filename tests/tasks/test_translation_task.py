"""Translation: steps that do not depend on padding or on how a batch is cut, and sentences that are decoded."""

from __future__ import annotations

import pytest
import torch
from pytorch_lightning import Trainer
from torch.testing import assert_close
from toy_pairs import BEGIN, END, PADDING, pairs_of, random_sentences, toy_net

from smoothlab import InvalidArgument, soft_cross_entropy
from smoothlab.classes import ClassInfo
from smoothlab.data.batch import Batch
from smoothlab.losses import Focal
from smoothlab.losses.penalties import ConfidencePenalty
from smoothlab.nets import MLP
from smoothlab.smoothing import ClassFrequency, Constant, Exclusive, Neighbours, Smoother, Uncertainty, Uniform
from smoothlab.tasks import TranslationTask
from smoothlab.tracking.console import quiet_lightning

pytest.importorskip("sacrebleu")
CLASSES = 9
NAMES = ["[PAD]", "[BOS]", "[EOS]", *"abcdef"]
LENGTHS = [1, 1, 2, 9, 10, 11]  # the first three in one micro-batch, the others in another
PRIORS = {"uniform": Uniform, "unigram": lambda: ClassFrequency(1.0, 1.0), "exclusive": Exclusive}


def batch_of(numbers):
    sources = random_sentences(LENGTHS, CLASSES)
    targets = random_sentences(LENGTHS, CLASSES, seed=1)
    pairs, labels = pairs_of([sources[n] for n in numbers], [targets[n] for n in numbers])
    sequence = torch.tensor([n for n in numbers for _ in range(LENGTHS[n] + 1)])
    position = torch.tensor([t for n in numbers for t in range(LENGTHS[n] + 1)])
    metadata = {"sequence": sequence, "position": position, "frequency": torch.full((len(labels),), 0.1)}
    return Batch(pairs, labels, torch.arange(len(labels)), metadata)


def smoother_of(prior, strength=None):
    smoother = Smoother(strength or Constant(0.2), prior)
    smoother.bind(ClassInfo(NAMES, [0, 0, 6, 9, 4, 3, 2, 1, 1], never=NAMES[:2]))
    return smoother


def task_of(prior="uniform", *, smoother=None, lr=0.5, **options):
    smoother = smoother or smoother_of(PRIORS[prior]())
    return TranslationTask(
        toy_net(CLASSES), smoother, NAMES, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=lr), **options
    )


class Batches:
    """A loader of given batches."""

    def __init__(self, batches):
        self.batches = batches
        self.sampler = self.batch_sampler = None

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def one_step(task, cuts, **options):
    """The weights after one optimizer step over micro-batches of the sentences with these numbers."""
    with quiet_lightning():
        trainer = Trainer(
            max_steps=1,
            accelerator="cpu",
            accumulate_grad_batches=len(cuts),
            precision="64-true",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        trainer.fit(task, Batches([batch_of(cut) for cut in cuts]))
    assert trainer.global_step == 1
    return {name: tensor.detach().clone() for name, tensor in task.net.state_dict().items()}


def on_one_rank(rank, prior, fused):
    """The same in a process of two, each with the sentences of one micro-batch."""
    from ranks import be_rank_of_two

    be_rank_of_two(rank)
    cut = [[0, 1, 2], [3, 4, 5]][rank]
    return one_step(task_of(prior, fused_loss=fused), [cut], strategy="ddp", devices=2)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("prior", ["uniform", "unigram"])
def test_a_step_is_the_same_at_once_in_two_parts_and_on_two_ranks(prior, fused):
    from tests.support.ranks import on_ranks  # not at the top: the other process imports this file too

    start = task_of(prior).net.state_dict()
    whole = one_step(task_of(prior, fused_loss=fused), [range(6)])
    halves = one_step(task_of(prior, fused_loss=fused), [[0, 1, 2], [3, 4, 5]])
    assert max(float((whole[name] - start[name]).abs().max()) for name in whole) > 1e-3
    for other in (halves, *on_ranks(on_one_rank, prior, fused)):
        for name, tensor in whole.items():
            assert_close(other[name], tensor, rtol=0, atol=1e-6, msg=name)


def test_gradients_of_parts_are_not_means_of_means():
    """What the test above would not tell from a step that is right, were both parts of one length."""
    counts = [sum(LENGTHS[n] + 1 for n in cut) for cut in ([0, 1, 2], [3, 4, 5])]
    assert counts[1] > 4 * counts[0]


@pytest.mark.parametrize("prior", list(PRIORS))
def test_the_fused_loss_takes_the_step_of_the_other(prior):
    plain, fused = (one_step(task_of(prior, fused_loss=chosen), [range(6)]) for chosen in (False, True))
    for name, tensor in plain.items():
        assert_close(fused[name], tensor, rtol=0, atol=1e-10)


def test_the_loss_is_that_of_the_tokens_without_padding():
    task = task_of()
    batch = batch_of(range(6))
    logits = task.net(batch.features)
    target, loss, penalties = task.terms(batch)
    dense = torch.full((len(batch), CLASSES), 0.2 / 7, dtype=torch.float64)
    dense[:, :2] = 0  # neither padding nor the begin token gets mass
    dense[range(len(batch)), batch.labels] += 0.8
    expected = -(dense * logits.log_softmax(-1)).sum()
    assert_close(loss, expected)
    assert_close(target.dense(CLASSES, dtype=torch.float64), dense)
    assert penalties == {}


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ({"fused_loss": True}, False),
        ({"fused_loss": "auto"}, True),  # few classes
        ({"fused_loss": False}, True),
        ({"loss": Focal(2.0)}, True),
        ({"penalties": {"confidence": ConfidencePenalty(0.1)}}, True),
        ({"smoother": smoother_of(Uniform(), Uncertainty("entropy", 0.0, 0.2))}, True),
        ({"smoother": smoother_of(Neighbours())}, True),
    ],
)
def test_logits_are_made_only_where_something_looks_at_them(options, made, monkeypatch):
    task = task_of(**options)
    projected = []
    project = task.net.project
    monkeypatch.setattr(task.net, "project", lambda hidden: projected.append(1) or project(hidden))
    _, loss, _ = task.terms(batch_of(range(6)))
    assert bool(projected) is made
    assert loss.requires_grad


def test_other_losses_and_penalties_see_tokens():
    task = task_of(loss=Focal(2.0), penalties={"confidence": ConfidencePenalty(0.1)})
    batch = batch_of(range(6))
    logits = task.net(batch.features)
    target, loss, penalties = task.terms(batch)
    assert_close(loss, Focal(2.0)(logits, target).sum())
    assert_close(penalties["confidence"], ConfidencePenalty(0.1)(logits, target).sum())


def test_some_of_the_tokens_get_what_they_get_among_all_of_them():
    batch, net = batch_of(range(6)), toy_net(CLASSES).eval()
    index = torch.tensor([25, 3, 0, 26, 3])
    some = batch.take(index)
    assert len(some.features) == len(set(batch.metadata["sequence"][index].tolist())) < 6
    assert_close(net(some.features), net(batch.features)[index])
    assert torch.equal(some.labels, batch.labels[index])


def test_neighbours_in_time_are_those_of_the_sentence():
    task = task_of(smoother=smoother_of(Neighbours([1.0])))
    batch = batch_of([0, 2])  # sentences of 1 and 2 tokens, each with its end
    target, _, _ = task.terms(batch)
    first, end = batch.labels[0], END
    dense = target.dense(CLASSES)
    assert dense[0, end] == pytest.approx(0.2 if first != end else 1.0)
    assert dense[1, first] == pytest.approx(0.2)
    assert_close(soft_cross_entropy(task.net(batch.features), target, reduction="sum"), task.terms(batch)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size = 0"),
        ({"length_penalty": -1.0}, "length_penalty = -1.0"),
        ({"fused_loss": "often"}, "fused_loss = 'often'"),
        ({"fused_loss": True, "loss": Focal(2.0)}, "fused_loss = True"),
        ({"mixing": lambda a, b: (a, b)}, "mixing"),
        ({"tokenize": "words"}, "tokenize = 'words'"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        task_of(**options)


def test_a_net_that_does_not_translate_is_refused():
    with pytest.raises(InvalidArgument, match="one that translates"):
        TranslationTask(MLP(4, 3, hidden=[2]), smoother_of(Uniform()), NAMES, optimizer=torch.optim.SGD)


def test_a_fused_loss_that_is_asked_for_and_impossible_is_refused():
    task = task_of(smoother=smoother_of(Uniform(), Uncertainty("entropy", 0.0, 0.2)), fused_loss=True)
    with pytest.raises(InvalidArgument, match="the smoothing looks at the logits"):
        task.terms(batch_of([0]))


def test_the_toy_pairs_have_the_special_tokens_of_the_design():
    assert (PADDING, BEGIN, END) == (0, 1, 2)
