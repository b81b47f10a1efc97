"""Every operation of the public API, in one table, to be tried where something is short."""

from __future__ import annotations

import copy
import io
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import deltarule as dr
from deltarule import reference

Array = np.ndarray[Any, Any]
MOMENTUM = dr.SGD(lr=1e-4, momentum=0.9)


def squared_error(t: Array, y_hat: Array) -> Array:
    difference: Array = y_hat - t
    return 0.5 * (difference * difference).sum(axis=1)


def squared_error_slope(t: Array, y_hat: Array) -> Array:
    return y_hat - t


@dataclass
class Subject:
    """A network, what it computes on, and a folder; each operation gets a copy of the network."""

    net: dr.MLP
    x: Array
    y: Array
    _folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    def __post_init__(self) -> None:
        self.folder = self._folder.name
        os.chmod(self.folder, 0o777)  # for the user that a test becomes
        self.few = slice(0, min(9, len(self.x)))
        self.theta = self.net.theta
        self.labels = np.arange(len(self.x)) % 3
        self.place = os.path.join(self.folder, "net.safetensors")
        self.net.save(self.place)

    def but(self, **changes: Any) -> dr.MLP:
        """Return a small network on the same inputs and outputs, with other options."""
        n_in, *_, n_out = self.net.sizes
        return dr.MLP([n_in, 5, n_out], seed=1, **changes)

    def again(self) -> object:
        """Train with checkpoints, and go on from the first to the end."""
        folder = tempfile.mkdtemp(dir=self.folder)
        place = os.path.join(folder, "{epoch}.safetensors")
        net = self.but()
        checkpoint = dr.Checkpoint(place, every=1, keep=2)
        net.fit(self.x, self.y, epochs=2, checkpoint=checkpoint, optimizer=MOMENTUM)
        resumed, history = dr.resume(os.path.join(folder, min(os.listdir(folder))), self.x, self.y)
        return net.theta, resumed.theta, history.loss

    def batches(self) -> Iterable[tuple[Array, Array]]:
        return [(self.x[self.few], self.y[self.few])] * 2


@dataclass(frozen=True)
class Operation:
    """One call; trains: whether it changes the network it is given, and how far may depend."""

    run: Callable[[dr.MLP, Subject], object]
    trains: bool = False


def _trains(run: Callable[[dr.MLP, Subject], object]) -> Operation:
    return Operation(lambda net, s: (run(net, s), net.theta), trains=True)


def _unseen(call: Callable[[], object]) -> None:
    with redirect_stdout(io.StringIO()):
        call()


def _plot(history: dr.History) -> object:
    import matplotlib.figure

    return len(history.plot(ax=matplotlib.figure.Figure().subplots()).lines)


def _estimator(name: str, **options: Any) -> Any:
    import deltarule.sklearn

    return getattr(deltarule.sklearn, name)(
        hidden_layer_sizes=5, max_iter=2, random_state=0, **options
    )


