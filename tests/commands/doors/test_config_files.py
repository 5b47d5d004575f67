"""A config file that others may have written starts no program, reads no environment, and writes where runs are.

Each payload would leave a canary: a file, or a secret in what is printed or written.
"""

import json
from pathlib import Path

import pytest
from run_directories import SHORT

SECRET = "hunter2-canary"
CANARY = Path("canary")
CODE_THAT_TOUCHES = """
from hydra.experimental.callback import Callback
open("canary", "w").close()
class Touch(Callback):
    pass
def touch(*words, **more):
    open("canary", "w").close()
"""


@pytest.fixture(autouse=True)
def canaries(monkeypatch, tmp_path):
    monkeypatch.setenv("SMOOTHLAB_SECRET", SECRET)
    (tmp_path / "payload.py").write_text(CODE_THAT_TOUCHES)
    monkeypatch.syspath_prepend(str(tmp_path))  # whatever the payload names can be imported


def outcome(cli, text: str, *words: str, group: str = "experiment/evil", command: str = "train") -> str:
    """What a command prints that chooses a foreign file of this content; nothing of the canaries is left behind."""
    file = Path(f"theirs/{group}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    folder, option = group.rsplit("/", 1)
    code, out, err = cli(command, "--config-dir", "theirs", f"{folder}={option}", *SHORT, *words)
    assert not CANARY.exists()
    assert SECRET not in out + err
    assert not any(SECRET.encode() in path.read_bytes() for path in Path().rglob("*") if path.is_file())
    assert code == 2, out + err
    assert len(err.strip().splitlines()) == 1, err
    assert not Path("outputs").exists()
    return err


HYDRA = {
    "callback of other code": "callbacks: {x: {_target_: payload.touch}}",
    "callback of our own": "callbacks: {x: {_target_: payload.Touch}}",
    "sympify": 'callbacks: {x: {_target_: sympy.sympify, a: \'open("canary", "w")\'}}',
    "callback of Hydra's": "callbacks: {x: {_target_: hydra.experimental.callbacks.PickleJobInfoCallback}}",
    "LD_PRELOAD": "job: {env_set: {LD_PRELOAD: ./evil.so}}",
    "W&B's address": "job: {env_set: {WANDB_BASE_URL: 'http://elsewhere'}}",
    "environment copied": "job: {env_copy: [SMOOTHLAB_SECRET]}",
    "run directory": "run: {dir: canary}",
    "launcher's class": "launcher: {_target_: payload.touch}",
    "launcher's shell commands": "launcher: {setup: ['touch canary']}",
    "sweeper's class": "sweeper: {_target_: payload.touch}",
    "sweeper's function": "sweeper: {custom_search_space: payload.touch}",
    "factory in logging": "job_logging: {handlers: {x: {(): payload.touch}}}",
    "factory in Hydra's logging": "hydra_logging: {handlers: {x: {(): payload.touch}}}",
    "output below .hydra": "output_subdir: ../canary",
    "a dotted key": "job.env_set.LD_PRELOAD: ./evil.so",
}


@pytest.mark.parametrize("node", HYDRA.values(), ids=HYDRA)
def test_hydras_own_node_is_not_for_files(cli, node):
    assert "not allowed in a file" in outcome(cli, f"# @package _global_\nhydra:\n  {node}\n")


@pytest.mark.parametrize("how", [("-m", "seed=0,1"), ("--cfg", "job"), ("--help",)], ids=" ".join)
@pytest.mark.parametrize("name", ["callback of other code", "factory in logging", "sweeper's class"])
def test_nor_in_a_sweep_or_a_question(cli, name, how):
    assert "not allowed in a file" in outcome(cli, f"# @package _global_\nhydra:\n  {HYDRA[name]}\n", *how)


def test_nor_by_a_package_or_another_group(cli):
    assert "not allowed in a file" in outcome(cli, "# @package hydra.job.env_set\nLD_PRELOAD: ./evil.so\n")
    evil = "# @package hydra.callbacks\nx: {_target_: payload.touch}\n"
    assert "not allowed in a file" in outcome(cli, evil, group="net/evil")
    assert "not allowed in a file" in outcome(
        cli, "handlers: {x: {(): payload.touch}}\n", group="hydra/job_logging/evil"
    )


def test_nor_in_a_list_of_presets_of_a_sweep_or_a_search(cli):
    text = "# @package _global_\nhydra: {job: {env_set: {LD_PRELOAD: ./evil.so}}}\n"
    assert "not allowed in a file" in outcome(cli, text, "-m", "experiment=medical,evil", group="experiment/evil")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("code", "payload.py"),
        ("+code", "payload.py"),
        ("hydra.job.env_set", "{LD_PRELOAD: ./evil.so}"),
        ("+hydra.callbacks.x._target_", "payload.Touch"),
        ("hydra/launcher", "basic"),
        ("hydra.run.dir", "../canary"),
        ("name", "\\${oc.env:SMOOTHLAB_SECRET}"),
        ("name", "${first}${second}"),
    ],
)
@pytest.mark.parametrize("sweeper", [(), ("hydra/sweeper=smoothlab",)], ids=["sweep", "search"])
def test_overrides_in_a_file_are_no_command_line(cli, key, value, sweeper):
    parts = "first: '$'\nsecond: '{oc.env:SMOOTHLAB_SECRET}'\n"
    node = {"sweeper": {"params": {key: value}}}
    err = outcome(cli, f"# @package _global_\n{parts}hydra: {json.dumps(node)}\n", "-m", *sweeper)
    assert "hydra.sweeper.params" in err or "must not use the resolver" in err
    word = json.dumps(f"{key}={value}")
    for text in (f"arms: {{evil: [{word}]}}", f"arms: {{evil: {{overrides: [{word}]}}}}"):
        assert "evil" in outcome(cli, f"# @package _global_\n{parts}{text}\n", command="compare")
    grid = json.dumps({key: [value]})
    outcome(cli, f"# @package _global_\n{parts}arms: {{evil: {{grid: {grid}}}}}\n", command="compare")
    levels = f"vary: {{axis: a, levels: [{{at: 0, overrides: [{word}]}}, {{at: 1, overrides: []}}]}}"
    text = f"# @package _global_\n{parts}{levels}\n"
    err = outcome(cli, text, group="condition/evil", command="compare")
    assert "vary.levels" in err or "must not use the resolver" in err


