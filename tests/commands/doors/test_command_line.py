"""What a command line may name in Hydra's own node, where it may write, and how its mistakes are explained."""

from pathlib import Path

import pytest
from run_directories import SHORT

from smoothlab.config.compose import _grammar, compose_config, plain
from smoothlab.errors import UserMistake


def refused(cli, *words: str) -> str:
    code, out, err = cli("train", *words)
    assert (code, out) == (2, ""), err
    assert len(err.strip().splitlines()) == 1, err
    assert not list(Path().iterdir())
    return err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("+hydra.callbacks.x._target_=os.system", "not allowed; a target is a class of hydra.experimental.callbacks"),
        ("+hydra.callbacks.x._target_=sympy.sympify", "not allowed"),
        ("+hydra.callbacks.x._target_=hydra.experimental.callbacks.pickle.loads", "not allowed"),
        ("+hydra.callbacks.x=3", "expected a mapping with _target_"),
        ("+hydra.anything._target_=os.system", "not allowed; classes stand in hydra.launcher"),
    ],
)
@pytest.mark.parametrize("many", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_classes_in_hydras_node_are_hydras_plugins(cli, word, message, many):
    assert message in refused(cli, word, *many)


def test_a_class_inside_a_plugins_settings(cli):
    assert "not allowed" in refused(cli, "-m", "seed=0,1", "+hydra.sweeper.sampler={_target_:os.system}")


@pytest.mark.parametrize("key", ["launcher", "sweeper"])
@pytest.mark.parametrize("target", ["os.system", "nowhere.X", "3", "hydra._internal.utils._locate"])
def test_a_launcher_or_sweeper_that_is_none(cli, key, target):
    assert f"hydra.{key}._target_" in refused(cli, "-m", "seed=0,1", f"hydra.{key}._target_={target}")


@pytest.mark.parametrize("word", ["--experimental-rerun=x.pickle", "--config-path=/tmp", "-cn=x", "--config-name=x"])
def test_other_options_of_hydra_stay_shut(cli, word):
    assert "no such option" in refused(cli, word)
    assert "no such option" in refused(cli, "--cfg", "job", word)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("loss=[null]", "loss = null: no such option"),
        ("net=[a,null]", "net = a: no such option"),
        ("net=[mlp,null]", "net = null: no such option"),
        ("trainer=[1]", "trainer = 1: no such option"),
        ("code=0", "code = 0: expected a Python file"),
        ("code=[]", "code = []: expected a Python file"),
        ("code=${nowhere}", "Interpolation key 'nowhere' not found"),
        ("hydra.searchpath=[3]", "hydra.searchpath must be a list of strings"),
        ("hydra.searchpath=[file:///nowhere]", "/nowhere is not available"),
        ("hydra.job.env_copy=[NOWHERE_AT_ALL]", "'NOWHERE_AT_ALL' is not there"),
        ("hydra.job=3", "Error merging override hydra.job=3 (Invalid type assigned"),
        ("hydra.mode=MULTIRUN", "hydra.mode: -m chooses it"),
        ("optimizer.amsgrad=true", "optimizer.amsgrad: not in the config so far; +optimizer.amsgrad=true adds it"),
        ("optimizer.amsgradd=true", "optimizer.amsgradd: no such key"),
        ("data.target=größe", "type \"data.target='größe'\""),
        ("data.target=a=b", "type \"data.target='a=b'\""),
        ("data.target=a[b", "type \"data.target='a[b'\""),
        ("data.path=~/x.csv", "type \"data.path='~/x.csv'\""),
        ("data.target=it's", 'type "data.target=\\"it\'s\\""'),
        ("data.target=a, b", "add -m, or as one value type \"data.target='a, b'\""),
        ("name=../x", "name = '../x': expected the name of a folder below output_root"),
        ("output_root='~nobody-of-this-name/x'", "no user 'nobody-of-this-name' here"),
        ("output_root='$HOME/x'", "a variable of the shell"),
        ("--epochs=3", "epochs: no such key; nearest: trainer.max_epochs"),
    ],
)
def test_one_line_says_what_is_wrong_and_what_to_type(cli, words, message):
    assert message in refused(cli, words)


@pytest.mark.parametrize(
    "value", ["größe", "a=b", "a[b", "~/x", "it's", "a, b", "x y", "#1", 'say "hi"', "it's $5", "\\"]
)
def test_what_a_message_says_to_type_gives_the_value(value):
    import shlex

    message = _grammar(f"data.target={value}", "reason")
    typed = message.split("; to give this text, type ", 1)[1]
    (word,) = shlex.split(typed)
    config = compose_config("train", ["data=table", word])
    assert config.data.target == value


def test_the_home_directory_and_overrides_as_agents_of_sweeps_write_them(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cli("train", *(f"--{word}" for word in SHORT), "output_root='~/runs'")[0] == 0
    assert [path.name for path in Path().iterdir()] == ["home"]
    assert len(list(Path("home/runs/medical").iterdir())) == 1


def test_the_command_line_itself_may_lead_anywhere(cli, tmp_path):
    place = tmp_path / "elsewhere"
    assert cli("train", *SHORT, f"hydra.run.dir={place}")[0] == 0
    assert (place / "results.json").is_file()


def test_from_python_too():
    with pytest.raises(UserMistake, match="not allowed"):
        compose_config("train", ["+hydra.callbacks.x._target_=os.system"])


def test_what_hydras_own_options_do_not_take_is_one_line(cli):
    assert "argument --info/-i: invalid choice: 'seed=1'" in refused(cli, "--info", "seed=1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("inspect --cfg job hydra.runtime.choices.scheduler=${nowhere}", "Could not override"),
        ("train --help mi\u00e9ing", "no such config group; nearest: mixing; groups: "),
        ("train --help hydra.job.config_name", "no such config group"),
        ("train --cfg job net", "expected key=value or group=option"),
        ("train --cfg job hydra.runtime.choices.net=mlp", "Could not override"),
        ("evaluate --cfg job ~smoothing/prior", "Could not delete"),
    ],
)
def test_a_mistake_beside_a_question_to_hydra_is_one_line(cli, words, message):
    code, _, err = cli(*words.split())
    assert code == 2
    assert len(err.strip().splitlines()) == 1, err
    assert message in err


def test_interpolations_in_the_list_of_overrides_are_texts():
    config = compose_config("train", ["hydra.runtime.choices.scheduler=${nowhere}", "name=words"])
    assert plain(config)["name"] == "words"
