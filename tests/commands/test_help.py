"""`--help`: what a command, a group and an option say, from the comments of the config's files."""

import shlex
from pathlib import Path

import pytest

from smoothlab.commands.compare import quoted_arm
from smoothlab.commands.help import LIKE_TRAIN, WITHOUT_CONFIG
from smoothlab.commands.manual import FIRST_STEPS, PAGES
from smoothlab.config.compose import all_groups, compose_config, expand_sweep, split_options
from smoothlab.config.explained import all_keys, config_file, read

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(set(PAGES) - WITHOUT_CONFIG))
def test_every_key_and_group_of_a_command_is_explained(name):
    file = config_file(name)
    assert file.keys
    silent = [key.name for key in file.keys if not key.comment]
    silent += [choice.group for choice in file.choices if choice.group and not choice.override and not choice.comment]
    assert not silent


def test_every_option_says_what_it_is_for_and_names_keys_that_are_there():
    for group, options in all_groups().items():
        for option in options:
            assert config_file(f"{group}/{option}").about, f"{group}={option}"
            list(all_keys(group, option))


@pytest.mark.parametrize("width", [60, 100])
def test_no_line_of_text_is_wider_than_the_terminal(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    commands = {f"  {command}" for page in PAGES.values() for command, _ in page.examples}
    commands |= {f"  {usage}" for page in PAGES.values() for usage in page.usage}
    for name, page in PAGES.items():
        code, out, _ = cli(name, "--help")
        assert code == 0
        first, *lines = out.splitlines()
        assert first == f"smoothlab {name}: {page.about}"
        assert not [line for line in lines if len(line) > max(width, 75) and line not in commands]


def test_examples_and_first_steps_are_commands_that_compose():
    examples = [example for page in PAGES.values() for example in page.examples]
    for command, _ in (*examples, *FIRST_STEPS):
        program, name, *words = shlex.split(command.replace("<", "").replace(">", ""))
        assert program == "smoothlab"
        assert name in PAGES
        if name in WITHOUT_CONFIG or "my.csv" in words or "--cfg" in words:
            continue
        overrides, many = split_options(words)
        assert not many or name == "train"
        compose_config(name, expand_sweep([quoted_arm(override) for override in overrides])[0])


def test_a_page_to_read_on_is_there():
    assert not [page.read for page in PAGES.values() if not (ROOT / page.read).is_file()]


def test_a_group_shows_its_options_and_an_option_its_keys(cli):
    out = cli("train", "--help", "smoothing")[1]
    assert "  gradual                 Smoothing that fades out" in out
    out = cli("train", "smoothing=gradual", "--help")[1]
    assert "smoothing.strength.start=0.2" in out
    assert "Epsilon at the beginning" in out
    out = cli("train", "data=german_credit", "--help")[1]
    assert "  data.target=credit      The column with the label" in out  # its value, explained by a file below it
    assert out.count("data.target") == 1
    assert "seeds=5" in cli("compare", "--help", "budget=quick")[1]


def test_options_of_a_folder_of_ones_own_are_explained_too(cli):
    Path("my/net").mkdir(parents=True)
    Path("my/net/mine.yaml").write_text("# My net.\n_target_: smoothlab.nets.MLP\n# Widths.\nhidden: [3]\n")
    assert "net.hidden=[3]          Widths." in cli("train", "--config-dir", "my", "--help", "net=mine")[1]


@pytest.mark.parametrize("words", [("help", "predict"), ("predict", "-h"), ("--help", "predict")], ids=" ".join)
def test_help_is_asked_in_several_ways(cli, words):
    assert cli(*words)[:2] == cli("predict", "--help")[:2]


@pytest.mark.parametrize("text", ["a: [", "[" * 5000, "a: \xff"], ids=["no YAML", "deep", "no UTF-8"])
def test_a_file_that_cannot_be_read_is_one_line(cli, text):
    Path("my/net").mkdir(parents=True)
    Path("my/net/mine.yaml").write_text(text, encoding="latin-1")
    code, _, err = cli("train", "--config-dir", "my", "--help", "net")
    assert code == 2
    assert "my/net/mine.yaml: cannot be read as YAML (" in err
    assert len(err.splitlines()) == 1


def test_a_file_in_front_changes_nothing(cli):
    assert cli("train", "my.csv", "target=label", "--help")[:2] == cli("train", "--help")[:2]


def test_a_part_of_a_command_is_no_command_but_is_found(cli):
    code, _, err = cli("describe", "my.csv")
    assert code == 2
    assert "describe: no such command; nearest: data describe; commands: " in err
    assert "smoothing: no such config group; groups: none" in cli("predict", "--help", "smoothing")[2]


def test_groups_are_those_of_the_command(cli):
    assert "  condition=none " in cli("compare", "--help")[1]
    assert "  condition" not in cli("train", "--help")[1]
    assert {"train", "compare", "inspect"} == LIKE_TRAIN


def test_values_and_comments_of_a_file(tmp_path):
    file = tmp_path / "file.yaml"
    file.write_text(
        "# What it is for: smoothlab train x=1\n# Above.\nfirst: [1, 2]\ndefaults:\n  - a: b  # Behind.\n"
        "_target_: x\nouter:\n  # Inner.\n  inner: 'a # b'  # More.\n  function: {_partial_: true}\n"
    )
    texts = read(file)
    assert (texts.about, texts.examples) == ("What it is for.", ("smoothlab train x=1",))
    assert [(choice.group, choice.option, choice.comment) for choice in texts.choices] == [("a", "b", "Behind.")]
    assert [(key.name, key.value, key.comment) for key in texts.keys][:2] == [
        ("first", "[1,2]", "Above."),
        ("outer.inner", "'a # b'", "Inner. More."),
    ]
