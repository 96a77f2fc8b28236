"""all-MiniLM-L6-v2 as a graph for ONNX Runtime: the tokens of one text in, its unit vector out.

BERT (https://arxiv.org/abs/1810.04805) with six layers, the mean of the last layer's states, and a
division by its length; model: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2. The fused
operators are ONNX Runtime's own (its docs/ContribOperators.md).

A graph takes one text, not a batch. So nothing is padded, and the range by which `DynamicQuantizeMatMul`
rounds the activations is that of the text alone: its vector does not depend on what is embedded with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LAYERS, HEADS, DIMENSION = 6, 12, 384
# Processors with AVX2 alone add two products, each of an unsigned and a signed byte, in 16 bits, which saturate at
# 255 * 128. So two neighbours in a column of weights sum up to 128 at most, and every processor computes the same.
_LARGEST_WEIGHT, _LARGEST_PAIR = 127, 127
# Of [CLS] a few values are always many times larger than all others, and would set the rounding step of a whole text.
# They are divided by these powers of two, and the weights they meet multiplied.
_LOUD_STATES = {99: 2}
_LOUD_AFTER_ATTENTION = {99: 4, 63: 2, 127: 2, 157: 2, 223: 2, 319: 2}
_OPSET, _IR_VERSION = 17, 9
_CONTRIB = "com.microsoft"
_EPSILON = 1e-12


def build_graph(weights: Mapping[str, np.ndarray], *, quantized: bool = True) -> bytes:
    """The serialized ONNX model; the same weights always give the same bytes.

    Input `ids`: int64 [1, tokens], at most 512 of them. Output `vector`: float32 [1, 384].

    Args:
        weights: tensors by their names in the published file.
        quantized: multiply in int8; else in float32.

    Raises:
        KeyError: a tensor is missing.
    """
    graph = _Graph(weights, quantized)
    states = graph.embedded()
    for number in range(LAYERS):
        states = graph.layer(states, number)
    graph.pooled(states)
    return graph.serialized()


class _Graph:
    """Nodes and constants as they are added; every method returns the name of its result."""

    def __init__(self, weights: Mapping[str, np.ndarray], quantized: bool) -> None:
        self._weights, self._quantized = weights, quantized
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def embedded(self) -> str:
        """Words + positions + segment 0, normalized: the states before the first layer."""
        import numpy as np

        prefix = "embeddings."
        # The table is most of the file; float16 halves it and changes no vector by more than 1e-4.
        words = self._constant("words", self._tensor(f"{prefix}word_embeddings.weight").astype(np.float16))
        segment = self._tensor(f"{prefix}token_type_embeddings.weight")[0]
        table = self._constant("positions", self._tensor(f"{prefix}position_embeddings.weight") + segment)
        zero, length = self._constant("zero", np.zeros(1, np.int64)), self._node("Shape", ["ids"], start=1, end=2)
        words = self._node("Cast", [self._node("Gather", [words, "ids"])], to=1)  # 1: float32
        places = self._node("Slice", [table, zero, length])
        return self._normalized(words, self._node("Unsqueeze", [places, zero]), f"{prefix}LayerNorm")

    def layer(self, states: str, number: int) -> str:
        """Self-attention and feed-forward, each added to its input and normalized."""
        prefix = f"encoder.layer.{number}."
        parts = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
        projected = self._linear(states, *parts, loud=_LOUD_STATES)
        attended = self._node("MultiHeadAttention", projected, domain=_CONTRIB, num_heads=HEADS)
        attended = self._linear(attended, f"{prefix}attention.output.dense")[0]
        states = self._normalized(attended, states, f"{prefix}attention.output.LayerNorm")
        widened = self._linear(states, f"{prefix}intermediate.dense", loud=_LOUD_AFTER_ATTENTION)
        wide = self._node("Gelu", widened, domain=_CONTRIB)
        return self._normalized(self._leveled(wide, f"{prefix}output.dense"), states, f"{prefix}output.LayerNorm")

    def pooled(self, states: str) -> None:
        """The mean over the tokens, divided by its length."""
        mean = self._node("ReduceMean", [states], axes=[1], keepdims=0)
        self._node("LpNormalization", [mean], result="vector", axis=-1, p=2)

    def serialized(self) -> bytes:
        """The model, checked."""
        import onnx
        from onnx import TensorProto, helper

        inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])]
        outputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, DIMENSION])]
        graph = helper.make_graph(self._nodes, "all-MiniLM-L6-v2", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="ratchet")
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))

    def _linear(
        self, states: str, *names: str, loud: Mapping[int, int] | None = None, biased: bool = True
    ) -> list[str]:
        """The states through every named matrix."""
        import numpy as np

        if not self._quantized:
            return [self._exact(states, name, biased) for name in names]
        if not loud:
            return [self._rounded(states, name, biased=biased) for name in names]
        factors = np.ones(self._weights[f"{names[0]}.weight"].shape[1], np.float32)
        factors[list(loud)] = list(loud.values())
        states = self._node("Mul", [states, self._constant(f"{names[0]}.quieter", 1 / factors)])
        return [self._rounded(states, name, factors) for name in names]

    def _leveled(self, states: str, name: str) -> str:
        """As `_linear`, each token scaled to 1 and back: here tokens differ most, and this is where it helps most."""
        largest = self._node("ReduceMax", [states], axes=[2], keepdims=1)
        product = self._linear(self._node("Div", [states, largest]), name, biased=False)[0]
        return self._node("Add", [self._node("Mul", [product, largest]), self._bias(name)])

    def _exact(self, states: str, name: str, biased: bool) -> str:
        product = self._node("MatMul", [states, self._constant(f"{name}.weight", self._tensor(f"{name}.weight").T)])
        return self._node("Add", [product, self._bias(name)]) if biased else product

    def _rounded(self, states: str, name: str, factors: np.ndarray | None = None, *, biased: bool = True) -> str:
        """A product in int8, one scale for each column of the matrix."""
        import numpy as np

        matrix = self._tensor(f"{name}.weight").T
        matrix = matrix if factors is None else matrix * factors[:, np.newaxis]
        sizes = np.abs(matrix)
        pairs = sizes[0::2] + sizes[1::2]
        scale = np.maximum(sizes.max(axis=0) / _LARGEST_WEIGHT, pairs.max(axis=0) / _LARGEST_PAIR).astype(np.float32)
        inputs = [
            states,
            self._constant(f"{name}.weight", np.round(matrix / scale).astype(np.int8)),
            self._constant(f"{name}.scale", scale),
            self._constant(f"{name}.zero", np.zeros(scale.shape, np.int8)),
            *([self._bias(name)] if biased else []),
        ]
        return self._node("DynamicQuantizeMatMul", inputs, domain=_CONTRIB)

    def _bias(self, name: str) -> str:
        return self._constant(f"{name}.bias", self._tensor(f"{name}.bias"))

    def _normalized(self, new: str, old: str, name: str) -> str:
        factors = [self._constant(f"{name}.{part}", self._tensor(f"{name}.{part}")) for part in ("weight", "bias")]
        return self._node("SkipLayerNormalization", [new, old, *factors], domain=_CONTRIB, epsilon=_EPSILON)

    def _tensor(self, name: str) -> np.ndarray:
        import numpy as np

        return self._weights[name].astype(np.float32)

    def _constant(self, name: str, values: np.ndarray) -> str:
        import numpy as np
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, kind: str, inputs: list[str], *, result: str = "", domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        result = result or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [result], name=result, domain=domain, **attributes))
        return result
