"""Auto: its rule by hand, its feedback loop on a model, its state, and the benchmark that judges it."""

from __future__ import annotations

import importlib.util
import io
import math
import re
from pathlib import Path

import pytest
import torch
from ranks import on_ranks

from smoothlab import InvalidArgument, Smoother, SoftTarget, soft_cross_entropy
from smoothlab.config.build import build
from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake
from smoothlab.smoothing import Auto, ClassInfo, Constant, Step, Uniform
from smoothlab.training.preparing import check_config

CHECKOUT = Path(__file__).resolve().parents[2]
INFO = ClassInfo(["cat", "dog", "elk"], [500, 300, 200])


def samples(count, beta, seed=0):
    """Logits of three classes, and labels that follow the softmax of beta times them."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 3, generator=generator) * 2
    return logits, torch.multinomial(torch.softmax(beta * logits, 1), 1, generator=generator)[:, 0]


def validated(strength: Auto, logits, labels, batch: int = 1000) -> Auto:
    for part, its in zip(logits.split(batch), labels.split(batch), strict=True):
        strength.validate(part, its)
    strength.end_validation()
    return strength


def from_zero(**options: float) -> Auto:
    return Auto(start=0.0, **options)


def epsilon_of(strength: Auto) -> float:
    return strength(Step(torch.tensor([0, 1])))


# The rule -------------------------------------------------------------------------------------------------------------


def test_it_starts_where_it_is_told_and_says_nothing_of_a_temperature():
    assert epsilon_of(Auto()) == 0.3
    assert epsilon_of(Auto(start=0.2, limit=0.05)) == 0.05
    assert Auto().record() == {}


def test_an_over_confident_model_is_smoothed_by_the_formula():
    strength = validated(from_zero(), *samples(200_000, 0.6))
    log_beta = math.log(strength.record()["inverse_temperature"])
    assert log_beta == pytest.approx(math.log(0.6), abs=0.02)
    once = 0.02 * math.exp(-1.5 * log_beta) - 0.02  # the standard error is next to nothing
    assert epsilon_of(strength) == pytest.approx(once, rel=2e-3)
    validated(strength, *samples(200_000, 0.6))
    assert epsilon_of(strength) == pytest.approx((once + 0.02) * math.exp(-1.5 * log_beta) - 0.02, rel=2e-3)


def test_an_under_confident_model_is_smoothed_less_and_never_below_zero():
    strength = from_zero()
    for _ in range(12):
        validated(strength, *samples(5000, 0.5))
    assert epsilon_of(strength) == 0.5
    before = 0.5
    for _ in range(12):
        validated(strength, *samples(5000, 2.0))
        assert epsilon_of(strength) < before or before == 0.0
        before = epsilon_of(strength)
    assert epsilon_of(strength) == 0.0
    assert strength.record()["inverse_temperature"] == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("error", [0.0, 0.1, 0.5, 3.0, math.inf])
def test_an_uncertain_temperature_moves_it_less(error):
    t = -0.8 / (1 + (error / 0.5) ** 2)
    assert from_zero().moved(0.1, -0.8, error, 1.0) == pytest.approx((0.1 + 0.02) * math.exp(-1.5 * t) - 0.02)


def test_the_limit_holds():
    strength = from_zero(limit=0.05)
    for _ in range(12):
        validated(strength, *samples(5000, 0.4))
    assert epsilon_of(strength) == 0.05


def after_an_epoch(rows: int) -> float:
    """Epsilon, which starts at 0, after one epoch of an over-confident model on so many training samples."""
    smoother = Smoother(from_zero(), Uniform())
    smoother.bind(ClassInfo(["a", "b"], [rows - rows // 2, rows // 2], rows))
    smoother(torch.zeros(rows, dtype=torch.int64))
    return epsilon_of(validated(smoother.strength, *samples(50_000, 0.6), batch=50_000))


def test_a_short_epoch_moves_it_by_its_share_of_640_samples():
    """Two steps of a batch do not show yet what epsilon does: a rule that moved on would swing between its ends."""
    whole = after_an_epoch(640)
    assert after_an_epoch(5000) == pytest.approx(whole)
    for rows in (96, 320):
        assert after_an_epoch(rows) == pytest.approx(0.02 * (whole / 0.02 + 1) ** (rows / 640) - 0.02)


@pytest.mark.parametrize("every", [0.25, 0.5, 1.0, 2.0])
def test_epsilon_moves_with_the_training_however_often_it_is_validated(every):
    """1,000 training samples are an epoch, and four epochs are trained."""
    smoother = Smoother(from_zero(), Uniform())
    smoother.bind(INFO)
    logits, labels = samples(50_000, 0.6)
    for _ in range(round(4 / every)):
        for _ in range(round(4 * every)):
            smoother(torch.zeros(250, dtype=torch.int64))
        validated(smoother.strength, logits, labels, batch=50_000)
    assert epsilon_of(smoother.strength) == pytest.approx(0.02 * 0.6 ** (-4 * 1.5) - 0.02, rel=0.1)


def test_validation_without_training_between_moves_nothing():
    smoother = Smoother(from_zero(), Uniform())
    smoother.bind(INFO)
    validated(smoother.strength, *samples(1000, 0.5))
    assert epsilon_of(smoother.strength) == 0.0


def test_a_rare_validation_does_not_lead_too_far():
    smoother = Smoother(from_zero(), Uniform())
    smoother.bind(INFO)
    for _ in range(50):
        smoother(torch.zeros(1000, dtype=torch.int64))
    validated(smoother.strength, *samples(50_000, 0.6))
    assert epsilon_of(smoother.strength) == pytest.approx(0.02 * 0.6 ** (-2 * 1.5) - 0.02, rel=0.1)


def test_vote_labels_count_as_one_each():
    smoother = Smoother(from_zero(), Uniform())
    smoother.bind(INFO)
    smoother(torch.eye(3)[torch.zeros(1000, dtype=torch.int64)])
    logits, labels = samples(50_000, 0.6)
    votes = validated(smoother.strength, logits, torch.eye(3)[labels])
    assert epsilon_of(votes) == pytest.approx(epsilon_of(validated(from_zero(), logits, labels)), rel=1e-5)


def test_a_validation_without_labels_is_an_error():
    strength = from_zero()
    with pytest.raises(InvalidArgument, match="validation = 'no sample with a label'"):
        validated(strength, torch.randn(3, 3), torch.full((3,), -100))
    with pytest.raises(InvalidArgument, match="validation = 'no sample with a label'"):
        from_zero().end_validation()


@pytest.mark.parametrize(
    "arguments", [{"start": 1.0}, {"rate": 0.0}, {"rate": math.nan}, {"limit": 1.0}, {"limit": -0.1}]
)
def test_arguments_outside_their_range_are_refused(arguments):
    with pytest.raises(InvalidArgument):
        Auto(**arguments)


def test_the_options_defaults_are_the_librarys():
    built = build(plain(compose_config("train", ["smoothing=auto"]))["smoothing"], "smoothing")
    assert repr(built.strength) == repr(Auto()) == "Auto(start=0.3, rate=1.5, limit=0.5)"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.limit_val_batches=0", "trainer.limit_val_batches = 0: smoothing learns from validation (Auto)"),
        (
            "trainer.check_val_every_n_epoch=200",
            "trainer.check_val_every_n_epoch = 200: more than trainer.max_epochs = 100, and smoothing learns from "
            "validation (Auto)",
        ),
    ],
)
def test_a_run_without_validation_is_refused(override, message):
    with pytest.raises(UserMistake) as error:
        check_config(plain(compose_config("train", ["smoothing=auto", "callbacks=none", override])))
    assert str(error.value) == message


def test_the_pages_python_runs():
    page = (CHECKOUT / "docs" / "auto.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    torch.manual_seed(0)
    exec(compile(block, "docs/auto.md", "exec"), {})


# The loop -------------------------------------------------------------------------------------------------------------


def test_it_brings_an_overfitting_model_to_where_it_needs_no_temperature():
    """150 samples of 60 features, which a linear model separates: without smoothing beta falls without end."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2150, 60, generator=generator)
    y = ((x[:, 0] + 0.3 * torch.randn(2150, generator=generator)) > 0).long()

    def trained(strength):
        torch.manual_seed(0)
        net, smoother = torch.nn.Linear(60, 2), Smoother(strength, Uniform())
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        for _ in range(60):
            for _ in range(5):
                optimizer.zero_grad()
                soft_cross_entropy(net(x[:150]), smoother(y[:150])).backward()
                optimizer.step()
            smoother.strength.validate(net(x[150:]).detach(), y[150:])
            smoother.strength.end_validation()
        return smoother.strength

    free = trained(from_zero(limit=0.0))
    held = trained(from_zero())
    assert free.record()["inverse_temperature"] < 0.5
    assert held.record()["inverse_temperature"] == pytest.approx(1.0, abs=0.05)
    assert 0.1 < epsilon_of(held) < 0.4
    from_above = trained(Auto())
    assert from_above.record()["inverse_temperature"] == pytest.approx(1.0, abs=0.05)


