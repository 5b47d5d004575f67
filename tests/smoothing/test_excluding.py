"""Classes that get no smoothing mass, whatever the prior."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.testing import assert_close

from smoothlab import InvalidArgument, Smoother, SoftTarget, soft_cross_entropy
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake
from smoothlab.smoothing import ClassInfo, Constant, Exclusive, Sord, Uncertainty, Uniform, Vector
from smoothlab.targets import OtherClasses, PerClass, PerSample


def double(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)


class Given:
    """A prior that is what it was given."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, step):
        return self.factor


LABELS = torch.tensor([0, 1, 2, 3, 4, 1])
FACTORS = {
    "uniform": "uniform",
    "exclusive": "exclusive",
    "vector": drawn(5),
    "matrix": PerClass(drawn(5, 5)),
    "rows": PerSample(drawn(6, 5)),
    "other classes": OtherClasses(drawn(5)),
}


def by_hand(base, epsilon, factor, excluded):
    """Row by row: nothing for the excluded classes, the rest divided by its sum, all of it the base's if none is left.

    A vote base is the mixture of its labels' targets.
    """
    made = []
    for row, weights in enumerate(base.tolist()):
        target = torch.zeros(len(weights), dtype=torch.float64)
        for label, share in enumerate(weights):
            own = torch.zeros(len(weights), dtype=torch.float64)
            own[label] = 1
            prior = SoftTarget(own.unsqueeze(0), 0.5, factor if not isinstance(factor, PerSample) else None)
            prior = factor.rows[row].clone() if isinstance(factor, PerSample) else 2 * prior.dense(5)[0] - own
            prior[excluded] = 0
            prior = prior / prior.sum() if prior.sum() > 1e-9 else own
            target += share * ((1 - epsilon) * own + epsilon * prior)
        made.append(target)
    return torch.stack(made)


@pytest.mark.parametrize("excluded", [[0], [1, 3], [0, 1, 2, 3]])
@pytest.mark.parametrize("factor", FACTORS.values(), ids=FACTORS)
@pytest.mark.parametrize("base", [LABELS, drawn(6, 5, seed=1)], ids=["labels", "votes"])
def test_excluded_classes_get_nothing_and_the_others_their_share(base, factor, excluded):
    logits = torch.zeros(6, 5, dtype=torch.float64)
    target = Smoother(Constant(0.3), Given(factor), exclude=excluded)(base, logits=logits).validate()
    one_hot = torch.nn.functional.one_hot(base, 5).double() if base.ndim == 1 else base
    assert_close(target.dense(5), by_hand(one_hot, 0.3, factor, excluded), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "factor",
    [double([0.5, 0, 0, 0.5]), PerClass(double([[1.0, 0, 0, 0]] * 4)), PerSample(double([[1.0, 0, 0, 0]] * 3))],
    ids=["vector", "matrix", "rows"],
)
@pytest.mark.parametrize("epsilon", [0.3, "by sample"])
def test_a_row_left_empty_returns_its_mass_to_the_label(factor, epsilon):
    labels = torch.tensor([1, 2, 0])
    strength = Constant(epsilon) if epsilon == 0.3 else Uncertainty("entropy", 0.0, 0.5)
    target = Smoother(strength, Given(factor), exclude=[0, 3])(labels, logits=torch.zeros(3, 4)).validate()
    assert_close(target.dense(4), torch.nn.functional.one_hot(labels, 4).double())


def test_only_empty_rows_return_theirs():
    rows = double([[1.0, 0, 0], [0.5, 0.25, 0.25]])
    target = Smoother(Constant(0.4), Given(PerSample(rows)), exclude=[0])(torch.tensor([1, 1]))
    assert_close(target.dense(3), double([[0.0, 1.0, 0.0], [0.0, 0.8, 0.2]]))


