"""A user's mistake ends in one line that says what would be right, exit code 2, and nothing made."""

import pickle
from pathlib import Path

import pytest
import torch
from run_directories import SHORT, only_run

from smoothlab.data import breast_cancer
from smoothlab.models.checkpoint import read_checkpoint


def refused(cli, *words: str) -> str:
    """The one line that a refused command prints."""
    before = sorted(Path().rglob("*"))
    code, out, err = cli(*words)
    assert code == 2, err
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert sorted(Path().rglob("*")) == before  # nothing was made
    return err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("optimiser.lr=0.1", "optimiser.lr: no such key; nearest: optimizer.lr"),
        ("lr=0.1", "lr: no such key; nearest: optimizer.lr"),
        ("+lr=0.1", "+lr: nothing reads this key; nearest: optimizer.lr"),
        ("+optimizer.lrr=0.1", "optimizer.lrr: torch.optim.AdamW has no argument 'lrr'; nearest: lr"),
        (
            "experiment=finance/german_credit net=tabm",
            "has no argument 'hidden'; ~net.hidden leaves out one that a preset",
        ),
        ("smoothing=standard smoothing.strength.epsilonn=0.1", "nearest: smoothing.strength.epsilon"),
        (
            "smoothing.strength.epsilon=0.1",
            "epsilon: no such key; this strength finds it, or has it by other keys; smoothing=standard",
        ),
        ("smoothing=standart", "smoothing = standart: no such option; nearest: standard; options: "),
        ("--seed", "--seed: no such option; options: -m, --config-dir, --cfg, --help, --hydra-help; a key and its"),
        ("smoothing=null", "smoothing = null: no such option; options: adaptive, "),
        ("nets=mlp", "nets: no such key; nearest: net"),
        (
            "smoothing=standard smoothing.strength.epsilon=1.2",
            "smoothing.strength.epsilon = 1.2: expected a number in [0, 1)",
        ),
        (
            "smoothing=standard smoothing.strength.epsilon=-0.1",
            "smoothing.strength.epsilon = -0.1: expected a number in [0, 1)",
        ),
        ("smoothing=standard smoothing.strength.epsilon=abc", "smoothing.strength.epsilon = 'abc': expected a number"),
        ("trainer.max_epochs=-5", "trainer: `max_epochs` must be a non-negative integer or -1"),
        ("trainer.max_epochs=ten", "trainer.max_epochs = 'ten': expected an integer or null"),
        ("trainer.precision=12", "trainer.precision = 12: expected"),
        ("optimizer.lr=-1", "optimizer: Invalid learning rate: -1"),
        ("optimizer.lr=fast", "optimizer.lr = 'fast': expected a number"),
        ("scheduler=cosine scheduler.warmup=2", "scheduler.warmup = 2: expected a number in [0, 1)"),
        ("data.batch_size=0", "data.batch_size = 0: expected an integer of at least 1"),
        ("data.target=diagnose", "data.target = 'diagnose': no such column"),
        ("data.fractions=[0.9,0.9,0.9]", "data.fractions = [0.9, 0.9, 0.9]: expected three positive numbers"),
        ("net.hidden=[-3]", "net.hidden = [-3]: expected widths of at least 1"),
        ("net.hidden=wide", "net.hidden = 'wide': expected a list of integers"),
        ("seed=-1", "seed = -1: expected an integer in [0, 4294967295]"),
        ("threads=0", "threads = 0: expected auto or an integer of at least 1"),
        ("progress=loud", "progress = 'loud': expected one of auto, lines, none"),
        ("logger=wandb logger.wandb.mode=on", "logger.wandb.mode = 'on'"),
        ("callbacks.early_stopping.patience=soon", "callbacks.early_stopping.patience = 'soon': expected an integer"),
        ("resume=outputs/nowhere", "resume = 'outputs/nowhere': no such directory"),
        ("code=nowhere.py", "code = 'nowhere.py': expected a Python file or a folder"),
        ("seed=0,1", "seed=0,1: a list of values makes a sweep; add -m"),
        (
            "-m seed=0,1 smoothing=standard smoothing.strength.epsilon=0.1,1.2",
            "smoothing.strength.epsilon = 1.2: expected",
        ),
        ("-m seed=0,1 resume=somewhere", "resume: is for one run"),
        ("trainer.max_epochs=0", "trainer.max_epochs = 0: expected at least 1"),
        ("scheduler=cosine trainer.max_epochs=-1", "trainer.max_epochs = -1: a schedule needs an end"),
        ("callbacks.best_checkpoint.monitor=val/nl", "best_checkpoint.monitor = 'val/nl': nearest: val/nll"),
        ("trainer.limit_val_batches=0 smoothing=none", "monitors val/nll, which needs validation"),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches = 0: expected an integer of at least 1"),
        ("trainer.limit_train_batches=0.001", "trainer.limit_train_batches = 0.001: less than one of the 12 batches"),
        ("+trainer.fast_dev_run=true", "trainer.fast_dev_run: it leaves no checkpoint"),
        ("trainer.check_val_every_n_epoch=200", "check_val_every_n_epoch = 200: more than trainer.max_epochs = 100"),
        ("callbacks.best_checkpoint.monitor=val/accuracy", "best_checkpoint.mode = 'min': of val/accuracy the best"),
        ("callbacks.best_checkpoint.filename=other", "its file is checkpoints/best.ckpt, always"),
        ("data.split_seed=-1", "data.split_seed = -1: expected an integer in [0, 4294967295]"),
        ("data.fractions=[0.998,0.001,0.001]", "data: "),
        ("~callbacks", "callbacks = None: expected one of its options"),
        ("output_root=", "output_root = '': expected a text that is not empty"),
        ("name=null", "name = None: expected a text"),
        ("hydra.job.chdir=true", "runs stay in the working directory"),
        ("-m smoothing=standard smoothing.strength.epsilon=interval(0,0.5)", "expected a list of values"),
        ("net._target_=torch.nn.Linear ~net.hidden ~net.dropout +net.out_features=7", "net: gives (2, 7) for 2 rows"),
        ("--config-dir nowhere seed=1", "--config-dir 'nowhere': no such folder"),
        ("seed=[", "'seed=[': expected key=value or group=option"),
        ("seed", "'seed': expected key=value or group=option"),
        ("--epochs=3", "epochs: no such key; nearest: trainer.max_epochs"),
        ("output_root=/proc/nowhere", "output_root: cannot write in '/proc'"),
        ("net._target_=torch.nn.functional.torch.load", "net._target_ = 'torch.nn.functional.torch.load': not allowed"),
        ("net._target_=torch.nn.functional.torch.hub.load_state_dict_from_url", "not allowed"),
        ("net._target_=pytorch_lightning.trainer.trainer.os.path.expanduser", "not allowed"),
        ("net._target_=os.system", "not allowed"),
    ],
)
def test_train(cli, words, message):
    assert message in refused(cli, "train", *words.split(" "))