# State ----------------------------------------------------------------------------------------------------------------


def test_a_resumed_loop_goes_on_exactly():
    logits, labels = samples(500, 0.6)
    whole = Smoother(validated(from_zero(), logits, labels), Uniform())
    whole.bind(INFO)
    whole(torch.zeros(70, dtype=torch.int64))
    whole.strength.validate(logits[:100], labels[:100])  # in the middle of a validation
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = Smoother(from_zero(), Uniform())
    resumed.bind(INFO)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert epsilon_of(resumed.strength) == epsilon_of(whole.strength) > 0
    for smoother in (whole, resumed):
        validated(smoother.strength, logits[100:], labels[100:])
    assert epsilon_of(resumed.strength) == epsilon_of(whole.strength)
    assert resumed.strength.record() == whole.strength.record()


def test_nothing_but_validation_changes_it():
    smoother = Smoother(validated(from_zero(), *samples(500, 0.6)), Uniform())
    before = epsilon_of(smoother.strength)
    smoother(torch.zeros(70, dtype=torch.int64), logits=torch.randn(70, 3))
    smoother.strength.end_epoch()
    smoother.eval()
    state = {name: value.clone() for name, value in smoother.strength.validated.items()}
    smoother(torch.zeros(70, dtype=torch.int64))
    assert all(torch.equal(state[name], value) for name, value in smoother.strength.validated.items())
    assert epsilon_of(smoother.strength) == before


