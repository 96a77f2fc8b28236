"""A page of the workbench as its tests use it: drawn, clicked, and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from agent.config import Settings
from ui import app_desk
from ui.desk import Desk


class Page:
    """A tab of the browser at a page, and the desk behind it."""

    def __init__(self, script: Callable[[], None], desk: Desk) -> None:
        self.desk = desk
        self.at = AppTest.from_function(script, default_timeout=120)

    def run(self) -> Page:
        self.at.run()
        assert not self.at.exception, self.at.exception
        return self

    def show(self, section: str) -> Page:
        """Choose what is shown by the control at the top."""
        self.at.segmented_control[0].set_value(section)
        return self.run()

    def click(self, label: str) -> Page:
        next(button for button in self.at.button if button.label.startswith(label)).click()
        return self.run()

    def field(self, label: str) -> Any:
        """The first widget of that label."""
        kinds = (self.at.text_input, self.at.text_area, self.at.selectbox, self.at.checkbox, self.at.number_input)
        return next(one for kind in kinds for one in kind if one.label.startswith(label))

    @property
    def html(self) -> str:
        return "\n".join(element.value for element in self.at.get("html"))

    @property
    def text(self) -> str:
        """All that is said outside of HTML."""
        kinds = (
            self.at.markdown,
            self.at.caption,
            self.at.info,
            self.at.success,
            self.at.warning,
            self.at.error,
            self.at.header,
            self.at.subheader,
            self.at.title,
        )
        return "\n".join(str(one.value) for kind in kinds for one in kind)

    @property
    def charts(self) -> list[str]:
        """What every chart says in words, for those who cannot see it."""
        return [str(element.proto.alt) for element in self.at.get("vega_lite_chart")]


@contextmanager
def opened(script: Callable[[], None], settings: Settings, patch: pytest.MonkeyPatch, **how: Any) -> Iterator[Page]:
    """A page over a desk of these settings."""
    st.cache_data.clear()
    st.cache_resource.clear()
    desk = Desk(settings, **how)
    patch.setattr(app_desk, "open_desk", lambda: desk)
    try:
        yield Page(script, desk)
    finally:
        st.cache_resource.clear()
        desk.close()
