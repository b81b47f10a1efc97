import enum
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, type_check_only

from numpy.typing import NDArray

_Array = NDArray[Any]
_Batch = tuple[_Array, _Array, _Array | None]
_Function = TypeVar("_Function", bound=Callable[..., Any])

__version__: str

class UpdateOverflow(OverflowError): ...

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
    relu = 3
    leaky_relu = 4
    elu = 5
    softplus = 6
    gelu = 7
    silu = 8
    softmax = 9
    exp = 10

class Loss(enum.Enum):
    squared_error = 0
    sum_squared_error = 1
    mean_squared_error = 2
    binary_cross_entropy = 3
    cross_entropy = 4
    absolute_error = 5
    huber = 6
    poisson = 7

PASSES_HALF_LINE: frozenset[str]

class OptimizerKind(enum.Enum):
    sgd = 0
    adam = 1

class Optimizer:
    def __init__(
        self,
        kind: OptimizerKind,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-08,
        epsilon_hat: bool = False,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        l1: float = 0.0,
        max_norm: float = 0.0,
        penalizes_sum: bool = False,
    ) -> None: ...
    def at(self, lr: float) -> Optimizer: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def penalizes_sum(self) -> bool: ...

class TrainingResult:
    def __init__(self) -> None: ...
    diverged: bool
    step: int
    layer: int
    partial_loss: float
    partial_weight: float
    loss: list[float]
    validation_loss: list[float]
    seconds: list[float]

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
    def weight_view(self, layer: int) -> _Array: ...
    def bias_view(self, layer: int) -> _Array: ...
    def get_theta(self) -> _Array: ...
    def set_theta(self, theta: _Array) -> None: ...
    def get_optimizer_state(self) -> tuple[OptimizerKind, _Array | None, _Array | None, int]: ...
    def set_optimizer_state(
        self, kind: OptimizerKind, m: _Array | None, v: _Array | None, steps: int
    ) -> None: ...
    def predict(self, x: _Array, out: _Array, threads: int) -> None: ...
    def evaluate(
        self, x: _Array, y: _Array, sample_weight: _Array | None, threads: int
    ) -> float: ...
    def value_and_gradient(
        self, x: _Array, y: _Array, sample_weight: _Array | None, threads: int
    ) -> tuple[float, _Array]: ...
    def train_step(
        self, x: _Array, y: _Array, sample_weight: _Array | None, optimizer: Optimizer, threads: int
    ) -> float: ...
    def train(
        self,
        x: _Array,
        y: _Array,
        sample_weight: _Array | None,
        order: _Array | None,
        epochs: int,
        batch_size: int,
        optimizer: Optimizer,
        lr: _Array | None,
        dropout: tuple[_Array, _Array] | None,
        validation: _Batch | None,
        threads: int,
        seconds: float,
        result: TrainingResult,
        first_step: int = 0,
        first_loss: float = 0.0,
        first_weight: float = 0.0,
        pause: float = ...,
    ) -> None: ...
    def begin_reading(self) -> None: ...
    def end_reading(self) -> None: ...
    def begin_training(self) -> None: ...
    def end_training(self) -> None: ...
    def descend(self, gradient: _Array, optimizer: Optimizer, total_weight: float) -> None: ...
    def first_not_finite(self, x: _Array, y: _Array, sample_weight: _Array | None) -> int: ...
    def propagate(
        self, x: _Array, y: _Array, sample_weight: _Array | None, threads: int
    ) -> tuple[list[_Array], list[_Array], _Array, _Array, list[_Array], list[_Array]] | None: ...
    def activations(self, x: _Array, threads: int) -> list[_Array]: ...
    def input_gradient(
        self, x: _Array, y: _Array, sample_weight: _Array | None, threads: int
    ) -> _Array | None: ...
    def per_sample_gradients(
        self, x: _Array, y: _Array, out: _Array | None, threads: int
    ) -> _Array | None: ...
    def output_jacobian(
        self,
        x: _Array,
        first: int,
        count: int,
        by_theta: bool,
        out: _Array | None,
        threads: int,
    ) -> _Array: ...
    def vjp(self, x: _Array, u: _Array, by_theta: bool, threads: int) -> _Array | None: ...
    def jvp(self, x: _Array, v: _Array, by_theta: bool, threads: int) -> _Array: ...
    def hessian_product(
        self,
        x: _Array,
        y: _Array,
        sample_weight: _Array | None,
        v: _Array,
        gauss_newton: bool,
        threads: int,
    ) -> _Array | None: ...

class NetworkF32(_Network): ...
class NetworkF64(_Network): ...

_ManyRun = tuple[
    _Network,
    _Array,
    _Array,
    _Array | None,
    _Array | None,
    int,
    int,
    Optimizer,
    _Array | None,
    tuple[_Array, _Array] | None,
    TrainingResult,
]

def train_many(runs: Sequence[_ManyRun], threads: int) -> None: ...
def first_outside(x: _Array, low: float, high: float) -> int: ...
def fast_predict(function: _Function) -> _Function: ...
def fast_train_step(function: _Function) -> _Function: ...
def set_thread_limits(chosen: int, quota: int) -> None: ...
def chosen_threads() -> int: ...
def openmp_max_threads() -> int: ...
def available_cpus() -> int: ...

class TeamChoice:
    def __init__(self) -> None: ...
    @property
    def together(self) -> bool: ...
    def took(self, seconds: float) -> None: ...

class StandbyPolicy:
    def __init__(self) -> None: ...
    @property
    def spin(self) -> float: ...
    def wakes(self, now: float) -> bool: ...
    def ended(self, now: float) -> None: ...
    def lost_core(self, now: float, seconds: float) -> None: ...

def set_work_per_thread(work: float) -> None: ...
def fma_peak_f32(threads: int, seconds: float) -> float: ...
def fma_peak_f64(threads: int, seconds: float) -> float: ...
def isa() -> str: ...
def isas() -> list[str]: ...
def set_isa(name: str) -> None: ...