def test_its_state_has_the_same_size_for_every_validation():
    first, other = from_zero(), from_zero()
    first.validate(*samples(5, 1.0))
    other.validate(torch.randn(1000, 50), torch.zeros(1000, dtype=torch.int64))
    shapes = [{name: value.shape for name, value in each.validated.items()} for each in (first, other, from_zero())]
    assert shapes[0] == shapes[1] == shapes[2]


def one_rank(rank: int) -> list[float]:
    logits, labels = samples(90, 0.6)
    part = [slice(0, 20), slice(20, 90)][rank]
    smoother = Smoother(from_zero(), Uniform())
    smoother.bind(INFO)
    smoother(torch.zeros([300, 700][rank], dtype=torch.int64))
    strength = validated(smoother.strength, logits[part], labels[part])
    return [epsilon_of(strength), strength.record()["inverse_temperature"]]


def test_two_ranks_move_as_one_process_does():
    smoother = Smoother(from_zero(), Uniform())
    smoother.bind(INFO)
    smoother(torch.zeros(1000, dtype=torch.int64))
    strength = validated(smoother.strength, *samples(90, 0.6))
    first, second = on_ranks(one_rank)
    expected = [epsilon_of(strength), strength.record()["inverse_temperature"]]
    assert first == second == pytest.approx(expected, rel=1e-4)
    assert expected[0] > 0


# The benchmark --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("auto_benchmark", CHECKOUT / "benchmarks" / "auto.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_arms_trained_as_a_stack_are_those_trained_alone(benchmark):
    """Against the loss, optimizer and smoother of an ordinary loop; auto among them."""
    generator = torch.Generator().manual_seed(0)
    parts = []
    for count in (150, 60, 40):
        x = torch.randn(count, 6, generator=generator)
        parts.append((x, (x[:, 0] + torch.randn(count, generator=generator) > 0).long()))
    (x, y), (val_x, val_y), (test_x, test_y) = parts
    makers = [lambda: Constant(0.0), lambda: Constant(0.4), Auto]
    stacked = benchmark.train(parts, [make() for make in makers], seed=3, epochs=30)
    for arm, make in enumerate(makers):
        net, draw = benchmark.make_net(6, 2, seed=3), benchmark.batches(len(y), seed=3)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
        smoother = Smoother(make(), Uniform())
        smoother.bind(ClassInfo(["0", "1"], torch.bincount(y).tolist(), len(y)))
        for epoch in range(30):
            for rows in draw():
                target = smoother(y[rows])
                optimizer.zero_grad()
                soft_cross_entropy(net(x[rows]), SoftTarget(y[rows], target.epsilon)).backward()
                optimizer.step()
            with torch.no_grad():
                for split, features, labels in (("val", val_x, val_y), ("test", test_x, test_y)):
                    loss = torch.nn.functional.cross_entropy(net(features), labels).item()
                    assert stacked[split][arm][epoch] == pytest.approx(loss, abs=2e-5)
                if isinstance(smoother.strength, Auto):
                    validated(smoother.strength, net(val_x), val_y)
    assert stacked["epsilon"][2][-1] > 0.01


def test_early_stopping_keeps_the_best_epoch_before_twenty_without_a_better_one(benchmark):
    assert benchmark.stop([3.0, 2.0, 2.5, 1.0, *[1.5] * 19, 0.5]) == 3 + 20
    assert benchmark.stop([3.0, 2.0, 2.5, 1.0, *[1.5] * 20, 0.5]) == 3
    assert benchmark.stop([3.0, 2.0, 1.0]) == 2