def test_sequences_keep_their_shape():
    labels = torch.tensor([[1, 2, 1], [2, 0, 1]])
    rows = drawn(2, 3, 4)
    target = Smoother(Constant(0.4), Given(PerSample(rows)), exclude=[0])(labels, logits=rows).validate()
    assert soft_cross_entropy(rows, target, reduction="none").shape == (2, 3)
    assert target.dense(4)[..., 0].sum() == 0.6  # of the label 0


def test_masked_logits_and_excluded_classes_go_together():
    logits = torch.zeros(1, 4, dtype=torch.float64)
    logits[0, 1] = -math.inf
    target = Smoother(Constant(0.3), Uniform(), exclude=[0])(torch.tensor([2]), logits=logits)
    assert_close(target.dense(4, logits), double([[0.0, 0.0, 0.85, 0.15]]))


def test_by_name_from_the_command_line():
    overrides = ["smoothing=standard", "smoothing/prior=exclusive", "+smoothing.exclude=[pad]"]
    smoother = build(plain(compose_config("train", overrides))["smoothing"], "smoothing")
    smoother.bind(ClassInfo(["pad", "cat", "dog"], [0, 3, 4]))
    assert_close(smoother(torch.tensor([1, 2])).dense(3), torch.tensor([[0.0, 0.9, 0.1], [0.0, 0.1, 0.9]]))
    assert "exclude=['pad']" in repr(smoother)
    with pytest.raises(UserMistake, match=r"^smoothing.exclude = 'pad': expected a list"):
        build(plain(compose_config("train", ["+smoothing.exclude=pad"]))["smoothing"], "smoothing")


def test_a_matrix_is_made_once_and_again_where_it_changed():
    matrix = drawn(4, 4)
    prior = Given(PerClass(matrix))
    smoother = Smoother(Constant(0.3), prior, exclude=[0])
    first = smoother(LABELS[:3]).prior
    assert smoother(LABELS[:3]).prior is first
    matrix[2] = double([0.0, 0.0, 1.0, 0.0])
    assert smoother(LABELS[:3]).prior.matrix[2].tolist() == [0.0, 0.0, 1.0, 0.0]
    prior.factor = PerClass(drawn(4, 4, seed=2))
    assert_close(smoother(LABELS[:3]).prior.matrix[1, 1:].sum(), double(1.0))
    assert copy.deepcopy(smoother)(LABELS[:3]).prior is not None


def test_no_smoothing_stays_no_smoothing():
    target = Smoother(Constant(0.0), Uniform(), exclude=["nobody"])(LABELS)
    assert target.epsilon == 0.0
    assert target.prior == "uniform"


@pytest.mark.parametrize("factor", FACTORS.values(), ids=FACTORS)
def test_on_a_device_no_value_is_looked_at(factor):
    move = {
        PerClass: lambda factor: PerClass(factor.matrix.to("meta")),
        PerSample: lambda factor: PerSample(factor.rows.to("meta")),
        OtherClasses: lambda factor: OtherClasses(factor.weights.to("meta")),
    }
    factor = factor if isinstance(factor, str) else move.get(type(factor), lambda part: part.to("meta"))(factor)
    labels = LABELS.to("meta")
    target = Smoother(Constant(0.3), Given(factor), exclude=[0])(labels, logits=torch.zeros(6, 5, device="meta"))
    assert target.dense(5).device.type == "meta"


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ("pad", "exclude = 'pad': expected a list of classes"),
        ([True], "exclude = True: expected the name of a class, or its number"),
        ([-1], "exclude = -1: expected the name of a class, or its number"),
        ([0.5], "exclude = 0.5: expected the name of a class, or its number"),
        (["wolf"], "exclude = 'wolf': expected names of classes: cat, dog"),
        ([2], "exclude = 2: expected a number below 2, the number of classes"),
        (["cat", 1], r"exclude = \['cat', 1\]: expected some class to be left"),
    ],
)
def test_wrong_classes_are_refused(exclude, message):
    with pytest.raises(InvalidArgument, match=message):
        Smoother(Constant(0.1), Uniform(), exclude=exclude).bind(ClassInfo(["cat", "dog"], [1, 2]))


