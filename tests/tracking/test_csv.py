"""metrics.csv keeps its rows through an interruption."""

from smoothlab.tracking.csv import CSVLogger, read_rows


def log(logger: CSVLogger, epochs: range, **more: float) -> None:
    for epoch in epochs:
        logger.log_metrics({"epoch": epoch, "val/nll": 1 / (epoch + 1), **more}, step=10 * (epoch + 1))


def test_one_row_an_epoch(tmp_path):
    log(CSVLogger(tmp_path), range(3))
    text = (tmp_path / "metrics.csv").read_text()
    assert text == "epoch,step,val/nll\n0,10,1.0\n1,20,0.5\n2,30,0.3333333333333333\n"


def test_a_new_run_starts_a_new_file(tmp_path):
    log(CSVLogger(tmp_path), range(3))
    log(CSVLogger(tmp_path), range(1))
    assert len(read_rows(tmp_path / "metrics.csv")) == 1


def test_resuming_keeps_rows_up_to_the_checkpoint_and_writes_the_rest_again(tmp_path):
    log(CSVLogger(tmp_path), range(5))
    whole = (tmp_path / "metrics.csv").read_text()
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write("5,60,0.1")  # cut off in the middle of a row
    resumed = CSVLogger(tmp_path, resume_step=30)
    assert [row["step"] for row in read_rows(tmp_path / "metrics.csv")] == ["10", "20", "30"]
    log(resumed, range(3, 5))
    assert (tmp_path / "metrics.csv").read_text() == whole


def test_rows_at_once_are_the_file_that_one_after_the_other_makes(tmp_path):
    single, other = CSVLogger(tmp_path / "one"), CSVLogger(tmp_path / "other")
    rows = [({"epoch": n, "b": 1.0, "a": 0.5 * n, **({"new": 7.0} if n == 2 else {})}, 10 * n) for n in range(4)]
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    for metrics, step in rows:
        single.log_metrics(metrics, step=step)
    other.log_rows(rows)
    assert (tmp_path / "one" / "metrics.csv").read_text() == (tmp_path / "other" / "metrics.csv").read_text()


def test_a_metric_that_comes_later_gets_its_column(tmp_path):
    logger = CSVLogger(tmp_path)
    log(logger, range(2))
    log(logger, range(2, 3), extra=7.0)
    rows = read_rows(tmp_path / "metrics.csv")
    assert [row["extra"] for row in rows] == ["", "", "7.0"]
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
