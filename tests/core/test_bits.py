"""The numeric contract, byte for byte: threads, instruction sets, batches, the scalar chain."""

from __future__ import annotations

import math

import numpy as np
import pytest

import deltarule as dr
from bits import results
from cases import ALL, GRID, ISAS, LARGE, MANY_THREADS, SHAPES, Case

pytestmark = pytest.mark.usefixtures("small_work_in_teams", "keep_isa")


@pytest.mark.parametrize("case", [*GRID[::5], *SHAPES[::5], *LARGE], ids=str)
def test_any_number_of_threads(case: Case) -> None:
    want = results(case, 1, ISAS[0])
    for threads in MANY_THREADS[1:]:
        assert results(case, threads, ISAS[0]) == want, f"{threads} threads"


@pytest.mark.parametrize("batch", [1, 2, 5, 11, 23])
def test_few_rows_of_wide_layers_on_any_number_of_threads(batch: int) -> None:
    """They are cut by columns, not by rows."""
    case = Case((70, 300, 9, 257, 12), "tanh", "softmax", "cross_entropy", "float32", batch)
    want = results(case, 1, ISAS[0])
    for threads in MANY_THREADS[1:]:
        assert results(case, threads, ISAS[0]) == want, f"{threads} threads"


@pytest.mark.skipif(len(ISAS) < 2, reason="this processor has the oracle alone")
@pytest.mark.parametrize("case", ALL[::2], ids=str)
def test_any_instruction_set(case: Case) -> None:
    want = results(case, 1, "oracle")
    for isa in ISAS:
        assert results(case, 1, isa) == want, isa


@pytest.mark.parametrize("case", [*GRID[::7], *SHAPES[::7], *LARGE[:2]], ids=str)
@pytest.mark.parametrize("isa", ISAS)
def test_a_row_alone_and_in_a_batch(case: Case, isa: str) -> None:
    dr.set_isa(isa)
    net, (x, _, _) = case.network(), case.data()
    whole = net.predict(x, threads=3)
    for i in range(0, len(x), max(1, len(x) // 9)):
        assert net.predict(x[i : i + 1])[0].tobytes() == whole[i].tobytes()
        assert net.predict(x[i]).tobytes() == whole[i].tobytes()


def test_two_runs_and_two_layouts_of_the_data() -> None:
    case = LARGE[0]
    x, y, _ = case.data()
    nets = [case.network() for _ in range(3)]
    for net, data in zip(nets, [x, np.asfortranarray(x), x[::-1].copy()[::-1]], strict=True):
        net.fit(data, y, epochs=2, batch_size=100)
    assert nets[0].theta.tobytes() == nets[1].theta.tobytes() == nets[2].theta.tobytes()


def fma(a: float, b: float, c: float) -> float:
    """Return a * b + c of float32 numbers, rounded once: exact in float64 but for a last bit.

    A product of two float32 is exact in float64. The sum is rounded to odd there, so that the
    second rounding, to float32, is the first one that counts.
    """
    product = a * b
    total = product + c
    if math.isfinite(total) and total != 0.0:
        big, small = (product, c) if abs(product) >= abs(c) else (c, product)
        error = small - (total - big)  # exact (Dekker's fast sum)
        if error != 0.0 and np.float64(total).view(np.int64) & 1 == 0:
            total = math.nextafter(total, math.inf if error > 0 else -math.inf)
    return float(np.float32(total))


def chain(terms: list[tuple[float, float]], start: float, block: int) -> float:
    """Return the sum of the contract: an fma chain a block, the first from `start`, added."""
    total = start
    for first in range(0, len(terms), block):
        acc = total if first == 0 else 0.0
        for a, b in terms[first : first + block]:
            acc = fma(a, b, acc)
        total = acc if first == 0 else float(np.float32(total + acc))
    return total


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n_in", [1, 5, 255, 256, 257, 777])
def test_forward_is_the_scalar_chain(isa: str, n_in: int) -> None:
    dr.set_isa(isa)
    rng = np.random.default_rng(n_in)
    net = dr.MLP([n_in, 13], init="torch", seed=n_in)
    x = rng.standard_normal((3, n_in)).astype(np.float32)
    got = net.predict(x)
    for r, j in [(0, 0), (1, 7), (2, 12)]:
        terms = [(float(a), float(w)) for a, w in zip(x[r], net.weights[0][j], strict=True)]
        assert got[r, j] == chain(terms, float(net.biases[0][j]), 256)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n_in", [32, 33, 100, 500])
def test_narrow_forward_is_sixteen_strided_chains(isa: str, n_in: int) -> None:
    dr.set_isa(isa)
    rng = np.random.default_rng(n_in)
    net = dr.MLP([n_in, 3], init="torch", seed=n_in)
    x = rng.standard_normal((2, n_in)).astype(np.float32)
    got = net.predict(x)
    for r, j in [(0, 0), (1, 2)]:
        terms = [(float(a), float(w)) for a, w in zip(x[r], net.weights[0][j], strict=True)]
        lanes = np.array([chain(terms[i::16], 0.0, n_in) for i in range(16)], np.float32)
        while len(lanes) > 1:
            lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
        assert got[r, j] == lanes[0] + net.biases[0][j]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200, 1500])
def test_weight_gradient_is_chains_of_64_rows(isa: str, rows: int) -> None:
    """dL/dW of a linear layer under "sum": delta = y_hat - y; chains, blocks, super-blocks."""
    dr.set_isa(isa)
    rng = np.random.default_rng(rows)
    net = dr.MLP([4, 13], reduction="sum", init="torch", seed=0)
    x = rng.standard_normal((rows, 4)).astype(np.float32)
    y = rng.standard_normal((rows, 13)).astype(np.float32)
    delta = net.predict(x) - y
    _, grads = net.value_and_grad(x, y)
    for j, k in [(0, 0), (12, 3)]:
        total = np.float32(0)
        for s in range(0, rows, 1024):
            terms = [
                (float(a), float(d))
                for a, d in zip(x[s : s + 1024, k], delta[s : s + 1024, j], strict=True)
            ]
            block = np.float32(0)
            for first in range(0, len(terms), 64):
                block = np.float32(block + np.float32(chain(terms[first : first + 64], 0.0, 64)))
            total = block if s == 0 else np.float32(total + block)
        assert grads.weights[0][j, k] == total


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [4097, 5000, 8193, 300_000])
def test_many_rows_of_few_parameters_however_they_are_shared_out(dtype: str, rows: int) -> None:
    # By super-blocks from four of them a thread on, by rows and parameters below.
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, 5)).astype(dtype)
    y = rng.standard_normal((rows, 3)).astype(dtype)
    weight = rng.random(rows)
    optimizer = dr.SGD(lr=0.1, momentum=0.9, weight_decay=0.01)
    results = set()
    for threads in (1, 2, 8):
        net = dr.MLP([5, 7, 12, 3], hidden="tanh", dtype=dtype, seed=1)
        loss, grads = net.value_and_grad(x, y, sample_weight=weight, threads=threads)
        losses = [
            net.train_step(x, y, sample_weight=weight, optimizer=optimizer, threads=threads)
            for _ in range(3)
        ]
        history = net.fit(x, y, epochs=2, batch_size=4500, optimizer=optimizer, threads=threads)
        results.add((loss, grads.theta.tobytes(), *losses, *history.loss, net.theta.tobytes()))
    assert len(results) == 1