def test_what_a_step_does_not_show_is_asked_for():
    with pytest.raises(InvalidArgument, match=r"exclude = 'cat': expected numbers of classes, or Smoother\.bind"):
        Smoother(Constant(0.1), Vector([1, 1]), exclude=["cat"])(LABELS[:2])
    with pytest.raises(InvalidArgument, match=r"exclude = \[0\]: expected logits, votes, or Smoother\.bind"):
        Smoother(Constant(0.1), Uniform(), exclude=[0])(LABELS[:2])


def test_it_is_opennmts_smoothing(vectors):
    """Their loss is the divergence from the target, ours less its entropy."""
    for case in vectors("opennmt_py_pre2.3")["cases"]:
        logits, labels = double(case["inputs"]["logits"], requires_grad=True), torch.tensor(case["inputs"]["target"])
        pad = case["params"]["ignore_index"]
        smoother = Smoother(Constant(case["params"]["label_smoothing"]), Exclusive(), exclude=[pad])
        target = smoother(labels, logits=logits)
        counted = (labels != pad).double()
        loss = soft_cross_entropy(logits, target, sample_weight=counted, reduction="none")
        loss = (loss - counted * target.entropy(logits.shape[1])).sum()
        loss.backward()
        assert_close(loss.detach(), double(case["loss"]), rtol=1e-7, atol=0)
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-7, atol=1e-12)


def test_one_class_beside_label_and_padding_where_opennmt_divides_by_zero():
    """With K = 2 their share of the others is epsilon / 0; here the label keeps what nobody else can take."""
    target = Smoother(Constant(0.1), Exclusive(), exclude=[0])(torch.tensor([1]), logits=torch.zeros(1, 2))
    assert target.dense(2).tolist() == [[0.0, 1.0]]


def test_espressos_unigram_prior_without_its_padding_column(vectors):
    """The original leaves mass on padding; without it the others have more, in proportion."""
    for case in vectors("espresso_unigram_temporal")["cases"]:
        if case["smoothing_type"] != "unigram":
            continue
        logits, labels = double(case["inputs"]["logits"], requires_grad=True), torch.tensor(case["inputs"]["target"])
        epsilon, pad, unigram = case["params"]["epsilon"], case["params"]["ignore_index"], case["inputs"]["unigram"]
        counted = (labels != pad).double()
        smoother = Smoother(Constant(epsilon), Vector(unigram))
        loss = soft_cross_entropy(logits, smoother(labels), sample_weight=counted, reduction="sum")
        loss.backward()
        assert_close(loss.detach(), double(case["loss"]), rtol=1e-7, atol=0)  # their frequencies are float32
        assert_close(logits.grad, double(case["grad_logits"]), rtol=1e-7, atol=1e-12)

        target = Smoother(Constant(epsilon), Vector(unigram), exclude=[pad])(labels, logits=logits).validate()
        ours, theirs = (
            target.dense(len(unigram))[counted > 0],
            smoother(labels, logits=logits).dense(len(unigram))[counted > 0],
        )
        assert (ours[:, pad] == 0).all()
        one_hot = torch.nn.functional.one_hot(labels, len(unigram)).double()[counted > 0]
        share = 1 - unigram[pad]
        assert_close((ours - (1 - epsilon) * one_hot)[:, 1:] * share, (theirs - (1 - epsilon) * one_hot)[:, 1:])


def test_any_prior_by_distance_too():
    target = Smoother(Constant(0.5), Sord(1.0), exclude=[0])(torch.tensor([1]), logits=torch.zeros(1, 3))
    weights = torch.tensor([1.0, math.exp(-1)])
    assert_close(target.dense(3)[0, 1:], 0.5 * torch.tensor([1.0, 0.0]) + 0.5 * weights / weights.sum())