def test_code_comes_from_the_command_line_alone(cli):
    Path("my/experiment").mkdir(parents=True)
    Path("my/experiment/theirs.yaml").write_text("# @package _global_\ncode: theirs.py\n")
    assert "code: own code is named on the command line" in refused(
        cli, "train", "--config-dir", "my", "experiment=theirs"
    )


def test_an_experiment_of_ones_own_is_found(cli):
    Path("my/experiment").mkdir(parents=True)
    Path("my/experiment/gentle.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /smoothing: standard\nsmoothing: {strength: {epsilon: 0.02}}\n"
    )
    mine = ("train", "--config-dir", "my", "experiment=gentle")
    assert "optimizer.lrr: no such key; nearest: optimizer.lr" in refused(cli, *mine, "optimizer.lrr=1")
    assert "epsilon: 0.02" in cli(*mine, "--cfg", "job")[1]
    assert cli(*mine, *SHORT)[0] == 0
    assert "epsilon: 0.02" in (only_run() / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian", "trian: no such command; nearest: train"),
        ("evaluate", "run: missing; give it as run=..."),
        ("evaluate run=nowhere", "run = 'nowhere': no such directory"),
        ("evaluate run=.", "run = '.': not a run directory, it has no config.yaml"),
        ("evaluate -m run=a,b", "-m: smoothlab evaluate runs once"),
        ("predict run=nowhere input=a.csv output=b.csv", "run = 'nowhere': no such directory"),
        ("train --cfg job optimizer.lrr=1", "optimizer.lrr: no such key; nearest: optimizer.lr"),
    ],
)
def test_commands(cli, words, message):
    assert message in refused(cli, *words.split(" "))


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("code-ran"),))


@pytest.fixture
def run(cli) -> Path:
    assert cli("train", *SHORT, "trainer.max_epochs=1")[0] == 0
    frame = breast_cancer().drop(columns="diagnosis")
    frame.to_csv("good.csv", index=False)
    return only_run()


