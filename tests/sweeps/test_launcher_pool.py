"""Jobs that a launcher of Hydra's runs."""

from __future__ import annotations

from hydra.core.utils import JobReturn, JobStatus

from smoothlab.rundir.directory import RunDirectory
from smoothlab.sweeps.launcher_pool import LauncherPool, job_words
from smoothlab.sweeps.pool import Planned

JOB = Planned({}, ("seed=1", "hydra/launcher=basic", "hydra.verbose=true"))


class Launcher:
    """Ends each job in one way."""

    def __init__(self, ending):
        self.ending = ending

    def launch(self, jobs, first):
        if isinstance(self.ending, OSError):
            raise self.ending
        return [self.ending for _ in jobs]


def run_job(ending, directory):
    """How a pool says that the job has ended."""
    pool = LauncherPool(Launcher(ending))
    job = pool.submit(JOB, directory)
    assert pool.wait_any() == [job]
    return job.state, job.error


def failed(error):
    ending = JobReturn(status=JobStatus.FAILED)
    ending.return_value = error
    return ending


def test_a_job_gets_its_directory_and_no_option_of_hydra_s_a_second_time(tmp_path):
    words = job_words(JOB.overrides, tmp_path / "a=1,b='c'-12")
    assert words == ["seed=1", f"hydra.sweep.dir='{tmp_path}'", r"hydra.sweep.subdir='a=1,b=\'c\'-12'"]


def test_a_job_that_ended_before_its_run_began_is_recorded_with_the_reason(tmp_path):
    assert run_job(failed(ImportError("no module\nof this name")), tmp_path) == ("failed", "no module")
    status = RunDirectory(tmp_path).read_status()
    assert (status["state"], status["error"]) == ("failed", "no module")


def test_what_a_run_has_said_itself_stands(tmp_path):
    run = RunDirectory(tmp_path)
    run.status.write_text('{"state": "failed", "error": "of its own"}')
    assert run_job(failed(RuntimeError("told")), tmp_path) == ("failed", "of its own")
    assert run.read_status()["error"] == "of its own"


def test_a_launcher_that_gives_up_is_quoted_and_no_error(tmp_path, capsys):
    assert run_job(OSError("job 12 is gone"), tmp_path) == ("failed", "the run is not there")
    assert capsys.readouterr().err == "Launcher: job 12 is gone\n"
    assert not RunDirectory(tmp_path).status.exists()
