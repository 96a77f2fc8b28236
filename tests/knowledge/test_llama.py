"""Threads that several libraries of one process share."""

import ctypes
import sys
import threading
import time

import psutil
import pytest

from knowledge.llama import threads_ended

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP library is Linux's")


@pytest.fixture(scope="module")
def openmp() -> ctypes.CDLL:
    import xllamacpp  # noqa: F401 - brings the library along

    return ctypes.CDLL("libgomp.so.1")


def compute(openmp: ctypes.CDLL, threads: int = 3) -> set[int]:
    """A parallel region, as a compiled `#pragma omp parallel` begins one; the threads that took part."""
    took_part: set[int] = set()
    meet = threading.Barrier(threads)

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def region(_: object) -> None:
        took_part.add(threading.get_native_id())
        meet.wait(timeout=30)

    openmp.GOMP_parallel(region, None, threads, 0)
    return took_part


def alive(of: set[int]) -> set[int]:
    return of & {thread.id for thread in psutil.Process().threads()}


def only_this_is_left(of: set[int]) -> bool:
    """Whether all other threads end; the system strikes them off its list a moment after they were joined."""
    deadline = time.monotonic() + 10
    while alive(of) != {threading.get_native_id()} and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive(of) == {threading.get_native_id()}


def test_openmp_keeps_the_threads_of_what_was_computed_until_they_are_ended(openmp: ctypes.CDLL) -> None:
    kept = compute(openmp)
    assert len(kept) == 3
    assert alive(kept) == kept  # else there is nothing to end
    with threads_ended():
        assert compute(openmp) == kept
    assert only_this_is_left(kept)


def test_what_computes_next_has_as_many_threads_again(openmp: ctypes.CDLL) -> None:
    with threads_ended():
        before = compute(openmp)
    with threads_ended():
        after = compute(openmp)
    assert (len(before), len(after)) == (3, 3)


def test_threads_end_where_the_work_failed(openmp: ctypes.CDLL) -> None:
    with pytest.raises(ValueError, match="no numbers"), threads_ended():
        kept = compute(openmp)
        raise ValueError("no numbers")
    assert only_this_is_left(kept)


def test_a_function_can_be_marked_and_returns_what_it_returned(openmp: ctypes.CDLL) -> None:
    work = threads_ended()(compute)
    for _ in range(2):
        kept = work(openmp)
        assert only_this_is_left(kept)


def test_without_such_a_library_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.llama._OPENMP", "libnosuch.so.1")
    with threads_ended():
        pass
