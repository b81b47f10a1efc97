"""Arrays that another thread changes while a call reads them: an error or a result, no crash."""

from __future__ import annotations

import pytest

from process_support import WORKLOAD, run_python

SCRIBBLING = f"""{WORKLOAD}
import threading

labels, weight, rows = y.copy(), np.ones(2000), np.arange(2000)
over = threading.Event()

def scribble():
    noise = np.random.default_rng(1)
    while not over.is_set():
        at = noise.integers(0, 2000, 50)
        labels[at] = noise.integers(-2**62, 2**62, 50)
        rows[at] = noise.integers(-2**62, 2**62, 50)
        x[at] = np.nan
        weight[at] = -1e300
        labels[at], rows[at], x[at], weight[at] = 1, 7, 0.5, 1.0
        time.sleep(2e-4)

def attempt(call):
    net.theta = start  # what the last call left may be NaN, which would end this one at once
    try:
        call()
        return 1
    except (ValueError, dr.DivergenceError):
        return 0

net = network()
start = net.theta
sys.setswitchinterval(1e-4)  # the other thread has its turn often, and soon
calls = [
    lambda: net.fit(x, labels, epochs=1, batch_size=64, sample_weight=weight),
    lambda: net.fit(x, labels, epochs=1, class_weight="balanced", validation_split=0.5),
    lambda: net.train_step(x, labels, optimizer=dr.SGD(lr=1e-6)),
    lambda: net.train_step(x[:20], labels[:20], optimizer=dr.SGD(lr=1e-6)),
    lambda: net.evaluate(x, labels), lambda: net.value_and_grad(x, labels),
    lambda: net.hvp(x[:99], labels[:99], net.theta),
    lambda: net.per_sample_gradients(x[:50], labels[:50]),
    lambda: dr.fit_many(x, labels, [{{"rows": rows}}] * 2, sizes=[64, 8, 10], output="softmax",
                        epochs=1, batch_size=64),
]
thread = threading.Thread(target=scribble)
thread.start()
try:
    done = [sum(attempt(call) for _ in range(COUNT)) for call in calls]
finally:
    over.set()
    thread.join()
x[~np.isfinite(x)] = 0.5
net.theta = np.where(np.isfinite(net.theta), net.theta, 0)  # x is used as it is found: NaN too
print(np.isfinite(net.predict(x)).all(), sum(done) > 0)
"""


@pytest.mark.parametrize("count", [8, pytest.param(400, marks=pytest.mark.full)])
def test_arrays_changed_by_another_thread_meanwhile(count: int) -> None:
    """Labels, row numbers, weights and x: an error, or a result; never an address out of bounds."""
    script = SCRIBBLING.replace("COUNT", str(count))
    assert run_python(script, timeout=600, PYTHONWARNINGS="ignore") == "True True\n"
