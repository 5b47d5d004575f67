"""The four verdicts: which one holds, and sentences whose numbers are those of the data beside them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict

import pytest
from made_verdicts import ADVICE, ALIKE, COMMANDS, EVERY, HELPS, HURTS, OPEN, candidate, change, numbers, verdict

from smoothlab.reports.comparison import plain_values
from smoothlab.reports.rounding import decimals, duration, signed, unsigned
from smoothlab.reports.verdict import Advice, Candidate
from smoothlab.statistics.estimate import t_estimate


def near(text, interval, *, sign=1):
    """The sentence has the difference and the ends of its interval, as many digits as it shows."""
    ends = sorted((sign * interval.low, sign * interval.high))
    return numbers(text)[:3] == pytest.approx([sign * interval.mean, *ends], abs=0.00051)


def test_smoothing_helps():
    told = verdict(HELPS)
    assert (told.kind, told.hero, told.best, told.arm) == ("helps", "standard", "standard", "standard")
    assert told.smoothing.startswith("Smoothing helps: standard lowers the test NLL of no smoothing by 0.050 (95%")
    assert near(told.smoothing, told.difference, sign=-1)
    assert told.steps[0].says == "Use standard."
    assert told.steps[0].command == COMMANDS["standard"]


def test_smoothing_hurts():
    told = verdict(HURTS, candidate("gradual", 0.06))
    assert (told.kind, told.best, told.arm) == ("hurts", "none", "none")
    start = "Smoothing hurts: standard, the best of it by validation NLL, raises the test NLL of no smoothing by 0.050"
    assert told.smoothing.startswith(start)
    assert near(told.smoothing, told.difference)
    assert told.steps[0].says == "Keep no smoothing."
    assert told.steps[0].command == COMMANDS["none"]
    scaled = verdict(HURTS, scaled=change(-0.04))
    assert scaled.steps[0].says.endswith("scale its temperature, which lowers its test NLL by 0.040.")
    assert scaled.steps[0].command == ADVICE.scaled


def test_smoothing_makes_no_difference_larger_than_the_margin():
    told = verdict(ALIKE)
    assert (told.kind, told.arm, told.margin) == ("no_difference", "none", pytest.approx(0.01))
    assert told.equivalence.level == pytest.approx(0.9)
    sentence = told.smoothing
    assert sentence.startswith(
        "Smoothing makes no difference larger than 0.01 in test NLL (2% of that of no smoothing)"
    )
    assert numbers(sentence)[:4] == pytest.approx(
        [told.margin, told.equivalence.mean, told.equivalence.low, told.equivalence.high], abs=6e-4
    )
    assert "90% interval" in sentence
    assert verdict(ALIKE, margin=0.001).kind == "cannot_tell"
    assert verdict(candidate("standard", -0.002, error=0.0005)).kind == "no_difference"  # beyond noise, but small


def test_whether_smoothing_helps_cannot_be_told():
    told = verdict(OPEN)
    assert (told.kind, told.arm) == ("cannot_tell", None)
    assert near(told.smoothing, told.difference)
    assert numbers(told.smoothing)[3] == pytest.approx(told.detectable, abs=6e-4)
    assert told.detectable == pytest.approx((1.972 + 0.843) * 0.01, rel=0.01)
    (step,) = told.steps
    assert step.command == ADVICE.more
    assert step.says.startswith("To tell more, run more (about 4 min): then a difference shows from about 0.028 on")
    assert "needs about 6 times as many rows too" in step.says
    enough = verdict(OPEN, advice=Advice(more="smoothlab compare folds=5", seconds=30, rows=16)).steps[0].says
    assert enough == "To settle it, run more (about 30 s): then a difference shows from about 0.007 on."
    assert "more seeds or more rows" in verdict(OPEN, advice=Advice()).steps[0].says


def test_one_run_an_arm_cannot_tell():
    told = verdict(HELPS, design="one")
    assert (told.kind, told.arm) == ("cannot_tell", None)
    assert "from one run an arm" in told.smoothing
    assert math.isnan(told.detectable)
    lone = t_estimate(-0.05, [(math.nan, 0)], 0.95, "a difference")
    told = verdict(Candidate("standard", "smoothing", -0.05, lone, math.nan, lone))
    assert told.kind == "cannot_tell"
    assert "nan" not in " ".join(told.sentences)


def test_a_gain_that_costs_accuracy_says_so():
    told = verdict(candidate("standard", -0.05, accuracy=change(-0.04), aurc=change(0.001)))
    assert (told.kind, told.arm) == ("helps", "none")
    assert ", but its test accuracy is lower by 0.040 (95% interval 0.020 to 0.060)" in told.smoothing
    assert {check.name for check in told.checks if not check.passed} == {"accuracy"}
    only_aurc = verdict(candidate("standard", -0.05, aurc=change(0.04)))
    assert ", but its test AURC is higher by 0.040" in only_aurc.smoothing
    assert verdict(candidate("standard", -0.05, aurc=change(0.001))).smoothing.endswith(", and its AURC holds.")


def test_a_rival_that_beats_smoothing_is_what_to_use():
    rival = candidate("boosting", -0.12, role="rival")
    told = verdict(HELPS, rival, between=change(-0.07))
    assert (told.kind, told.hero, told.best, told.arm) == ("helps", "standard", "boosting", "boosting")
    assert (
        "boosting (rival) has the lowest validation NLL, and its test NLL is below that of standard by" in told.overall
    )
    assert near(told.overall, told.best_difference, sign=-1)
    assert told.steps[0].command == COMMANDS["boosting"]
    assert told.heroes == ("standard", "boosting")
    assert told.sentences[:2] == (told.overall, told.smoothing)  # who wins is said first
    within = verdict(HELPS, rival, between=change(-0.01))
    assert within.arm == "standard"
    assert within.overall.endswith("within noise.")
    assert within.sentences[:2] == (within.smoothing, within.overall)
    unsure = verdict(OPEN, rival, between=change(-0.1))
    assert [step.command for step in unsure.steps] == [COMMANDS["boosting"], ADVICE.more]


def test_the_scaled_baseline_is_a_rival_of_the_second_sentence():
    lower = verdict(candidate("standard", -0.05, to_scaled=change(-0.04)))
    assert "does not do as well: its test NLL is 0.040 higher." in lower.overall
    as_good = verdict(candidate("standard", -0.05, to_scaled=change(-0.004)))
    assert "does as well, without training anew: its test NLL is 0.004 higher, within noise." in as_good.overall
    better = verdict(candidate("standard", -0.05, to_scaled=change(0.004)))
    assert "without training anew: its test NLL is 0.004 lower." in better.overall


def test_a_baseline_that_smooths_is_called_by_its_name():
    told = verdict(candidate("gradual", -0.05), hero="gradual", baseline="standard", plain=False)
    assert told.smoothing.startswith("Other smoothing helps: gradual lowers the test NLL of standard by")
    told = verdict(candidate("none", 0.05, role="rival"), hero=None, baseline="standard", plain=False)
    assert told.smoothing == "Whether other smoothing helps is left open here: no arm smooths in another way."


@pytest.mark.parametrize("kind", EVERY)
def test_no_sentence_has_a_bare_none_a_negative_zero_or_a_double_negation(kind):
    told = EVERY[kind]()
    texts = [*told.sentences, *(check.says for check in told.checks)]
    for text in texts:
        assert not re.search(r"\bnone\b", text, re.IGNORECASE), text
        assert not re.search(r"[-+]0\.0*(?![\d.])", text), text
        assert not re.search(r"\bnot\b[^.]*\b(not|no|nor|never)\b(?! smoothing)", text), text
        assert "nan" not in text
    json.dumps(plain_values(asdict(told)), allow_nan=False)


def test_numbers_have_the_digits_of_their_error():
    assert [decimals(error) for error in (0.0231, 0.23, 2.3, 23.0, 0.0, math.nan, 1e-12)] == [3, 2, 1, 0, 3, 3, 6]
    assert signed(-0.00004, 0.01) == "0.000"
    assert signed(0.0241, 0.0231) == "+0.024"
    assert signed(-0.0241, 0.231) == "-0.02"
    assert unsigned(-0.0241, 0.00231) == "0.0241"
    assert [duration(seconds) for seconds in (0.2, 42, 89, 95, 600, 9000)] == [
        "about 1 s",
        "about 42 s",
        "about 89 s",
        "about 2 min",
        "about 10 min",
        "about 2 h",
    ]
