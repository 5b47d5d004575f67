"""What each command is for, with examples; its keys are explained where they stand, in conf/<command>.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Words = Sequence[tuple[str, str]]  # what one types, and what it means


@dataclass(frozen=True)
class Page:
    """The help of a command.

    Args:
        about: what it does, in one line.
        usage: what one types.
        more: what else is to know, in a few sentences.
        words: its own words, where it has no config.
        examples: commands, each with what it does.
        read: the page of docs/ about it.
    """

    about: str
    usage: tuple[str, ...]
    more: str = ""
    words: Words = ()
    examples: Words = ()
    read: str = ""


RUN = "outputs/medical/<run>"
TRAIN = Page(
    about="train a classifier with label smoothing and judge its calibration",
    usage=("smoothlab train [<file>] [group=option ...] [key=value ...]", "smoothlab train -m key=value,value ..."),
    more="A run ends with test scores and their intervals, one sentence about its confidence, and a directory that the "
    "other commands take. With a file in front, keys of the data need no data. before them.",
    examples=(
        ("smoothlab train", "the default experiment, without a network"),
        ("smoothlab train my.csv target=label", "your own file"),
        ("smoothlab train experiment=finance/german_credit", "a preset"),
        ("smoothlab train smoothing=standard smoothing.strength.epsilon=0.05", "a strength of your own"),
        ("smoothlab train -m smoothing=none,standard seed=0,1,2", "a sweep: every combination"),
        ("smoothlab train -m sweep=search", "a search for learning rate, decay and strength"),
        ("smoothlab train resume=auto", "the newest unfinished run of this config goes on"),
        ("smoothlab train smoothing=gradual --cfg job", "the composed config, without training"),
    ),
    read="docs/runs.md",
)
EVALUATE = Page(
    about="score a run's data again with its checkpoint, or a new file",
    usage=("smoothlab evaluate run=<directory> [input=<file>] [key=value ...]",),
    more="A new file is scored beside the run's test rows, and compared with its training rows (drift).",
    examples=(
        (f"smoothlab evaluate run={RUN}", "the same numbers again"),
        (f"smoothlab evaluate run={RUN} input=new.csv", "a file with labels"),
        (f"smoothlab evaluate run={RUN} checkpoint=last output=metrics.json", "the last epoch, as a file too"),
    ),
    read="docs/after_training.md",
)
PREDICT = Page(
    about="probabilities for the raw rows of a file",
    usage=("smoothlab predict run=<directory> input=<file> output=<file> [key=value ...]",),
    more="Raw rows go in: the run knows its columns and how they become features.",
    examples=(
        (f"smoothlab predict run={RUN} input=rows.csv output=probabilities.csv", "a row for each row"),
        (f"smoothlab predict run={RUN} input=rows.csv output=kept.csv abstain_at_risk=0.02", "says where to abstain"),
        (f"smoothlab predict run={RUN} input=rows.csv output=sets.csv conformal=split", "sets of classes"),
    ),
    read="docs/after_training.md",
)
EXPORT = Page(
    about="write a run's model as one file: ONNX, torch.export or MLflow",
    usage=("smoothlab export run=<directory> output=<folder or file> [format=onnx|torch|mlflow]",),
    more="What is written is compared with the checkpoint first, and stands beside a model card.",
    examples=(
        (f"smoothlab export run={RUN} output=exported", "model.onnx, its metadata, the card"),
        (f"smoothlab export run={RUN} output=served format=mlflow", "raw rows in, for mlflow models serve"),
    ),
    read="docs/after_training.md",
)
COMPARE = Page(
    about="does smoothing help here, which, and by how much?",
    usage=("smoothlab compare [<file>] [group=option ...] [key=value ...]",),
    more="Trains strategies and their rivals on the same rows with the same seeds, chooses each strength on "
    "validation, judges on test rows with intervals, and ends with a verdict, a command to type and a page. Started "
    "again, it goes on.",
    examples=(
        ("smoothlab compare experiment=medical budget=quick", "a first answer"),
        ("smoothlab compare my.csv target=label budget=quick", "of your own file"),
        ('smoothlab compare experiment=medical "take=[none,standard,auto,boosting]"', "some arms alone"),
        ("smoothlab compare experiment=medical condition=noisy_labels", "what if labels are wrong"),
        ("smoothlab compare experiment=medical 'arms.mine=[smoothing=slight,net.dropout=0.2]'", "an arm of your own"),
    ),
    read="docs/comparing.md",
)
CALIBRATE = Page(
    about="fit a run's temperature or class priors to new rows, as a new run",
    usage=("smoothlab calibrate run=<directory> input=<file> output=<folder> [method=priors]",),
    more="The run stays as it is; the new one holds the same net behind another calibrator.",
    examples=(
        (f"smoothlab calibrate run={RUN} input=new.csv output=outputs/fresh", "a temperature, from labels"),
        (f"smoothlab calibrate run={RUN} input=new.csv output=outputs/fresh method=priors", "without labels"),
    ),
    read="docs/after_training.md",
)
ENSEMBLE = Page(
    about="join runs of the same classes to one model",
    usage=("smoothlab ensemble runs=[<directory>,<directory>,...] output=<folder>",),
    more="The mean of their probabilities; the folder is a run to predict and evaluate.",
    examples=(
        ("smoothlab ensemble 'runs=[outputs/medical/<a>,outputs/medical/<b>]' output=outputs/both", "two runs as one"),
    ),
    read="docs/after_training.md",
)
SUSPECTS = Page(
    about="labels that are likely to be wrong, the worst first",
    usage=("smoothlab suspects runs=<directory> output=<folder>",),
    more="By probabilities of rows that a run has not trained on (confident learning, Northcutt et al., JAIR 2021).",
    examples=(
        ("smoothlab suspects runs=outputs/comparisons/medical output=suspects", "of every row, by folds"),
        ("smoothlab train my.csv target=label without=suspects/suspects.csv", "train without them"),
    ),
    read="docs/after_training.md",
)
INSPECT = Page(
    about="show what a smoothing strategy does to the targets, without training",
    usage=("smoothlab inspect [group=option ...] [key=value ...]", "smoothlab inspect run=<directory>"),
    more="Of a run: what it used and learned.",
    examples=(
        ("smoothlab inspect smoothing=ordinal data=wine_quality", "where the mass goes"),
        (f"smoothlab inspect run={RUN}", "what a run used and learned"),
    ),
    read="docs/inspect.md",
)
REPORT = Page(
    about="compare finished runs, and write a page that says what helped",
    usage=("smoothlab report <directories> [--out folder] [--format html|md] [--title text] [--baseline arm]",),
    more="Takes the finished runs in and below the directories. Beside the page: table.csv, classes.csv, report.json, "
    "figures/.",
    words=(
        ("--out folder", "Where to: a folder of its own; a report that is there is replaced. By default report/ in the "
         "folder that holds all runs."),
        ("--format html", "One page that needs nothing but itself; md: Markdown."),
        ("--title text", "Its heading."),
        ("--baseline arm", "What the others are compared to; by default the arm without smoothing."),
    ),
    examples=(
        ("smoothlab report outputs/sweeps/medical", "of a sweep"),
        ("smoothlab report outputs/medical --baseline smoothing=none --format md --out doc/medical", "as Markdown"),
    ),
    read="docs/report.md",
)  # fmt: skip
SWEEP = Page(
    about="look at a sweep's runs, free its disk",
    usage=(
        "smoothlab sweep status <directory> [--json]",
        "smoothlab sweep status <study> storage='${oc.env:SEARCH_STORAGE}' [--json]",
        "smoothlab sweep prune <directory> [keep=best] [free=checkpoints] [dry_run=true]",
    ),
    more="status prints every run with its state, objective, seconds and error; of a search over several machines "
    "every trial, by the study's name and the URL of its database. prune removes large files of finished runs; those "
    "that are not done keep everything, so that they can go on. A sweep is started by smoothlab train -m.",
    words=(
        ("keep=best", "The run with the best objective stays whole. 3: the three best. best_checkpoints: every run "
         "keeps its best checkpoint, the last one goes. none: no run keeps them."),
        ("free=checkpoints", "What goes: checkpoints, predictions, or checkpoints,predictions."),
        ("dry_run=true", "Only say which files would go; false removes them."),
        ("--json", "The table for programs."),
    ),
    examples=(
        ("smoothlab sweep status outputs/sweeps/medical/1a2b3c4d", "how far it is"),
        ("smoothlab sweep prune outputs/sweeps/medical/1a2b3c4d keep=best_checkpoints dry_run=false", "free disk"),
    ),
    read="docs/sweeps.md",
)  # fmt: skip
DATA = Page(
    about="list and fetch public data sets, describe any data",
    usage=(
        "smoothlab data list",
        "smoothlab data fetch <name> ... | all",
        "smoothlab data describe <name or file> [key=value ...] [html=<file>] [--json]",
    ),
    more="list shows the public sets, their licences, and which are here. fetch puts sets into the cache, and checks "
    "them. describe says what is understood of data, and what looks wrong with them; keys of the data are those of "
    "smoothlab train --help data=table.",
    words=(
        ("html=<file>", "A page with a small chart of each column, by class."),
        ("--json", "The description for programs."),
        ("SMOOTHLAB_DATA_MIRROR", "A variable: a folder that has the files already; it is looked at first."),
        ("SMOOTHLAB_DATA_CACHE", "A variable: where files are kept that were fetched; else the platform's folder."),
    ),
    examples=(
        ("smoothlab data describe my.csv target=label", "your own file"),
        ("smoothlab data describe my.csv target=label html=my.html", "a page to send around"),
        ("smoothlab data describe wine_quality", "a public set"),
        ("smoothlab data fetch german_credit", "into the cache"),
    ),
    read="docs/data.md",
)  # fmt: skip

# in the order in which a newcomer meets them
PAGES = {
    "data": DATA,
    "train": TRAIN,
    "compare": COMPARE,
    "evaluate": EVALUATE,
    "predict": PREDICT,
    "report": REPORT,
    "inspect": INSPECT,
    "calibrate": CALIBRATE,
    "ensemble": ENSEMBLE,
    "suspects": SUSPECTS,
    "export": EXPORT,
    "sweep": SWEEP,
}
# What people type for a part of a command, and what they mean.
ELSEWHERE = {
    "describe": "data describe",
    "list": "data list",
    "fetch": "data fetch",
    "search": "train -m sweep=search",
    "status": "sweep status",
    "prune": "sweep prune",
    "test": "evaluate",
}
FIRST_STEPS: Words = (
    ("smoothlab train", "the default experiment, without a network"),
    ("smoothlab compare experiment=medical budget=quick", "does smoothing help here?"),
    ("smoothlab data describe my.csv target=label", "what is understood of your own file"),
    ("smoothlab train my.csv target=label", "train on it"),
    ("smoothlab compare my.csv target=label budget=quick", "the answer for it"),
)
QUESTIONS: Words = (
    ("smoothlab train --help", "the keys of a command, each explained, and examples"),
    ("smoothlab train --help smoothing", "the options of a config group, each explained"),
    ("smoothlab train --help smoothing=gradual", "the keys of an option, each explained"),
    ("smoothlab train --cfg job", "the composed config"),
    ('eval "$(smoothlab -sc install=bash)"', "tab completion"),
)
