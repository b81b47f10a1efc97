"""The bytes of what the core computes on a case."""

from __future__ import annotations

import numpy as np

import deltarule as dr
from cases import Case

SGD = dr.SGD(lr=0.05, momentum=0.9, weight_decay=0.001)


def results(case: Case, threads: int, isa: str) -> dict[str, bytes]:
    """Return the bytes of everything the core computes on a case."""
    dr.set_isa(isa)
    net, (x, y, weight) = case.network(), case.data()
    value, grads = net.value_and_grad(x, y, sample_weight=weight, threads=threads)
    out = {
        "predict": net.predict(x, threads=threads).tobytes(),
        "evaluate": np.float64(net.evaluate(x, y, sample_weight=weight, threads=threads)).tobytes(),
        "value": np.float64(value).tobytes(),
        "gradient": grads.theta.tobytes(),
    }
    optimizer = SGD if case.reduction == "mean" else dr.SGD(lr=0.05 / case.batch, momentum=0.5)
    history = net.fit(
        x, y, epochs=2, batch_size=max(1, case.batch // 2 + 1), optimizer=optimizer,
        sample_weight=weight, validation_data=(x, y), threads=threads,
    )  # fmt: skip
    out["losses"] = np.array([history.loss, history.validation_loss]).tobytes()
    out["theta"] = net.theta.tobytes()
    return out
