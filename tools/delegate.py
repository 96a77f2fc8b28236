"""Hands a research question to a second agent, which has a context of its own and may only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from tools.spec import ToolSpec

if TYPE_CHECKING:
    from tools.resources import Resources

NAME = "delegate"
LONGEST_TASK = 4000  # characters
LONGEST_ANSWER = 20_000  # characters
MOST_TOOLS = 16


def build(resources: Resources) -> list[ToolSpec]:
    """The tool; none where no agent can be made, as within a sub-agent."""
    run = resources.delegate
    if run is None:
        return []
    from langchain_core.tools import ToolException, tool

    @tool
    def delegate(
        task: str,
        tools: Annotated[list[str], "names of the tools that only read which it may use"],
    ) -> str:
        """Give a research question to a helper agent that starts with nothing but this task."""
        question = task.strip()
        if not question:
            raise ToolException("The task is empty; say what is to be found out, with all that is needed to know.")
        if len(question) > LONGEST_TASK:
            raise ToolException(f"A task may have {LONGEST_TASK:,} characters, this has {len(question):,}.")
        names = list(dict.fromkeys(name.strip() for name in tools))
        if NAME in names:
            raise ToolException("A helper cannot delegate further; leave that tool out.")
        if not names or not all(names) or len(names) > MOST_TOOLS:
            raise ToolException(f"Name 1 to {MOST_TOOLS} tools that the helper may use.")
        try:
            answer = run(question, names).strip()
        except (KeyError, ValueError) as error:  # a tool that there is not, or that does more than read
            raise ToolException(str(error.args[0]) if error.args else str(error)) from error
        if not answer:
            raise ToolException("The helper found no answer.")
        if len(answer) > LONGEST_ANSWER:
            return f"{answer[:LONGEST_ANSWER]}\n(first {LONGEST_ANSWER:,} of {len(answer):,} characters)"
        return answer

    # Its answer is made of what it read, which may be anybody's text.
    return [ToolSpec(delegate, "read", untrusted=True, hints=lambda question: None)]
