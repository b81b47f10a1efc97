"""ONNX Runtime: prediction alone, of a graph of `Gemm` nodes."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

from deltarule.benchmark import cases, inputs
from deltarule.benchmark.peers.model import BaseModel
from deltarule.layers import Array

WORKS = ("predict",)

_HIDDEN = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
_OUTPUT = {"identity": "Identity", "softmax": "Softmax", "sigmoid": "Sigmoid"}


def model(case: cases.Case) -> bytes:
    """Return the network as a file."""
    nodes, values, current = [], [], "x"
    last = len(case.sizes) - 2
    for i, (w, b) in enumerate(zip(*inputs.parameters(case), strict=True)):
        values += [numpy_helper.from_array(w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        function = _OUTPUT[case.output] if i == last else _HIDDEN[case.hidden]
        nodes.append(helper.make_node("Gemm", [current, f"w{i}", f"b{i}"], [f"z{i}"], transB=1))
        nodes.append(helper.make_node(function, [f"z{i}"], [f"a{i}"]))
        current = f"a{i}"
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(case.dtype))
    x = helper.make_tensor_value_info("x", kind, ["n", case.sizes[0]])
    y = helper.make_tensor_value_info(current, kind, ["n", case.sizes[-1]])
    graph = helper.make_graph(nodes, "mlp", [x], [y], values)
    opset = helper.make_opsetid("", 17)
    whole = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    return bytes(whole.SerializeToString())


class Model(BaseModel):
    """One call of `InferenceSession.run`."""

    def __init__(self, case: cases.Case, rate: float) -> None:
        super().__init__(case, rate)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        self._session = onnxruntime.InferenceSession(
            model(case), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, x: Array) -> Array:
        """Return the outputs."""
        outputs: Array = self._session.run(None, {"x": x})[0]
        return outputs
