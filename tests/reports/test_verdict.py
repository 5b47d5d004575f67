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
    text = verdict(HELPS)
    assert (text.kind, text.hero, text.best, text.arm) == ("helps", "standard", "standard", "standard")
    assert text.smoothing.startswith("Smoothing helps: standard lowers the test NLL of no smoothing by 0.050 (95%")
    assert near(text.smoothing, text.difference, sign=-1)
    assert text.steps[0].says == "Use standard."
    assert text.steps[0].command == COMMANDS["standard"]


def test_smoothing_hurts():
    text = verdict(HURTS, candidate("gradual", 0.06))
    assert (text.kind, text.best, text.arm) == ("hurts", "none", "none")
    start = "Smoothing hurts: standard, the best of it by validation NLL, raises the test NLL of no smoothing by 0.050"
    assert text.smoothing.startswith(start)
    assert near(text.smoothing, text.difference)
    assert text.steps[0].says == "Keep no smoothing."
    assert text.steps[0].command == COMMANDS["none"]
    scaled = verdict(HURTS, scaled=change(-0.04))
    assert scaled.steps[0].says.endswith("scale its temperature, which lowers its test NLL by 0.040.")
    assert scaled.steps[0].command == ADVICE.scaled


def test_smoothing_makes_no_difference_larger_than_the_margin():
    text = verdict(ALIKE)
    assert (text.kind, text.arm, text.margin) == ("no_difference", "none", pytest.approx(0.01))
    assert text.equivalence.level == pytest.approx(0.9)
    sentence = text.smoothing
    assert sentence.startswith(
        "Smoothing makes no difference larger than 0.01 in test NLL (2% of that of no smoothing)"
    )
    assert numbers(sentence)[:4] == pytest.approx(
        [text.margin, text.equivalence.mean, text.equivalence.low, text.equivalence.high], abs=6e-4
    )
    assert "90% interval" in sentence
    assert verdict(ALIKE, margin=0.001).kind == "cannot_tell"
    assert verdict(candidate("standard", -0.002, error=0.0005)).kind == "no_difference"  # beyond noise, but small


def test_whether_smoothing_helps_cannot_be_told():
    text = verdict(OPEN)
    assert (text.kind, text.arm) == ("cannot_tell", None)
    assert near(text.smoothing, text.difference)
    assert numbers(text.smoothing)[3] == pytest.approx(text.detectable, abs=6e-4)
    assert text.detectable == pytest.approx((1.972 + 0.843) * 0.01, rel=0.01)
    (step,) = text.steps
    assert step.command == ADVICE.more
    assert step.says.startswith("To tell more, run more (about 4 min): then a difference shows from about 0.028 on")
    assert "needs about 6 times as many rows too" in step.says
    enough = verdict(OPEN, advice=Advice(more="smoothlab compare folds=5", seconds=30, rows=16)).steps[0].says
    assert enough == "To settle it, run more (about 30 s): then a difference shows from about 0.007 on."
    assert "more seeds or more rows" in verdict(OPEN, advice=Advice()).steps[0].says


def test_one_run_an_arm_cannot_tell():
    text = verdict(HELPS, design="one")
    assert (text.kind, text.arm) == ("cannot_tell", None)
    assert "from one run an arm" in text.smoothing
    assert math.isnan(text.detectable)
    lone = t_estimate(-0.05, [(math.nan, 0)], 0.95, "a difference")
    text = verdict(Candidate("standard", "smoothing", -0.05, lone, math.nan, lone))
    assert text.kind == "cannot_tell"
    assert "nan" not in " ".join(text.sentences)


def test_a_gain_that_costs_accuracy_says_so():
    text = verdict(candidate("standard", -0.05, accuracy=change(-0.04), aurc=change(0.001)))
    assert (text.kind, text.arm) == ("helps", "none")
    assert ", but its test accuracy is lower by 0.040 (95% interval 0.020 to 0.060)" in text.smoothing
    assert {check.name for check in text.checks if not check.passed} == {"accuracy"}
    only_aurc = verdict(candidate("standard", -0.05, aurc=change(0.04)))
    assert ", but its test AURC is higher by 0.040" in only_aurc.smoothing
    assert verdict(candidate("standard", -0.05, aurc=change(0.001))).smoothing.endswith(", and its AURC holds.")


def test_a_rival_that_beats_smoothing_is_what_to_use():
    rival = candidate("boosting", -0.12, role="rival")
    text = verdict(HELPS, rival, between=change(-0.07))
    assert (text.kind, text.hero, text.best, text.arm) == ("helps", "standard", "boosting", "boosting")
    assert (
        "boosting (rival) has the lowest validation NLL, and its test NLL is below that of standard by" in text.overall
    )
    assert near(text.overall, text.best_difference, sign=-1)
    assert text.steps[0].command == COMMANDS["boosting"]
    assert text.heroes == ("standard", "boosting")
    assert text.sentences[:2] == (text.overall, text.smoothing)  # who wins is said first
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
    text = verdict(candidate("gradual", -0.05), hero="gradual", baseline="standard", plain=False)
    assert text.smoothing.startswith("Other smoothing helps: gradual lowers the test NLL of standard by")
    text = verdict(candidate("none", 0.05, role="rival"), hero=None, baseline="standard", plain=False)
    assert text.smoothing == "Whether other smoothing helps is left open here: no arm smooths in another way."


@pytest.mark.parametrize("kind", EVERY)
def test_no_sentence_has_a_bare_none_a_negative_zero_or_a_double_negation(kind):
    answer_text = EVERY[kind]()
    texts = [*answer_text.sentences, *(check.says for check in answer_text.checks)]
    for text in texts:
        assert not re.search(r"\bnone\b", text, re.IGNORECASE), text
        assert not re.search(r"[-+]0\.0*(?![\d.])", text), text
        assert not re.search(r"\bnot\b[^.]*\b(not|no|nor|never)\b(?! smoothing)", text), text
        assert "nan" not in text
    json.dumps(plain_values(asdict(answer_text)), allow_nan=False)


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
