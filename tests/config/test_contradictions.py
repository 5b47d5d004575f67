"""A run is what the names of its options say: keys that contradict them are refused."""

import pytest

from smoothlab.config.compose import compose_config, expand_sweep, plain
from smoothlab.config.repeated import compose_jobs
from smoothlab.errors import UserMistake

NO_SMOOTHING = "smoothing=none leaves the labels as they are; leave it out, or take"


def resolved(*words):
    return plain(compose_config("train", words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["smoothing=none", "smoothing.strength.epsilon=0.3"],
            r"^smoothing\.strength\.epsilon = 0\.3: " + NO_SMOOTHING,
        ),
        (["smoothing=none", "smoothing/strength=cosine"], "^smoothing/strength = cosine: " + NO_SMOOTHING),
        (["smoothing=none", "+smoothing.strength.start=1"], r"^smoothing\.strength\.start = 1: " + NO_SMOOTHING),
        (["mixing=none", "+mixing.alpha=1"], r"^mixing\.alpha = 1: mixing=none has no object that takes it"),
        (["+loss.gamma=2"], r"^loss\.gamma = 2: loss=cross_entropy has no object"),
        (["calibrator=none", "+calibrator.epsilon=1"], r"^calibrator\.epsilon = 1: calibrator=none has no"),
        (["decision=none", "+decision.costs=1"], r"^decision\.costs = 1: decision=none has no"),
        (["model=net", "+model.patience=3"], r"^model\.patience = 3: model=net has no"),
        (["scheduler=none", "+scheduler.warmup=0.1"], r"^scheduler\.warmup = 0\.1: scheduler=none has no"),
        (["penalty=none", "+penalty.own.weight=2"], r"^penalty\.own\.weight = 2: penalty\.own has no object"),
        (["callbacks=none", "+callbacks.early_stopping.patience=3"], r"^callbacks\.early_stopping\.patience = 3: "),
    ],
)
def test_keys_that_contradict_the_option_of_their_group_are_refused(words, message):
    with pytest.raises(UserMistake, match=message) as raised:
        resolved(*words)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "words",
    [
        ["smoothing=none", "smoothing.strength.epsilon=0"],
        ["smoothing=none", "smoothing/prior=exclusive"],
        ["smoothing=none", "smoothing/strength=none"],
        ["+mixing._target_=smoothlab.losses.Mixup", "+mixing.alpha=1"],
        ["callbacks.early_stopping=null"],
    ],
)
def test_what_contradicts_nothing_stays(words):
    assert resolved(*words)["smoothing"]


def test_one_of_many_configs_is_refused_as_it_would_be_alone():
    with pytest.raises(UserMistake, match=r"epsilon = 0\.3: " + NO_SMOOTHING):
        compose_jobs("train", [["smoothing=none", f"smoothing.strength.epsilon={each}"] for each in ("0.0", "0.3")])


def test_a_grid_trains_without_smoothing_once():
    words = ["smoothing=none,standard", "smoothing.strength.epsilon=0.1,0.2", "seed=0,1"]
    jobs = expand_sweep(words)
    assert [job for job in jobs if "smoothing=none" in job] == [["smoothing=none", f"seed={seed}"] for seed in (0, 1)]
    assert len(jobs) == 6
    assert len(compose_jobs("train", jobs)) == 6
