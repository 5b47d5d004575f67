"""A target is judged by what it resolves to, and its arguments are checked before anything is called."""

from collections.abc import Mapping
from typing import Any, Literal

import pytest
import torch

from smoothlab.config.allowed import ALLOWED, add_code, check_targets, code_fingerprint, describe, fits, resolve_target
from smoothlab.config.build import build
from smoothlab.errors import UserMistake

AROUND = [
    "torch.nn.utils.rnn.bind",
    "torch.nn.utils._deprecation_utils.lazy_deprecated_import",
    "torch.nn.attention._fa3.register_flash_attention_fa3",
    "torch.nn.functional.relu",
    "pytorch_lightning.seed_everything",
    "smoothlab.rundir.provenance.provenance",
    "smoothlab.rundir.atomic.write_text",
    "smoothlab.tasks.ClassificationTask.configure_optimizers",
    "torch.nn.functional.torch.load",
    "torch.nn.functional.torch.hub.load_state_dict_from_url",
    "pytorch_lightning.trainer.trainer.os.path.expanduser",
]


@pytest.mark.parametrize("target", AROUND)
def test_a_name_that_leads_out_of_an_allowed_package_is_refused(target):
    with pytest.raises(UserMistake, match="not allowed"):
        resolve_target(target, ALLOWED)


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "torch.load", "torchx.nn.Linear", "smoothlabx.Y"])
def test_other_packages_are_refused_without_an_import(target):
    with pytest.raises(UserMistake, match="not allowed"):
        resolve_target(target, ALLOWED)


def test_classes_and_functions_of_allowed_packages_are_found():
    assert resolve_target("torch.optim.AdamW", ALLOWED) is torch.optim.AdamW
    assert resolve_target("torch.nn.Linear", ALLOWED) is torch.nn.Linear
    assert resolve_target("smoothlab.tasks.cosine", ALLOWED).__name__ == "cosine"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("torch.optim.AdamWW", "torch.optim has no 'AdamWW'; nearest: torch.optim.AdamW"),
        ("torch.nn.", "expected a dotted name"),
        ("smoothlab.nets.Nowhere", "smoothlab.nets has no 'Nowhere'"),
    ],
)
def test_a_target_that_is_not_there_is_explained(target, message):
    with pytest.raises(UserMistake, match=message):
        resolve_target(target, ALLOWED)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            {"_target_": "torch.optim.SGD", "_partial_": True, "lrr": 1},
            "optimizer.lrr: .* no argument 'lrr'; nearest: lr",
        ),
        ({"_target_": "torch.optim.SGD", "lr": "abc"}, "optimizer.lr = 'abc': expected a number"),
        (
            {"_target_": "smoothlab.smoothing.Constant", "epsilon": "abc"},
            "optimizer.epsilon = 'abc': expected",
        ),
        ({"_target_": "torch.optim.SGD", "_args_": [1]}, "no argument '_args_'"),
    ],
)
def test_arguments_are_checked_by_name_and_type(node, message):
    with pytest.raises(UserMistake, match=message):
        check_targets({"optimizer": node}, ALLOWED)


def test_what_the_called_class_refuses_names_the_key():
    make = build({"_target_": "torch.optim.SGD", "_partial_": True, "lr": -1.0}, "optimizer")
    with pytest.raises(UserMistake, match=r"optimizer: Invalid learning rate: -1.0"):
        make([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(UserMistake, match=r"smoothing.strength.epsilon = 1.2: expected a number in \[0, 1\)"):
        build({"strength": {"_target_": "smoothlab.smoothing.Constant", "epsilon": 1.2}}, "smoothing")


@pytest.mark.parametrize(
    ("value", "hint", "right"),
    [
        (1, float, True),
        (True, int, False),
        (None, int | None, True),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        ([1, 2], list[int], True),
        ([1, "x"], list[int], False),
        ("x", str | int, True),
        (3, torch.Tensor, True),
        ({"a": 1}, dict[str, int], True),
        ({"a": 1}, str | dict[str, int] | None, True),
        (3, str | dict[str, int] | None, False),
        (3, dict[str, int], False),
    ],
)
def test_types_of_plain_values(value, hint, right):
    assert fits(value, hint) is right


def test_own_code_is_allowed_by_its_module_name(tmp_path):
    (tmp_path / "own_net_for_test.py").write_text("import torch\n\n\nclass Net(torch.nn.Linear):\n    pass\n")
    prefixes = add_code(str(tmp_path / "own_net_for_test.py"))
    assert prefixes == ("own_net_for_test",)
    net = build(
        {"_target_": "own_net_for_test.Net", "in_features": 3, "out_features": 2},
        "net",
        allowed=(*ALLOWED, *prefixes),
    )
    assert isinstance(net, torch.nn.Linear)
    with pytest.raises(UserMistake, match="not allowed"):
        resolve_target("own_net_for_test.torch.load", (*ALLOWED, *prefixes))
    with pytest.raises(UserMistake, match="code = "):
        add_code(str(tmp_path / "nothing.py"))


def test_another_file_of_the_same_name_is_the_one_that_is_used(tmp_path):
    for folder, width in (("a", 2), ("b", 3)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "twice_for_test.py").write_text(f"class Net:\n    width = {width}\n")
        prefixes = add_code(str(tmp_path / folder / "twice_for_test.py"))
        assert resolve_target("twice_for_test.Net", prefixes).width == width
    (tmp_path / "b" / "twice_for_test.py").write_text("class Net:\n    width = 44\n")  # edited in a notebook
    prefixes = add_code(str(tmp_path / "b" / "twice_for_test.py"))
    assert resolve_target("twice_for_test.Net", prefixes).width == 44


def test_code_with_a_mistake_is_named_in_one_line(tmp_path):
    (tmp_path / "broken_for_test.py").write_text("def broken(:\n")
    prefixes = add_code(str(tmp_path / "broken_for_test.py"))
    with pytest.raises(UserMistake, match=r"importing it failed \(SyntaxError"):
        resolve_target("broken_for_test.Net", prefixes)


def test_the_fingerprint_of_code_follows_its_content(tmp_path):
    file = tmp_path / "own.py"
    file.write_text("a = 1\n")
    fingerprint = code_fingerprint(str(file))
    file.write_text("a = 2\n")
    assert code_fingerprint(str(file)) != fingerprint
    assert code_fingerprint(str(tmp_path)) == code_fingerprint(str(file))
    assert code_fingerprint(None) == ""


def test_a_mapping_is_called_a_mapping_whatever_its_type_says():
    assert describe(dict[str, Any]) == describe(Mapping[str, Any]) == "a mapping"
