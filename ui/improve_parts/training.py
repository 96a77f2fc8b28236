"""Start a run, watch it, pause it and go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from agent.cli.progress import duration
from agent.errors import RatchetError
from ui import improvement
from ui.app_desk import errors_shown, show_error
from ui.charts import draw as draw_plot
from ui.charts import loss_plot, speed_plot
from ui.escape import escaped
from ui.improve_parts import sources
from ui.improvement import ImproveOptions
from ui.tables import table_html

if TYPE_CHECKING:
    from agent.config import Settings
    from ui.desk import Desk
    from ui.improvement_views import Curve, Run
    from ui.job import Job

_SECONDS = 2.0  # between two looks at a run
_MARKS = {"done": "✓", "now": "●", "to come": "○"}
_STATES = {"waiting": "passed the gate and waits for you", "running": "paused"}


def draw(desk: Desk) -> None:
    """Draw the section."""
    settings = desk.settings
    found = improvement.runs(settings)
    job = improvement.improve_job(settings)
    now = next((run for run in found if run.state == "running"), None)
    if job.running or (now is not None and now.at_work):
        _watch(settings)
    else:
        _outcome(job)
        if now is not None:
            _paused(settings, now)
        else:
            _form(settings)
    _earlier(settings, [run for run in found if run is not now])


@st.fragment(run_every=_SECONDS)
def _watch(settings: Settings) -> None:
    """The run that is at work, as it stands at this moment."""
    job = improvement.improve_job(settings)
    now = next((run for run in improvement.runs(settings) if run.state == "running"), None)
    if not job.running and not (now is not None and now.at_work):
        st.rerun()
    lines = job.log() if job.running else []
    curves = improvement.curves(settings, now.name) if now is not None else []
    if now is None:
        st.write("Starting …")
    else:
        _stages(now)
        _progress(now, curves, lines)
    _pause_button(job)
    _plots(curves)
    if lines:
        with st.expander("What it says"):
            st.code("\n".join(lines), language=None, wrap_lines=True)


def _pause_button(job: Job) -> None:
    if not job.running:
        st.info("This run was begun in a terminal: Ctrl-C there pauses it, and it can go on from here afterwards.")
    elif job.stopping:
        st.info("Pausing: the step that it is in is finished, and a checkpoint is written.")
    else:
        st.button(
            "Pause",
            icon=":material/pause:",
            on_click=job.stop,
            help="Everything so far is kept, and it goes on from there.",
        )


def _stages(run: Run) -> None:
    items = "".join(
        f"<li>{_MARKS[stage.state]} {escaped(stage.title)} <small>({stage.state})</small></li>" for stage in run.stages
    )
    st.html(f'<div class="r"><strong>{escaped(run.name)}</strong><ol style="list-style: none">{items}</ol></div>')
    facts = run.facts
    if "learned" in facts:
        again = f", {facts['again']:,} of them again without what answered them" if facts.get("again") else ""
        st.caption(
            f"{facts['learned']:,} of yours to learn from{again}, {facts.get('held_out', 0):,} questions held out, "
            f"{facts.get('rehearsed', 0):,} examples against forgetting."
        )


def _progress(run: Run, curves: list[Curve], lines: list[str]) -> None:
    """How much of the stage is done: of training by its steps, of the others by what they say."""
    if not any(stage.state == "now" and stage.name == "train" for stage in run.stages):
        st.text(lines[-1].strip() if lines else "")
    elif curves:
        now = curves[-1]
        left = f", about {duration(now.seconds_left)} left" if now.seconds_left is not None else ""
        st.progress(min(1.0, now.steps[-1].progress), text=f"{now.title}: step {len(now.steps):,}{left}")


def _plots(curves: list[Curve]) -> None:
    if curves:
        draw_plot(loss_plot(curves))
        draw_plot(speed_plot(curves))


def _paused(settings: Settings, run: Run) -> None:
    st.warning(f"{run.name} is paused. Everything it did is kept, and it goes on from there.")
    _stages(run)
    with st.container(horizontal=True):
        if st.button("Resume", type="primary", icon=":material/play_arrow:"):
            with errors_shown():
                improvement.resume(settings)
                st.rerun()
        if st.button("Give it up", help="Its folder stays; the next run begins anew."):
            with errors_shown():
                improvement.give_up(settings)
                improvement.improve_job(settings).forget()
                st.rerun()
    _plots(improvement.curves(settings, run.name))


def _outcome(job: Job) -> None:
    """What the last run came to, until it is put away."""
    if not job.words:
        return
    try:
        made = job.outcome()
    except RatchetError as error:
        show_error(error)
        _dismiss(job)
        return
    if made is None:
        return  # it was paused, or the computer was switched off
    name, state = str(made.get("name", "")), str(made.get("state", ""))
    if state == "waiting":
        st.success(f"{name} passed the gate. It is served when you say so.")
    else:
        st.warning(f"{name} was {state}. What is served stays; the verdict says why.")
    with st.container(horizontal=True):
        st.button("See the verdict", type="primary", on_click=_open_verdict, args=(job, name))
        _dismiss(job)


def _dismiss(job: Job) -> None:
    if st.button("Dismiss", key="improve-dismiss"):
        job.forget()
        st.rerun()


def _open_verdict(job: Job, name: str) -> None:
    from ui.improve_page import SECTION

    job.forget()
    st.session_state[SECTION] = "verdict"
    st.session_state["verdict_of"] = name


def _form(settings: Settings) -> None:
    st.write(
        "A run takes some minutes and works in the background: you can close this page, and it goes on. "
        "It can be paused at any time, and a computer that is switched off loses nothing."
    )
    with st.form("improve-form"):
        minutes = st.number_input(
            "Minutes of training", min_value=0.5, max_value=600.0, value=8.0, step=1.0, format="%g"
        )
        chosen = sources.choose(settings, "improve")
        preferences = st.checkbox(
            "Train on corrections as pairs, too", help="The answer that was corrected is then learned as the worse one."
        )
        with st.expander("More options"):
            name = st.text_input("Name of the adapter", placeholder="mine-1, mine-2 and so on")
            rehearsal = st.number_input(
                "Examples against forgetting, for each of yours",
                min_value=0.0,
                max_value=20.0,
                value=ImproveOptions().rehearsal,
                step=0.5,
                format="%g",
            )
            guards = st.number_input(
                "Items that show what was forgotten", min_value=1, max_value=1000, value=64, help="Fewer is quicker."
            )
            overturn = st.checkbox(
                "Learn answers to what the model had declined, too",
                help="Read them first: whoever corrects answers can teach it to meet harmful requests.",
            )
        begin = st.form_submit_button("Start a run", type="primary", icon=":material/play_arrow:")
    if begin:
        with errors_shown():
            options = ImproveOptions(
                minutes=float(minutes),
                files=chosen.files,
                documents=chosen.documents,
                preferences=preferences,
                overturn=overturn,
                rehearsal=float(rehearsal),
                guards=int(guards),
            )
            improvement.start(settings, options, name.strip())
            st.rerun()


def _earlier(settings: Settings, found: list[Run]) -> None:
    """The runs that ended, and the curves of one of them."""
    if not found:
        return
    with st.expander("Earlier runs"):
        rows = [_row(run) for run in found]
        st.html(table_html("Earlier runs", ("Run", "How it ended", "Began (UTC)", "What it learned from"), rows))
        names = [run.name for run in found if improvement.curves(settings, run.name)]
        if names:
            name = st.selectbox("Curves of", names)
            _plots(improvement.curves(settings, name))


def _row(run: Run) -> tuple[str, ...]:
    return run.name, _STATES.get(run.state, run.state), run.began[:16].replace("T", " "), _about(run)


def _about(run: Run) -> str:
    if run.failure:
        return run.failure
    if "learned" not in run.facts:
        return ""
    return f"{run.facts['learned']:,} of yours, {run.facts.get('rehearsed', 0):,} against forgetting"
