"""A newcomer of each kind, as CONTRIBUTING's recipes add it: the changes to a tree.

An activation (mish), a loss (log_cosh), an optimizer (SGD whose momentum is damped) and an
instruction set (the portable registers, compiled for processors with FMA).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core_build import ROOT

KERNELS, PYTHON = "csrc/kernels", "python/deltarule"


@dataclass(frozen=True)
class Change:
    """Text to insert into a file after an anchor, found there once, or before it."""

    file: str
    anchor: str
    text: str
    before: bool = False

    def applied(self, source: str) -> str:
        """Return the source with the text in it."""
        assert source.count(self.anchor) == 1, f"{self.file}: {self.anchor!r}"
        parts = [self.text, self.anchor] if self.before else [self.anchor, self.text]
        return source.replace(self.anchor, "".join(parts))


@dataclass(frozen=True)
class Recipe:
    """A newcomer: its name in the tests' identifiers, at most how many files, and the changes."""

    name: str
    limit: int
    changes: tuple[Change, ...]
    written: tuple[tuple[str, str], ...] = ()  # files, and their text or "" for a command's

    @property
    def files(self) -> set[str]:
        """Return what is touched, from the root of the tree."""
        return {change.file for change in self.changes} | {file for file, _ in self.written}

    def apply(self, tree: Path) -> None:
        """Change a tree."""
        for change in self.changes:
            path = tree / change.file
            path.write_text(change.applied(path.read_text("utf-8")), "utf-8")
        for file, text in self.written:
            if text:
                (tree / file).write_text(text, "utf-8")


ACTIVATION = Recipe(
    "mish", 4,
    (
        Change(
            f"{KERNELS}/functions.hpp", "ROW(silu, Silu, true, true, true)",
            " \\\n  ROW(mish, Mish, true, true, true)",
        ),
        Change(
            f"{KERNELS}/activations.hpp", "// Calls f with the activation's type.\n",
            """// z t, t = tanh(log(1 + e^z))
struct Mish {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) {
    return z * hyperbolic_tangent(softplus(z));
  }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T> z, pack<T>, T) {
    const pack<T> t = hyperbolic_tangent(softplus(z));
    return fused(z * logistic(z), fused(-t, t, constant<T>(1)), t);
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T> z, pack<T>) {
    const pack<T> one = constant<T>(1), two = constant<T>(2), s = logistic(z);
    const pack<T> t = hyperbolic_tangent(softplus(z));
    return fused(-t, t, one) * s * fused(z, one - s - two * t * s, two);
  }
};

""", before=True,
        ),
        Change(
            f"{PYTHON}/reference/activations.py", "ROWS: dict[str, Row] = {\n",
            '''def _mish_t(z: Array) -> Array:
    """tanh(log(1 + e^z))."""
    value: Array = np.tanh(softplus(z))
    return value


def _mish_derivative(z: Array, a: Array) -> Array:
    t = _mish_t(z)
    return t + z * sigmoid(z) * (1 - t * t)


def _mish_curvature(z: Array, a: Array) -> Array:
    t, s = _mish_t(z), sigmoid(z)
    return (1 - t * t) * s * (2 + z * (sigmoid(-z) - 2 * t * s))


''', before=True,
        ),
        Change(
            f"{PYTHON}/reference/activations.py",
            "}\nACTIVATIONS: dict[str, Activation] = {",
            r'''    "mish": Row(
        Activation(lambda z: z * _mish_t(z), _mish_derivative, _mish_curvature),
        formulas(
            "z[l] tanh(log(1 + exp(z[l])))", r"z^{[l]} \tanh(\log(1 + e^{z^{[l]}}))",
            "g'(z) = t + z σ(z) (1 − t²)", r"g'(z) = t + z \sigma(z) (1 - t^2)",
            "t = tanh(log(1 + e^z)), σ(z) = 1 / (1 + e^−z)",
            r"t = \tanh(\log(1 + e^z)), \quad \sigma(z) = \frac{1}{1 + e^{-z}}",
        ),
        uses_he=True,
        derivative_terms=lambda z, slope: 1.0 + np.minimum(np.abs(z), 20.0),
    ),
''', before=True,
        ),
        Change(
            "docs/theory.md", "| `gelu` | $",
            r"| `mish`, $t = \tanh \log(1 + e^z)$ | $z t$ | $t + z \sigma (1 - t^2)$ | "
            r"$(1 - t^2) \sigma (2 + z (1 - \sigma - 2 t \sigma))$ |" "\n", before=True,
        ),
        Change(
            "docs/theory.md", ">>> g2 = {\n",
            """>>> def mish_second(z):
...     t = np.tanh(np.log(1 + np.exp(z)))
...     return (1 - t**2) * s(z) * (2 + z * (1 - s(z) - 2 * t * s(z)))
""", before=True,
        ),
        Change("docs/theory.md", ">>> g2 = {\n", '...     "mish": mish_second,\n'),
    ),
)  # fmt: skip