# By the name in the API; after a comma, in which way.
OPERATIONS: dict[str, Operation] = {
    "MLP": Operation(lambda net, s: dr.MLP(net.sizes, seed=2).theta),
    "MLP.sizes": Operation(lambda net, s: net.sizes),
    "MLP.hidden": Operation(lambda net, s: net.hidden),
    "MLP.output": Operation(lambda net, s: net.output),
    "MLP.loss": Operation(lambda net, s: net.loss),
    "MLP.reduction": Operation(lambda net, s: net.reduction),
    "MLP.dtype": Operation(lambda net, s: net.dtype.name),
    "MLP.leaky_slope": Operation(lambda net, s: net.leaky_slope),
    "MLP.huber_delta": Operation(lambda net, s: net.huber_delta),
    "MLP.n_parameters": Operation(lambda net, s: net.n_parameters),
    "MLP.history": Operation(lambda net, s: net.history and net.history.loss),
    "MLP.summary": Operation(lambda net, s: net.summary()),
    "MLP.theta": Operation(lambda net, s: net.theta),
    "MLP.theta, set": _trains(lambda net, s: setattr(net, "theta", s.theta)),
    "MLP.weights": Operation(lambda net, s: [W.copy() for W in net.weights]),
    "MLP.biases": Operation(lambda net, s: [b.copy() for b in net.biases]),
    "MLP.W": Operation(lambda net, s: net.W[1].copy()),
    "MLP.b": Operation(lambda net, s: net.b[1].copy()),
    "MLP.set_parameters": _trains(lambda net, s: net.set_parameters(s.net.weights, s.net.biases)),
    "MLP.predict": Operation(lambda net, s: net.predict(s.x)),
    "MLP.predict, one sample": Operation(lambda net, s: net.predict(s.x[0])),
    "MLP.predict, out": Operation(
        lambda net, s: net.predict(s.x, out=np.empty((len(s.x), net.sizes[-1]), net.dtype))
    ),
    "MLP.predict, of doubles": Operation(lambda net, s: net.predict(s.x.astype("f8"))),
    "MLP.evaluate": Operation(lambda net, s: net.evaluate(s.x, s.y)),
    "MLP.value_and_grad": Operation(lambda net, s: net.value_and_grad(s.x, s.y)),
    "MLP.activations": Operation(lambda net, s: list(net.activations(s.x))),
    "MLP.forward_propagation": Operation(
        lambda net, s: list(net.forward_propagation(s.x[s.few]).a)
    ),
    "MLP.back_propagation": Operation(
        lambda net, s: list(
            net.back_propagation(net.forward_propagation(s.x[s.few]), s.y[s.few]).delta
        )
    ),
    "MLP.input_gradient": Operation(lambda net, s: net.input_gradient(s.x, s.y)),
    "MLP.jacobian": Operation(lambda net, s: net.jacobian(s.x[s.few])),
    "MLP.jacobian, by theta": Operation(lambda net, s: net.jacobian(s.x[:2], wrt="theta")),
    "MLP.per_sample_gradients": Operation(
        lambda net, s: net.per_sample_gradients(s.x[s.few], s.y[s.few])
    ),
    "MLP.jvp": Operation(lambda net, s: net.jvp(s.x, s.x)),
    "MLP.vjp": Operation(lambda net, s: net.vjp(s.x, s.y)),
    "MLP.vjp, by theta": Operation(lambda net, s: net.vjp(s.x, s.y, wrt="theta")),
    "MLP.hvp": Operation(lambda net, s: net.hvp(s.x, s.y, s.theta)),
    "MLP.gauss_newton_vp": Operation(lambda net, s: net.gauss_newton_vp(s.x, s.y, s.theta)),
    "MLP.trace": Operation(lambda net, s: str(net.trace(s.x[s.few], s.y[s.few]))),
    "MLP.verify": Operation(lambda net, s: s.but().verify(s.x[:2], s.y[:2]).ok),
    "check_gradients": Operation(lambda net, s: dr.check_gradients(s.but(), s.x[:2], s.y[:2])),
    "MLP.train_step": _trains(lambda net, s: net.train_step(s.x, s.y, optimizer=MOMENTUM)),
    "MLP.train_step, clipped": _trains(
        lambda net, s: net.train_step(s.x, s.y, optimizer=dr.AdamW(1e-3, max_norm=0.1))
    ),
    "MLP.fit": _trains(lambda net, s: net.fit(s.x, s.y, epochs=2, optimizer=MOMENTUM).loss),
    "MLP.fit, all at once": _trains(
        lambda net, s: net.fit(s.x, s.y, epochs=1, batch_size=None, optimizer=MOMENTUM).loss
    ),
    "MLP.fit, with everything": _trains(
        lambda net, s: (
            net.fit(
                s.x,
                s.y,
                epochs=3,
                optimizer=dr.Adam(lr=1e-3),
                schedule=dr.schedules.Cosine(1e-3, 3),
                validation_split=0.2,
                early_stopping=dr.EarlyStopping(patience=1),
                metrics=["mae"],
                dropout=0.1,
                callbacks=lambda record: None,
            ).loss
        )
    ),
    "MLP.fit, a stream": _trains(
        lambda net, s: net.fit(s.batches(), epochs=1, optimizer=MOMENTUM).loss
    ),
    "MLP.gradient_descent": _trains(
        lambda net, s: net.gradient_descent(s.x, s.y, lr=1e-4, max_iterations=2)
    ),
    "LBFGS": Operation(
        lambda net, s: (
            s.but(dtype="float64")
            .fit(s.x, s.y, epochs=2, optimizer=dr.LBFGS(), batch_size=None)
            .loss
        )
    ),
    "LevenbergMarquardt": Operation(
        lambda net, s: (
            s.but(dtype="float64")
            .fit(
                s.x[s.few], s.y[s.few], epochs=2, optimizer=dr.LevenbergMarquardt(), batch_size=None
            )
            .loss
        )
    ),
    "CustomLoss": Operation(
        lambda net, s: (
            s.but(loss=dr.CustomLoss(squared_error, squared_error_slope))
            .fit(s.x, s.y, epochs=1, optimizer=MOMENTUM)
            .loss
        )
    ),
    "CustomActivation": Operation(
        lambda net, s: (
            s.but(hidden=dr.CustomActivation(np.tanh, lambda z, a: 1 - a * a))
            .fit(s.x, s.y, epochs=1, optimizer=MOMENTUM)
            .loss
        )
    ),
    "MLP.save": Operation(lambda net, s: net.save(s.place)),
    "load": Operation(lambda net, s: dr.load(s.place).theta),
    "Checkpoint": Operation(lambda net, s: s.again()),
    "resume": Operation(lambda net, s: s.again()),
    "copy": Operation(lambda net, s: copy.deepcopy(net).theta),
    "pickle": Operation(lambda net, s: pickle.loads(pickle.dumps(net)).theta),
    "fit_many": Operation(
        lambda net, s: [
            one.theta
            for one in dr.fit_many(
                s.x,
                s.y,
                [{"seed": 0}, {"seed": 1}],
                sizes=s.but().sizes,
                epochs=1,
                optimizer=MOMENTUM,
            ).networks
        ]
    ),
    "MLPEnsemble": Operation(lambda net, s: dr.MLPEnsemble([s.but(), s.but()]).predict(s.x)),
    "MLPEnsemble.predict": Operation(
        lambda net, s: dr.MLPEnsemble([s.but(), s.but()]).predict(s.x, return_std=True)
    ),
    "History.to_dict": Operation(
        lambda net, s: s.but().fit(s.x[s.few], s.y[s.few], epochs=2).to_dict()["loss"]
    ),
    "History.plot": Operation(lambda net, s: _plot(s.but().fit(s.x[s.few], s.y[s.few], epochs=2))),
    "load_digits": Operation(lambda net, s: dr.load_digits()),
    "reference": Operation(
        lambda net, s: reference.value_and_grad(
            *reference.unflatten(s.theta, net.sizes),
            s.x[s.few],
            s.y[s.few],
            reference.Network(hidden="tanh"),
        )[0]
    ),
    "get_num_threads": Operation(lambda net, s: dr.get_num_threads() > 0),
    "set_num_threads": Operation(lambda net, s: dr.set_num_threads(dr.get_num_threads())),
    "get_isa": Operation(lambda net, s: dr.get_isa()),
    "set_isa": Operation(lambda net, s: dr.set_isa(dr.get_isa())),
    "set_advice": Operation(lambda net, s: dr.set_advice(False)),
    "show_config": Operation(lambda net, s: _unseen(dr.show_config)),
    "sklearn.MLPClassifier.fit": Operation(
        lambda net, s: _estimator("MLPClassifier").fit(s.x, s.labels).coefs_
    ),
    "sklearn.MLPClassifier.partial_fit": Operation(
        lambda net, s: (
            _estimator("MLPClassifier").partial_fit(s.x, s.labels, classes=[0, 1, 2]).coefs_
        )
    ),
    "sklearn.MLPClassifier.predict": Operation(
        lambda net, s: _estimator("MLPClassifier").fit(s.x, s.labels).predict(s.x)
    ),
    "sklearn.MLPClassifier.predict_proba": Operation(
        lambda net, s: _estimator("MLPClassifier").fit(s.x, s.labels).predict_proba(s.x)
    ),
    "sklearn.MLPClassifier.predict_log_proba": Operation(
        lambda net, s: _estimator("MLPClassifier").fit(s.x, s.labels).predict_log_proba(s.x)
    ),
    "sklearn.MLPClassifier.score": Operation(
        lambda net, s: _estimator("MLPClassifier").fit(s.x, s.labels).score(s.x, s.labels)
    ),
    "sklearn.MLPRegressor.fit": Operation(
        lambda net, s: _estimator("MLPRegressor").fit(s.x, s.y).coefs_
    ),
    "sklearn.MLPRegressor.partial_fit": Operation(
        lambda net, s: _estimator("MLPRegressor").partial_fit(s.x, s.y).coefs_
    ),
    "sklearn.MLPRegressor.predict": Operation(
        lambda net, s: _estimator("MLPRegressor").fit(s.x, s.y).predict(s.x)
    ),
    "sklearn.MLPRegressor.score": Operation(
        lambda net, s: _estimator("MLPRegressor").fit(s.x, s.y).score(s.x, s.y)
    ),
}
# What they need beyond the package itself.
NEEDS = {
    "sklearn": "sklearn",
    "LBFGS": "scipy",
    "LevenbergMarquardt": "scipy",
    "History.plot": "matplotlib",
}

