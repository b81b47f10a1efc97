"""Bugs to plant in the core, each of which the suite must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bug:
    """One mistake: `old`, found once in the file, becomes `new`; `tests` shall notice."""

    name: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        """Return the file's text with the bug in it.

        Raises
        ------
        LookupError
            `old` is not there exactly once: the source has moved on, and the table must follow.
        """
        if (found := text.count(self.old)) != 1:
            raise LookupError(f"bug {self.name!r}: {self.file} holds {found} times:\n{self.old}")
        return text.replace(self.old, self.new)

    def plant(self, tree: Path) -> None:
        """Write the bug into a tree of the sources."""
        path = tree / self.file
        path.write_text(self.planted(path.read_text()))


# Those in kernels/ are last: each of them compiles every instruction set anew.
BUGS = (
    Bug(
        "bias", "no bias in a layer's product", "csrc/core/forward.cpp",
        "below, left, right, theta.b(l), false, z, ld, breaks_off);",
        "below, left, right, nullptr, false, z, ld, breaks_off);",
        ("mlp/test_network.py", "core/test_core_against_reference.py"),
    ),
    Bug(
        "stale", "the transposed copy of W is not refreshed by an update", "csrc/core/update.cpp",
        "of.P, of.Q, scratch, G_tile, descent.ld, descent);\n  theta.refresh_copy(tile);\n",
        "of.P, of.Q, scratch, G_tile, descent.ld, descent);\n",
        ("core/test_core_against_reference.py", "core/test_optimizers.py"),
    ),
    Bug(
        "mean", "1/n for 1/(sum of the weights)", "csrc/core/step.cpp",
        "total_weight(batch));\n  for (int64_t first = 0; first < batch.rows;",
        "double(batch.rows));\n  for (int64_t first = 0; first < batch.rows;",
        ("mlp/test_network.py", "fit/test_fit.py"),
    ),
    Bug(
        "weight", "sample weights left out of delta", "csrc/core/loss.cpp",
        "tile.y, tile.weight, scale, true",
        "tile.y, nullptr, scale, true",
        ("mlp/test_network.py", "fit/test_fit.py"),
    ),
    Bug(
        "row", "the last row of a block left out of the gradient",
        "csrc/core/step_by_super_blocks.cpp",
        "tile_gradient(network.theta, tile, block, 0, block.rows, values",
        "tile_gradient(network.theta, tile, block, 0, block.rows - 1, values",
        ("core/test_optimizers.py", "core/test_bits.py"),
    ),
    Bug(
        "barrier", "gradients begin before every row's delta is there", "csrc/core/step.cpp",
        "scale, state, network.workspace.row_loss.get() + first));\n    team.wait();\n",
        "scale, state, network.workspace.row_loss.get() + first));\n",
        ("core/test_bits.py", "core/test_optimizers.py"),
    ),
    Bug(
        "label", "labels beyond the last class taken", "csrc/bindings/register_runtime.cpp",
        "static_cast<double>(values[i]) >= low && static_cast<double>(values[i]) <= high",
        "static_cast<double>(values[i]) >= low",
        ("mlp/test_bad_input.py", "fit/test_fit_targets.py"),
    ),
    Bug(
        "tail", "a single last input of a narrow layer left out", "csrc/kernels/narrow.hpp",
        "if (k < n_in) step(",
        "if (k + 1 < n_in) step(",
        ("core/test_bits.py", "core/test_core_against_reference.py"),
    ),
    Bug(
        "derivative", "elu'(z) = a, not a + 1, below 0", "csrc/kernels/activations.hpp",
        "select(constant<T>(0) < a, constant<T>(1), a + constant<T>(1))",
        "select(constant<T>(0) < a, constant<T>(1), a)",
        ("core/test_core_against_reference.py",),
    ),
    Bug(
        "momentum", "the velocity turned around", "csrc/kernels/rules.hpp",
        "return fused(V(s.beta1), m, descent);",
        "return fused(V(-s.beta1), m, descent);",
        ("mlp/test_network.py", "core/test_optimizers.py"),
    ),
)  # fmt: skip

# What only a tool that watches memory is sure to notice: see tools/sanitize.py.
OUT_OF_BOUNDS = Bug(
    "bound", "the last tile of an evaluation goes on beyond the rows", "csrc/core/predict.cpp",
    "batch.slice(r, std::min(r + tile, last))",
    "batch.slice(r, r + tile)",
    ("mlp/test_network.py",),
)  # fmt: skip