LOSS = Recipe(
    "log_cosh", 6,
    (
        Change(
            f"{KERNELS}/functions.hpp", "LOGARITHMIC(poisson, nonnegative)",
            " \\\n  RESIDUAL(log_cosh, LogCosh)",
        ),
        Change(
            f"{KERNELS}/losses.hpp", "// Calls f with the type of a loss of residuals;",
            """// log cosh e, near 0 from cosh e - 1 = y^2 / (2 (1 + y)), y = e^-|e| - 1.
struct LogCosh {
  template <class V> DELTARULE_INLINE static V term(V error, V) {
    const V e = absolute(error), y = exponential_minus_1(-e), one(1), two(2);
    const V far = e + logarithm_of_1_plus(exponential(-two * e)) - V(0.69314718055994530942);
    return select(e < one, logarithm_of_1_plus(y * y / (two * (one + y))), far);
  }
  template <class R> static R total(R sum, R) { return sum; }
  template <class V> DELTARULE_INLINE static V gradient(V e, V, V) { return hyperbolic_tangent(e); }
  template <class V> DELTARULE_INLINE static V curvature(V e, V, V) {
    const V t = hyperbolic_tangent(e);
    return fused(-t, t, V(1));
  }
};

""", before=True,
        ),
        Change(
            f"{PYTHON}/reference/losses.py", "# Each loss beside its formulas.\n",
            '''def _log_cosh(e: Array) -> Array:
    is_near = np.abs(e.real) < 1
    near = log_1_plus(2 * np.sinh(np.where(is_near, e, 0) / 2) ** 2)
    far = absolute(e) + log_1_plus(np.exp(-2 * absolute(e))) - math.log(2)
    return np.where(is_near, near, far)


''', before=True,
        ),
        Change(
            f"{PYTHON}/reference/losses.py",
            "}  # fmt: skip\nLOSSES: dict[str, Loss] = {",
            r'''    "log_cosh": (
        _of_error(_log_cosh, np.tanh, lambda e: 1 - np.tanh(e) ** 2),
        formulas(
            f"Σ_j log cosh{_ERROR}", rf"\sum_j \log \cosh{_ERROR_TEX}",
            f"tanh{_ERROR}", rf"\tanh{_ERROR_TEX}",
        ),
    ),
''', before=True,
        ),
        Change(f"{PYTHON}/reference/losses.py", "    absolute,\n    log_one", "    log_1_plus,\n",
               before=True),
        Change(
            f"{PYTHON}/mlp/network.py", "        - absolute_error: sum_j abs(e_j)\n",
            "        - log_cosh: sum_j log cosh e_j\n",
        ),
        Change(
            "docs/theory.md", "| `huber`, $d$ its", "| `log_cosh` | $\\sum_j \\log \\cosh e_j$ | "
            "$\\tanh e_j$ | $1 - \\tanh^2 e_j$ |\n", before=True,
        ),
        Change(
            "docs/theory.md", ">>> second = {\n", '...     "log_cosh": 1 - np.tanh(p - q) ** 2,\n'
        ),
    ),
)  # fmt: skip