# Computed by NumPy and other packages rather than by the core. NumPy 2.4.6 itself ends the process
# where an operation of two dtypes gets no memory for its buffers: np.add of float64 and complex128
# under RLIMIT_AS, without this package, raises its MemoryError without holding the GIL.
BEYOND_THE_CORE = (
    "MLP.verify", "check_gradients", "reference", "CustomLoss", "CustomActivation", "LBFGS",
    "LevenbergMarquardt", "History.plot", "sklearn",
)  # fmt: skip


def available() -> dict[str, Operation]:
    """Return the operations whose extras are installed."""
    from importlib.util import find_spec

    missing = tuple(name for name, module in NEEDS.items() if find_spec(module) is None)
    return {name: one for name, one in OPERATIONS.items() if not name.startswith(missing)}


def bits(value: object) -> bytes:
    """Return what an operation gave, as bytes that can be compared."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tobytes()
    if isinstance(value, Mapping):
        return b"".join(bits(part) for part in value.values())
    if isinstance(value, tuple | list):
        return b"".join(bits(part) for part in value)
    return repr(value).encode()


def subject(sizes: tuple[int, ...] = (6, 8, 3), rows: int = 60) -> Subject:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, sizes[0])).astype("f4")
    y = rng.normal(size=(rows, sizes[-1])).astype("f4")
    return Subject(dr.MLP(sizes, hidden="tanh", seed=0), x, y)
