"""The in-process llama.cpp runtime, as the embedder and the local chat model both use it.

Knows files and threads; knows neither prompts nor vectors.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_MAGIC = b"GGUF"
# Tokens of a prompt computed in one go; between two batches a request can be cancelled.
_BATCH = 256
_OPENMP = "libgomp.so.1"
_SOFTLY = 1  # omp_pause_soft: how many threads to use stays as it was set
_starting = threading.Lock()


class CpuClock:
    """How many cores other processes kept busy since this clock started.

    llama.cpp's worker threads wait for each other at every matrix product, so one thread that loses
    its core to a neighbour stalls them all: two threads beside one busy neighbour on two cores run
    three times slower than one thread does. Hence threads = cores that are really free.
    """

    def __init__(self) -> None:
        self._start = self._read()

    @staticmethod
    def _read() -> tuple[float, float, float]:
        import psutil

        times = psutil.cpu_times()
        own = psutil.Process().cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        return time.monotonic(), sum(times[:8]) - idle, own.user + own.system

    def busy_cores(self) -> float:
        """Mean number of cores used by other processes since the clock started, at least 0."""
        then, now = self._start, self._read()
        elapsed = now[0] - then[0]
        if elapsed < 0.02:  # kernel counters tick every 10 ms
            time.sleep(0.05)
            return self.busy_cores()
        return max(0.0, ((now[1] - then[1]) - (now[2] - then[2])) / elapsed)


def free_threads(clock: CpuClock, requested: int = 0) -> int:
    """Threads to give llama.cpp: `requested` when positive, else the cores nobody else is using."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if requested > 0:
        return min(requested, cores)
    return max(1, min(cores - round(clock.busy_cores()), 8))


@contextmanager
def threads_ended() -> Iterator[None]:
    """End the threads that OpenMP keeps for what this thread computes once the block is done; later work starts others.

    PyTorch and llama.cpp may share one OpenMP library, GNU's. It counts all threads it keeps, the idle ones, too, and
    when they are more than the cores it sends whoever waits to sleep at once. llama.cpp waits a thousand times a token:
    after two threads of PyTorch on two cores it took three times as long.

    The block must be left on the thread that computed, outside of any parallel region, and not in the child of a fork
    that copied such threads. Where there is no such library, or one from before OpenMP 5.0 (section 3.2.44), nothing is
    done.
    """
    try:
        yield
    finally:
        if (library := _loaded_openmp()) is not None and hasattr(library, "omp_pause_resource_all"):
            library.omp_pause_resource_all(_SOFTLY)


def _loaded_openmp() -> Any:
    """GNU's OpenMP library if this process has loaded it, else None."""
    if not hasattr(os, "RTLD_NOLOAD"):
        return None
    try:
        return ctypes.CDLL(_OPENMP, mode=os.RTLD_NOLOAD)
    except OSError:
        return None


def is_gguf(path: Path) -> bool:
    """Whether the file starts as the GGUF specification demands (magic, version 2 or 3)."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return False
    return head[:4] == _MAGIC and int.from_bytes(head[4:8], "little") in (2, 3)


def start_server(
    path: Path,
    *,
    context: int,
    threads: int,
    slots: int = 1,
    embedding: bool = False,
    adapters: Sequence[Path] = (),
    api_key: str = "",
) -> Any:
    """Load a GGUF into a llama.cpp server living in this process.

    The server cannot be kept from listening on a loopback port, so that port is locked with a key.

    Args:
        path: the model file; check it with `is_gguf` first.
        context: tokens of context per slot.
        threads: worker threads for prompt and generation.
        slots: sequences served side by side, each with its own prompt cache.
        embedding: serve embeddings (mean-pooled) instead of text.
        adapters: LoRA files, loaded but not applied; a request names those it wants.
        api_key: what HTTP requests must present; by default a random one that nobody is told.

    Raises:
        RuntimeError: llama.cpp refused the file or an adapter.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context * slots
    params.n_parallel = slots
    params.n_batch = params.n_ubatch = context if embedding else min(context, _BATCH)
    params.embedding = embedding
    params.verbosity = -1
    params.fit_params = False  # fitting to video memory loads the file twice
    params.cache_ram_mib = 0  # else up to 8 GiB of finished prompts are kept
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads = threads
    params.port = 0
    params.api_keys = [api_key or secrets.token_urlsafe(24)]
    params.endpoint_slots = params.endpoint_props = params.ui = False
    if adapters:
        params.lora_init_without_apply = True
        params.lora_adapters = [_lora(xllamacpp, adapter) for adapter in adapters]
    with _signals_kept():
        return xllamacpp.Server(params)


def _lora(xllamacpp: Any, path: Path) -> Any:
    info = xllamacpp.CommonAdapterLoraInfo()
    info.path = str(path)
    info.scale = 0.0
    return info


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Undo that a starting server takes over Ctrl-C and SIGTERM for the whole process.

    `signal.signal` would do but works on the main thread only; what it calls works on any.
    """
    get, put = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get.restype = put.restype = ctypes.c_void_p
    get.argtypes, put.argtypes = (ctypes.c_int,), (ctypes.c_int, ctypes.c_void_p)
    with _starting:
        kept = {number: get(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                put(number, handler)
