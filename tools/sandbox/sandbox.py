"""A program is run by the best tier that this machine offers, or not at all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tools.sandbox import interpreter, job, landlock, results, runner, tiers
from tools.sandbox.limits import Limits
from tools.sandbox.runner import Run
from tools.sandbox.tiers import TIERS, Place, Tier


class SandboxError(Exception):
    """The sandbox could not be set up; no foreign code has run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program did.

    Attributes:
        run: what it wrote, and how it ended.
        report: its error, value, table and images.
    """

    run: Run
    report: results.Report


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A tier that works here.

    Attributes:
        tier: which.
        abi: the version of Landlock to rely on; default: all that the kernel has.
    """

    tier: Tier
    abi: int = field(default_factory=landlock.version)

    def run(
        self,
        code: str,
        allowed: Limits | None = None,
        *,
        workspace: Path | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Run Python code in a fresh, empty working folder that is gone afterwards.

        Args:
            code: the program.
            allowed: what it may take.
            workspace: a folder it may read, as `workspace` in its working folder.
            cancelled: asked many times a second; once true, the program is ended.

        Raises:
            SandboxError: the sandbox cannot be set up.
        """
        allowed = allowed or Limits()
        user = tiers.foreign_user()
        python = interpreter.find(user)
        if python is None:
            raise SandboxError("no Python is installed where the sandbox could use it")
        try:
            with job.folder(user) as folder:
                note = ""
                workspace = workspace.resolve() if workspace is not None and workspace.is_dir() else None
                if workspace is not None and user is not None:
                    (folder / "shown").mkdir()
                    note = job.snapshot(workspace, folder / "shown")
                    workspace = folder / "shown"
                outcome = self._run(code, allowed, Place(folder, user, python, workspace), cancelled)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise SandboxError(f"the sandbox could not be set up: {error}") from error
        if not outcome.report.ready and not outcome.run.ending:
            said = outcome.run.errors.kept.decode(errors="replace").strip().splitlines() or ["no reason was given"]
            raise SandboxError(f"the sandbox could not be set up: {said[-1]}")
        if note:
            outcome.report.notes.append(note)
        return outcome

    def _run(self, code: str, allowed: Limits, place: Place, cancelled: Callable[[], bool]) -> Outcome:
        plan = tiers.plan(self.tier, place, allowed, self.abi)
        reading, writing = os.pipe()
        try:
            order = plan.order | {"code": code, "channel": writing, "figures": results.MOST_FIGURES}
            job.hand_over(place.folder, order, place.user)
        except BaseException:
            os.close(reading)
            os.close(writing)
            raise
        start = runner.Start(plan.command, writing, place.user, plan.environment)
        run = runner.run(start, reading, allowed, plan.space, cancelled)
        return Outcome(run, results.read(bytes(run.channel.kept)))


@cache
def find() -> tuple[Sandbox | None, str]:
    """The best tier that works here, or None; and why the better ones do not. Found out once."""
    reasons: list[str] = []
    for tier in TIERS:
        reason = tiers.why_not(tier)
        if not reason:
            return Sandbox(tier), "; ".join(reasons)
        reasons.append(reason)
    return None, "; ".join(reasons)
