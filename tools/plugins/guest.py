"""A LangChain tool of others, called in the one way that the agent calls tools.

Imported only when there is one: langchain_core takes its time.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool

MOST_TEXT = 20_000  # characters
LONGEST_ERROR = 500  # characters
_LOOK = 0.1  # seconds between two looks at whether the user wants to stop


def is_async_only(tool: BaseTool) -> bool:
    """Whether a tool made of functions was given no synchronous one."""
    return getattr(tool, "coroutine", None) is not None and getattr(tool, "func", None) is None


class Guest(BaseTool):
    """Called synchronously, with arguments that the tool itself checks; gives bounded text and no artifact.

    Attributes:
        inner: the tool.
        cancelled: whether the user asked to stop; an asynchronous tool is then cancelled.
    """

    inner: BaseTool
    cancelled: Callable[[], bool]
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"

    @classmethod
    def of(cls, tool: BaseTool, cancelled: Callable[[], bool]) -> Guest:
        """The tool as a guest; its schema in JSON, whichever pydantic it was written with."""
        function = convert_to_openai_tool(tool)["function"]
        return cls(
            name=tool.name,
            description=function.get("description") or tool.name,
            args_schema=function.get("parameters") or {"type": "object", "properties": {}},
            inner=tool,
            cancelled=cancelled,
        )

    def _run(self, /, **arguments: Any) -> tuple[str, dict[str, Any]]:
        call = {"name": self.name, "args": arguments, "id": uuid.uuid4().hex, "type": "tool_call"}
        try:
            result = self._result(call)
        except ToolException:
            raise
        except Exception as error:  # any code may stand behind a tool; the model can often mend the arguments
            raise ToolException(f"{type(error).__name__}: {str(error)[:LONGEST_ERROR]}") from error
        content = result.content if isinstance(result, ToolMessage) else result
        if isinstance(result, ToolMessage) and result.status == "error":
            raise ToolException(_bounded(_text(content)))
        return _bounded(_text(content)), {}

    def _result(self, call: dict[str, Any]) -> Any:
        if is_async_only(self.inner):
            return self._awaited(call)
        try:
            return self.inner.invoke(call)
        except NotImplementedError:  # how a tool says that it is asynchronous only
            return self._awaited(call)

    def _awaited(self, call: dict[str, Any]) -> Any:
        """Run the asynchronous tool on a thread, as this one may have an event loop already."""
        done: Future[Any] = Future()
        context = contextvars.copy_context()

        async def watched() -> Any:
            task = asyncio.ensure_future(self.inner.ainvoke(call))
            while not task.done():
                await asyncio.wait([task], timeout=_LOOK)
                if context.run(self.cancelled) and not task.done():
                    task.cancel()
                    await asyncio.wait([task], timeout=1)
                    raise ToolException("Stopped, as the user asked.")
            return task.result()

        def drive() -> None:
            try:
                done.set_result(asyncio.run(watched()))
            except BaseException as error:  # raised again where the result is waited for
                done.set_exception(error)

        threading.Thread(target=drive, name=f"tool {self.name}", daemon=True).start()
        return done.result()


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [
            part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict)
        ]
        if parts and all(isinstance(part, str) for part in parts):
            return "\n".join(map(str, parts))
    return json.dumps(content, ensure_ascii=False, default=str)


def _bounded(text: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:MOST_TEXT]}\n(first {MOST_TEXT:,} of {len(text):,} characters)"
