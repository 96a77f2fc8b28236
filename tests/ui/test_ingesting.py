"""Documents are read on a thread: what failed is told, what was stopped is kept, and nothing runs twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from agent.config import Settings
from agent.errors import EmbedderError, IndexBusy
from knowledge.schema import IngestProgress, IngestReport
from tests.knowledge.words import WordEmbedder
from ui.ingesting import (
    IngestJob,
    IngestJobs,
    IngestStopped,
    OnProgress,
    Outcome,
    adding,
    embedding_anew,
    keeping,
    refreshing,
)

PUMP = "# Pump\n\nRinse the filter every two weeks.\n"


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.embedder.build_embedder", lambda settings: WordEmbedder())


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text(PUMP)
    return docs


def ended(job: IngestJob) -> IngestJob:
    assert job.join(60)
    return job


def report_of(job: IngestJob) -> IngestReport:
    assert ended(job).error is None, job.error
    assert job.report is not None
    return job.report


def test_a_folder_is_read_and_what_is_missing_is_told(settings: Settings, docs: Path, tmp_path: Path) -> None:
    job = IngestJob("Adding", adding(settings, [docs, tmp_path / "nowhere"]))
    assert report_of(job).added == 1
    (failure,) = job.failures
    assert failure.source.endswith("nowhere") and "There is no file or folder" in failure.reason
    assert job.progress.phase == "saving"


def test_an_address_that_is_refused_costs_the_others_nothing(settings: Settings, docs: Path) -> None:
    job = IngestJob("Adding", adding(settings, ["http://127.0.0.1:9/secret", docs]))
    assert report_of(job).added == 1
    assert [failure.source for failure in job.failures] == ["http://127.0.0.1:9/secret"]


def test_nothing_but_failures_reads_nothing(settings: Settings) -> None:
    job = ended(IngestJob("Adding", adding(settings, ["/no/such/folder"])))
    assert job.report is None and job.error is None and len(job.failures) == 1
    assert not settings.index_folder.exists()


def test_uploads_are_kept_in_the_home_and_those_that_cannot_be_read_are_told(settings: Settings) -> None:
    uploads = [("../../pump.md", PUMP.encode()), ("virus.exe", b"MZ"), ("empty.md", b"")]
    job = IngestJob("Adding", keeping(settings, uploads))
    assert report_of(job).added == 1
    assert sorted(failure.source for failure in job.failures) == ["empty.md", "virus.exe"]
    assert [path.name for path in (settings.home / "uploads").iterdir()] == ["pump.md"]


def test_changes_are_found_again(settings: Settings, docs: Path) -> None:
    assert report_of(IngestJob("Adding", adding(settings, [docs]))).added == 1
    (docs / "pump.md").write_text(PUMP + "\nNever run it dry.\n")
    assert report_of(IngestJob("Looking", refreshing(settings))).updated == 1
    assert report_of(IngestJob("Anew", embedding_anew(settings))).passages >= 1
    assert report_of(IngestJob("Anew", refreshing(settings, rebuild=True))).passages >= 1


def test_a_stop_is_heard_before_the_next_page_is_fetched(settings: Settings) -> None:
    asked: list[str] = []
    gate = threading.Event()

    def work(report: OnProgress) -> Outcome:
        def told(step: IngestProgress) -> None:
            asked.append(step.detail)
            job.stop()
            report(step)

        gate.wait(10)
        return adding(settings, ["https://one.invalid/", "https://two.invalid/"])(told)

    job = IngestJob("Adding 2 web pages", work)
    gate.set()
    ended(job)
    assert isinstance(job.error, IngestStopped) and asked == ["https://one.invalid/"]


def test_what_was_finished_before_a_stop_is_kept(settings: Settings, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(200):
        (many / f"{number:03}.md").write_text(f"# Chapter {number}\n\n" + f"The number {number} is one of many. " * 20)
    first = threading.Event()

    def work(report: object) -> Outcome:
        def told(step: IngestProgress) -> None:
            if step.files >= 20:
                first.set()
                job.stop()
            assert callable(report)
            report(step)

        return adding(settings, [many])(told)

    gate = threading.Event()
    job = IngestJob("Adding", lambda report: (gate.wait(10), work(report))[1])
    gate.set()
    ended(job)
    assert first.is_set() and isinstance(job.error, IngestStopped)
    assert "What was finished is in the index" in job.error.kept
    assert not job.stopping
    assert report_of(IngestJob("Again", adding(settings, [many]))).added < 200


def test_a_collection_has_one_job_at_a_time(settings: Settings) -> None:
    jobs, gate = IngestJobs(), threading.Event()

    def waits(report: object) -> Outcome:
        gate.wait(30)
        return None, ()

    job = jobs.start(settings, "Adding one", waits)
    with pytest.raises(IndexBusy, match="Adding one"):
        jobs.start(settings, "Adding another", waits)
    jobs.dismiss(settings)
    assert jobs.latest(settings) is job, "what goes on cannot be put away"
    gate.set()
    ended(job)
    assert jobs.latest(settings) is job, "another tab sees what came of it"
    jobs.dismiss(settings)
    assert jobs.latest(settings) is None
    ended(jobs.start(settings, "Adding another", waits))


def test_an_error_nobody_foresaw_ends_the_job_and_is_told() -> None:
    def breaks(report: object) -> Outcome:
        raise ZeroDivisionError("by zero")

    job = ended(IngestJob("Adding", breaks))
    assert job.error is not None and "ZeroDivisionError" in job.error.what and job.error.fix


def test_an_error_that_can_be_understood_is_kept_as_it_is() -> None:
    def breaks(report: object) -> Outcome:
        raise EmbedderError("The embedder is gone.", fix="Bring it back.")

    assert isinstance(ended(IngestJob("Adding", breaks)).error, EmbedderError)
