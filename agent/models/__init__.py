"""Language models of every provider, behind one function.

Example:
    from agent.models import build_chat_model

    model = build_chat_model("local:default")
    for chunk in model.stream("Name three rivers."):
        print(chunk.text, end="")
"""

from agent.models.registry import build_chat_model

__all__ = ["build_chat_model"]