PUBLIC_API = "tests/golden/public_api.txt"
OPTIMIZER = Recipe(
    "DampedSGD", 6,
    (
        Change(
            f"{KERNELS}/rules.hpp", "ROW(adam, Adam, true, true)",
            " \\\n  ROW(damped, Damped, true, false)",
        ),
        Change(f"{KERNELS}/rules.hpp", "ROW(sgd) ROW(adam)", " ROW(damped)"),
        Change(
            f"{KERNELS}/rules.hpp", "//   adam:      m <-",
            "//   damped:    m <- beta1 m + alpha1 g;  w <- w - rate m\n", before=True,
        ),
        Change(
            f"{KERNELS}/rules.hpp", "// The settings of an optimizer.\n",
            """struct Damped {
  template <class T, class V>
  DELTARULE_INLINE static V step(const DescentStep<T>& s, const V& g, const V& w, V& m, V&) {
    m = fused(V(s.beta1), m, V(s.alpha1) * g);
    return fused(V(-s.rate), m, w);
  }
};

""", before=True,
        ),
        Change(
            f"{KERNELS}/rules.hpp", "case Kind::adam: return Rule::adam;\n",
            "      case Kind::damped: return Rule::damped;\n",
        ),
        Change(
            f"{KERNELS}/rules.hpp", "      case Kind::adam: {\n",
            """      case Kind::damped:
        s.beta1 = static_cast<T>(momentum);
        s.alpha1 = static_cast<T>(1.0 - momentum);
        break;
""", before=True,
        ),
        Change(
            f"{KERNELS}/rules.hpp", "    case Rule::adam: {\n",
            "    case Rule::damped: return (before + g) * (1.0 + s.rate);\n", before=True,
        ),
        Change(
            f"{PYTHON}/optimizers.py", "OPTIMIZERS: tuple[type[Optimizer], ...] = (",
            '''@dataclass(frozen=True)
class DampedSGD(Optimizer):
    """SGD along a mean: m <- momentum m + (1 - momentum) g; theta <- theta - lr m.

    Parameters
    ----------
    lr, momentum, weight_decay, l1, max_norm
        As for `SGD`.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.DampedSGD(lr=0.1).momentum
    0.9
    """

    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    l1: float = 0.0
    max_norm: float | None = None

    _kind: ClassVar[str] = "damped"


''', before=True,
        ),
        Change(f"{PYTHON}/optimizers.py", "= (SGD, Adam, AdamW", ", DampedSGD"),
        Change(f"{PYTHON}/__init__.py", "import SGD, Adam, AdamW", ", DampedSGD"),
        Change(f"{PYTHON}/__init__.py", '("SGD", "Adam", "AdamW"', ', "DampedSGD"'),
        Change(f"{PYTHON}/__init__.py", '    "CustomLoss",\n', '    "DampedSGD",\n'),
        Change(
            f"{PYTHON}/reference/training.py", "# An update by the kind of its optimizer:",
            '''def damped_update(
    weights: Tensors,
    biases: Tensors,
    grads: Backward,
    m: Velocity | None,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    max_norm: float | None = None,
) -> tuple[list[Array], list[Array], Velocity]:
    """m <- momentum m + (1 - momentum) g, then theta <- theta - lr m."""
    W, b = by_layer(weights, biases)
    old, L = [*W, *b], len(W)
    g = _descended(W, grads, float(weight_decay), float(l1), max_norm)
    mean = [*m[0], *m[1]] if m else [np.zeros_like(p) for p in old]
    mean = [momentum * m_k + (1 - momentum) * g_k for m_k, g_k in zip(mean, g, strict=True)]
    new = [p - lr * m_k for p, m_k in zip(old, mean, strict=True)]
    return new[:L], new[L:], (mean[:L], mean[L:])


''', before=True,
        ),
        Change(
            f"{PYTHON}/reference/training.py", '    "adam": adam_update,\n',
            '    "damped": damped_update,\n',
        ),
        Change(
            "docs/theory.md", "| Nesterov's | $",
            r"| damped momentum | $m \leftarrow \mu m + (1 - \mu) g$, "
            r"$\theta \leftarrow \theta - \eta m$ | `DampedSGD(lr, momentum)` |" "\n", before=True,
        ),
    ),
    ((PUBLIC_API, ""),),
)  # fmt: skip

ISA = Recipe(
    "fma3", 4,
    (
        Change(
            f"{KERNELS}/dispatch.cpp", "  ISA(oracle, true)\n#elif",
            '  ISA(fma3, __builtin_cpu_supports("fma")) \\\n', before=True,
        ),
        Change("CMakeLists.txt", "  add_isa(avx2 -mavx2 -mfma)\n", "  add_isa(fma3 -mfma)\n"),
    ),
    (
        (f"{KERNELS}/vec_fma3.hpp", (ROOT / KERNELS / "vec_portable.hpp").read_text()),
        (
            f"{KERNELS}/isa_fma3.cpp",
            """// x86-64 with FMA: plain loops, fma an instruction.
#define DELTARULE_ISA fma3
#include "vec_fma3.hpp"
#include "dense.hpp"
#include "table.hpp"
""",
        ),
    ),
)  # fmt: skip

# By the beginnings of the rows of CONTRIBUTING's table.
RECIPES = {
    "an activation": ACTIVATION,
    "a loss": LOSS,
    "an optimizer": OPTIMIZER,
    "an instruction set": ISA,
}
