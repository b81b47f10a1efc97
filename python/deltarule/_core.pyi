import enum
from collections.abc import Sequence
from typing import Any, type_check_only

from numpy.typing import NDArray

_Array = NDArray[Any]
_Batch = tuple[_Array, _Array, _Array | None]

__version__: str

class Activation(enum.Enum):
    identity = 0
    sigmoid = 1
    tanh = 2
    relu = 3
    leaky_relu = 4
    elu = 5
    softplus = 6
    gelu = 7
    silu = 8

class Output(enum.Enum):
    identity = 0
    sigmoid = 1
    tanh = 2
    softmax = 3
    exp = 4

class Loss(enum.Enum):
    squared_error = 0
    sum_squared_error = 1
    mean_squared_error = 2
    binary_cross_entropy = 3
    cross_entropy = 4
    absolute_error = 5
    huber = 6
    poisson = 7

class Sgd:
    def __init__(self, lr: float, momentum: float, weight_decay: float, nesterov: bool) -> None: ...

class TrainingResult:
    def __init__(self) -> None: ...
    @property
    def diverged(self) -> bool: ...
    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> list[float]: ...
    @property
    def validation_loss(self) -> list[float]: ...
    @property
    def seconds(self) -> list[float]: ...

@type_check_only
class _Network:
    def __init__(
        self,
        sizes: Sequence[int],
        hidden: Sequence[Activation],
        output: Output,
        loss: Loss,
        mean: bool,
        leaky_slope: float,
        huber_delta: float,
    ) -> None: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def has_velocity(self) -> bool: ...
    def weight_view(self, layer: int) -> _Array: ...
    def bias_view(self, layer: int) -> _Array: ...
    def get_theta(self) -> _Array: ...
    def set_theta(self, theta: _Array) -> None: ...
    def get_velocity(self) -> _Array: ...
    def set_velocity(self, velocity: _Array) -> None: ...
    def predict(self, x: _Array, out: _Array, threads: int) -> None: ...
    def predict_if_small(self, x: object, out: object) -> _Array | None: ...
    def train_step_if_small(self, x: object, y: object, sgd: Sgd) -> float | None: ...
    def evaluate(
        self, x: _Array, y: _Array, sample_weight: _Array | None, threads: int
    ) -> float: ...
    def value_and_gradient(
        self, x: _Array, y: _Array, sample_weight: _Array | None, threads: int
    ) -> tuple[float, _Array]: ...
    def train_step(
        self, x: _Array, y: _Array, sample_weight: _Array | None, sgd: Sgd, threads: int
    ) -> float: ...
    def train(
        self,
        x: _Array,
        y: _Array,
        sample_weight: _Array | None,
        order: _Array | None,
        epochs: int,
        batch_size: int,
        sgd: Sgd,
        validation: _Batch | None,
        threads: int,
        seconds: float,
        result: TrainingResult,
    ) -> None: ...
    def begin_training(self) -> None: ...
    def end_training(self) -> None: ...

class NetworkF32(_Network): ...
class NetworkF64(_Network): ...

def first_outside(x: _Array, low: float, high: float) -> int: ...
def openmp_max_threads() -> int: ...
def available_cpus() -> int: ...
def set_work_per_thread(work: float) -> None: ...
def isa() -> str: ...
def isas() -> list[str]: ...
def set_isa(name: str) -> None: ...