@pytest.mark.parametrize("where", ["experiment=medical,evil", "experiment=evil,medical"])
def test_own_code_is_not_named_by_a_file_of_a_sweep(cli, where):
    assert "code: own code is named on the command line" in outcome(
        cli, "# @package _global_\ncode: payload.py\n", "-m", where
    )


def test_a_jobs_resources_are_plain_words(cli):
    text = '# @package _global_\nhydra: {launcher: {comment: "x\\ntouch canary"}}\n'
    assert "hydra.launcher.comment" in outcome(cli, text, "hydra/launcher=submitit_slurm", "-m", "seed=0,1")


@pytest.mark.parametrize(
    "value",
    [
        "${oc.env:SMOOTHLAB_SECRET}",
        "a${oc.env:SMOOTHLAB_SECRET}b",
        "${oc.${part}:SMOOTHLAB_SECRET}",
        "${oc.decode:'$\\{oc.env:SMOOTHLAB_SECRET\\}'}",
        "${oc.create:'${oc.env:SMOOTHLAB_SECRET}'}",
        "${oc.select:${oc.env:SMOOTHLAB_SECRET}}",
        "${oc.deprecated:seed,${oc.env:SMOOTHLAB_SECRET}}",
    ],
)
def test_files_do_not_read_the_environment(cli, value):
    text = f"# @package _global_\n# evil\npart: env\nname: {json.dumps(value)}\n"
    assert "must not use the resolver" in outcome(cli, text)
    assert "must not use the resolver" in outcome(cli, text, "--cfg", "job", "--resolve")
    listed = f"# @package _global_\nhydra: {{sweeper: {{params: {{name: {json.dumps(value)}}}}}}}\n"
    assert "must not use the resolver" in outcome(cli, listed, "-m")
    assert "must not use the resolver" in outcome(cli, f"defaults: [{{/net: {json.dumps(value)}}}]\n")


@pytest.mark.parametrize(
    "text",
    [
        "name: ../canary",
        "name: /tmp/canary",
        "name: outputs/../../canary",
        'name: "canary\\nx"',
        'name: "canary\\0x"',
        "name: ~/canary",
        "name: ''",
        f"name: {'a' * 256}",
        "hydra: {sweep: {dir: ../canary}}",
    ],
)
def test_a_name_stays_below_output_root(cli, text, monkeypatch):
    monkeypatch.setenv("HOME", str(Path("home").resolve()))
    err = outcome(cli, f"# @package _global_\n{text}\n", "-m", "seed=0,1")
    assert err.startswith(("smoothlab: name = ", "smoothlab: hydra.sweep.dir = "))


@pytest.mark.parametrize("how", [(), ("-m", "hydra/sweeper=smoothlab", "seed=0,1")], ids=["run", "search"])
def test_so_do_a_run_and_a_search(cli, how):
    assert outcome(cli, "# @package _global_\nname: ../canary\n", *how).startswith("smoothlab: name = ")


def test_what_teams_share_in_files_goes_through(cli):
    Path("theirs/experiment").mkdir(parents=True)
    Path("theirs/experiment/ours.yaml").write_text(
        "# @package _global_\ndefaults: [medical]\nname: team/${oc.select:nothing,x}-${seed}\n"
        "hydra: {launcher: {n_jobs: 2}, verbose: false, sweep: {dir: '${output_root}/all'}}\n"
    )
    code, _, err = cli("train", "--config-dir", "theirs", "experiment=ours", *SHORT)
    assert code == 0, err
    assert len(list(Path("outputs/team/x-0").iterdir())) == 1