def spoil(run: Path, how: str) -> None:
    """Put another file in place of the best checkpoint."""
    path = run / "checkpoints" / "best.ckpt"
    content = read_checkpoint(path)
    if how == "missing":
        path.unlink()
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[:-500])
    elif how == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif how == "code":
        torch.save(content | {"payload": Evil()}, path)
    elif how == "foreign":
        torch.save({"state_dict": content["state_dict"]}, path)
    elif how == "later":
        torch.save(content | {"smoothlab": content["smoothlab"] | {"format": 3}}, path)
    elif how == "call":  # functions that call whatever they are given, all of them inside torch.nn
        content["smoothlab"]["config"]["net"] = {
            "_target_": "torch.nn.utils.rnn.bind",
            "optional": "touch code-ran",
            "fn": {
                "_target_": "torch.nn.utils.rnn.bind",
                "optional": "system",
                "fn": {
                    "_target_": "torch.nn.utils._deprecation_utils.lazy_deprecated_import",
                    "all": ["system"],
                    "old_module": "a",
                    "new_module": "os",
                },
            },
        }
        torch.save(content, path)
    elif how == "encoder":
        del content["smoothlab"]["encoder"]
        torch.save(content, path)
    elif how == "config":
        content["smoothlab"]["config"] = []
        torch.save(content, path)
    elif how == "no net":
        content["smoothlab"]["config"]["net"] = None
        torch.save(content, path)
    elif how == "width":
        content["smoothlab"]["config"]["net"]["hidden"] = [3]
        torch.save(content, path)
    elif how == "target":
        content["smoothlab"]["config"]["net"]["_target_"] = "torch.nn.functional.torch.load"
        torch.save(content, path)


def test_checkpoints_that_cannot_be_used(cli, run):
    original = (run / "checkpoints" / "best.ckpt").read_bytes()
    for how, message in {
        "missing": "does not exist",
        "cut off": "not a readable checkpoint",
        "pickle": "not a readable checkpoint",
        "call": "not allowed",
        "encoder": "best.ckpt: incomplete",
        "config": "best.ckpt: incomplete",
        "no net": "best.ckpt: incomplete",
        "width": "the weights do not fit the net",
        "code": "refused, it holds Python objects",
        "foreign": "not one of smoothlab",
        "later": "checkpoint format 3",
        "target": "not allowed",
    }.items():
        (run / "checkpoints" / "best.ckpt").write_bytes(original)
        spoil(run, how)
        for command in ("evaluate", "predict"):
            words = [command, f"run={run}"] + (["input=good.csv", "output=out.csv"] if command == "predict" else [])
            assert message in refused(cli, *words), (how, command)
    assert not Path("code-ran").exists()


def test_rows_that_cannot_be_read(cli, run):
    frame = breast_cancer().drop(columns="diagnosis")
    frame.drop(columns="mean area").to_csv("lacks.csv", index=False)
    frame.astype({"mean area": object}).assign(**{"mean area": "large"}).to_csv("text.csv", index=False)
    frame.iloc[:0].to_csv("header.csv", index=False)
    Path("empty.csv").write_text("")
    Path("broken.parquet").write_text("not parquet")
    Path("table.ods").write_text("")
    for name, message in {
        "lacks.csv": "lacks.csv: column 'mean area' missing; the model needs 30 columns",
        "text.csv": "text.csv: column 'mean area', data row 1: expected a finite number, got 'large'",
        "header.csv": "input = 'header.csv': the file has no rows",
        "empty.csv": "input = 'empty.csv': the file is empty",
        "broken.parquet": "input = 'broken.parquet': not readable as parquet",
        "table.ods": "input = 'table.ods': expected a file ending in one of .csv, .tsv",
        "nowhere.csv": "input = 'nowhere.csv': no such file",
    }.items():
        assert message in refused(cli, "predict", f"run={run}", f"input={name}", "output=out.csv")


def test_outputs_that_cannot_be_written_are_found_before_the_work(cli, run, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("the work was begun")

    monkeypatch.setattr("smoothlab.models.loading.load", never)
    Path("folder.csv").mkdir()
    for name, message in {
        "nowhere/out.csv": "the folder 'nowhere' does not exist",
        "folder.csv": "is a folder",
        "out.json": "expected a file ending in .csv or .parquet",
        "/proc/out.csv": "output: cannot write in '/proc'",
    }.items():
        assert message in refused(cli, "predict", f"run={run}", "input=good.csv", f"output={name}")
