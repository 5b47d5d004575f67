"""Steps that are compiled: the sums of those that are not, and a line where nothing can compile."""

from __future__ import annotations

import pytest
from torch.testing import assert_close

from smoothlab.config.compose import compose_config, plain
from smoothlab.errors import UserMistake
from smoothlab.tasks.compiled import CompiledTerms
from smoothlab.training import compiling
from smoothlab.training.preparing import check_config, prepare

WORDS = [
    ("smoothing=gradual", "loss=focal"),
    ("smoothing=online",),  # looks at logits
]


def sums(task, batch, give):
    task.zero_grad()
    target, loss, penalties = give(batch)
    sum(penalties.values(), loss).backward()
    return target.epsilon, loss.detach(), penalties, [weights.grad.clone() for weights in task.net.parameters()]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_the_sums_are_those_of_the_step_as_it_is(words):
    prepared = prepare(plain(compose_config("train", ["logger=none", "net.dropout=0", *words])))
    task, rows = prepared.task.train(), prepared.data.split("train")
    compiled = CompiledTerms(task, backend="eager")
    for part in (slice(0, 32), slice(32, 64), slice(64, 70)):
        first = sums(task, rows.take(part), compiled)
        second = sums(task, rows.take(part), task.terms)
        assert_close(first, second, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compile=steps"], "compile = 'steps': expected false, true (the net) or step"),
        (["compile=step", "trainer=ddp_cpu"], "compile = step: is of one device"),
        (["compile=step"], "compile = step: torch compiles by the C++ compiler no-such-compiler, which is not found"),
        (["compile=true"], "compile = true: torch compiles by the C++ compiler no-such-compiler"),
    ],
)
def test_where_nothing_compiles_a_line_says_so(words, says, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    compiling._problem.cache_clear()
    with pytest.raises(UserMistake) as caught:
        check_config(plain(compose_config("train", ["logger=none", *words])))
    compiling._problem.cache_clear()
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_step_is_compiled_where_the_config_says_so():
    prepared = prepare(plain(compose_config("train", ["logger=none"])))
    compiling.compile_in_place(prepared.task, "step")
    assert isinstance(prepared.task.compiled, CompiledTerms)
    assert not any(key.startswith("compiled") for key in prepared.task.state_dict())