def test_classes_that_the_data_never_have_get_no_mass_without_being_named():
    info = ClassInfo(["[PAD]", "a", "b", "c"], [0, 4, 2, 1], never=["[PAD]"])
    smoother = Smoother(Constant(0.3), Uniform(), exclude=["c"])
    for _ in range(2):  # bound again, it stays what it is
        smoother.bind(info)
        dense = smoother(torch.tensor([1, 2])).dense(4)
        assert_close(dense, torch.tensor([[0.0, 0.85, 0.15, 0.0], [0.0, 0.15, 0.85, 0.0]]))


@pytest.mark.parametrize("classes", [2048, 2049])
def test_exclusive_over_a_vocabulary_holds_a_vector(classes):
    labels = torch.tensor([0, 7, classes - 1, 7])
    names = [str(k) for k in range(classes)]
    smoother = Smoother(Constant(0.25), Exclusive(), exclude=[0, 3])
    smoother.bind(ClassInfo(names, [1] * classes))
    target = smoother(labels, logits=torch.zeros(4, classes, dtype=torch.float64))
    assert isinstance(target.prior, OtherClasses)
    expected = torch.full((4, classes), 0.25 / (classes - 3), dtype=torch.float64)
    expected[0] = 0.25 / (classes - 2)  # a label that is excluded itself
    expected[:, [0, 3]] = 0.0
    expected[range(4), labels] = 0.75
    assert_close(target.dense(classes), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", ["labels", "votes"])
@pytest.mark.parametrize("classes", [5, 128, 129, 2048, 2049])
def test_a_label_keeps_the_same_share_beside_masked_logits_whatever_the_number_of_classes(classes, form):
    """Those that are neither excluded nor masked share epsilon alike; where there is none, the label keeps it."""
    labels = torch.tensor([1, 2, classes - 1, 0, 2])
    logits = torch.randn(5, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    masked = torch.zeros(5, classes, dtype=torch.bool)
    masked[1:, 3:] = True
    masked[2, classes - 1] = masked[2, 3] = False
    masked[4, [0, 1]] = True
    logits[masked] = -math.inf
    one_hot = torch.nn.functional.one_hot(labels, classes).double()
    smoother = Smoother(Constant(0.2), Exclusive(), exclude=[0])
    target = smoother(labels if form == "labels" else one_hot, logits=logits).validate()
    expected = torch.zeros(5, classes, dtype=torch.float64)
    for row, label in enumerate(labels.tolist()):
        others = [k for k in range(1, classes) if k != label and not masked[row, k]]
        expected[row, others] = 0.2 / max(len(others), 1)
        expected[row, label] = 0.8 if others else 1.0
    assert_close(target.dense(classes, logits), expected, rtol=0, atol=1e-7)
    log_p = logits.log_softmax(-1)
    rows = -(expected * log_p).masked_fill(expected == 0, 0).sum(-1)
    gradient = (log_p.exp() - expected) / 5
    for implementation in ("auto", "reference"):
        leaf = logits.clone().requires_grad_()
        loss = soft_cross_entropy(leaf, target, implementation=implementation)
        loss.backward()
        assert_close(loss, rows.mean(), rtol=1e-6, atol=1e-7)
        assert_close(leaf.grad, gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("epsilon", [0.3, torch.linspace(0, 0.9, 6, dtype=torch.float64)])
@pytest.mark.parametrize("weights", [[1.0, 1, 0, 1, 1], [0.1, 2, 3, 0.5, 0], [0.0, 1, 0, 0, 0]])
def test_entropy_of_a_prior_on_other_classes(weights, epsilon):
    target = SoftTarget(LABELS, epsilon, OtherClasses(double(weights)))
    dense = target.dense(5)
    assert_close(dense.sum(-1), torch.ones(6, dtype=torch.float64))
    assert_close(target.entropy(5), torch.special.entr(dense).sum(-1))
