"""Whether a tool call may run, must be asked for, or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tools.spec import Risk, ToolSpec

Permission = Literal["allow", "ask", "deny"]
SAFE: Mapping[Risk, Permission] = {"read": "allow", "write": "ask", "execute": "ask", "network": "ask"}


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user allows, the same in every front end.

    Attributes:
        by_risk: permission of every tool of a risk.
        by_tool: permission of single tools, which goes before that of their risk.
    """

    by_risk: Mapping[Risk, Permission] = field(default_factory=lambda: dict(SAFE))
    by_tool: Mapping[str, Permission] = field(default_factory=dict)

    def of(self, spec: ToolSpec) -> Permission:
        """What the settings say of a tool."""
        return self.by_tool.get(spec.name, self.by_risk.get(spec.risk, SAFE[spec.risk]))

    def verdict(self, spec: ToolSpec, *, tainted: bool, granted: bool) -> Permission:
        """What holds for a call now.

        Args:
            spec: the tool.
            tainted: text that neither the user nor Ratchet wrote is before the model; a side effect must then be
                asked for whatever is allowed, since that text may be what asks for it.
            granted: the user has allowed the tool for the rest of the thread.
        """
        chosen = self.of(spec)
        if chosen == "deny":
            return "deny"
        if spec.always_ask or (tainted and spec.has_effects):
            return "ask"
        return "allow" if granted else chosen
