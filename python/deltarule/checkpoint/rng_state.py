"""The state of NumPy's random generators as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.io.json_fields import Fields

# The bits of a whole number, and how many of them there are (None: one, not in an array).
_Rules = dict[str, tuple[int, int | None]]
# The unused half of a drawn number, and whether there is one.
_HALF: _Rules = {"has_uint32": (1, None), "uinteger": (32, None)}
# Per generator, the numbers in its "state" and beside it.
_KINDS: dict[str, tuple[_Rules, _Rules]] = {
    "PCG64": ({"state": (128, None), "inc": (128, None)}, _HALF),
    "PCG64DXSM": ({"state": (128, None), "inc": (128, None)}, _HALF),
    "SFC64": ({"state": (64, 4)}, _HALF),
    "Philox": ({"counter": (64, 4), "key": (64, 2)}, {"buffer": (64, 4), **_HALF}),
    "MT19937": ({"key": (32, 624)}, {}),
}
# The position of the next number, from 0 to this limit: NumPy's C code does not check it.
_POSITIONS = {"Philox": ("buffer_pos", 4), "MT19937": ("pos", 624)}


def generator_to_json(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a bit generator; TypeError for one that is not NumPy's."""
    kind = state.get("bit_generator")
    if kind not in _KINDS:
        raise TypeError(
            f"checkpoint needs one of NumPy's generators as the network's seed "
            f"({', '.join(_KINDS)}), not {kind!r}"
        )
    return {name: _plain(value) for name, value in state.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value if isinstance(value, str) else int(value)


def generator_from_json(fields: Fields) -> np.random.Generator:
    """Return a generator in that state; ModelFileError if there is no such state."""
    kind = fields.choice("bit_generator", tuple(_KINDS))
    inner, outer = _KINDS[kind]
    part = fields.part("state")
    state: dict[str, Any] = {"bit_generator": kind}
    state["state"] = {name: _number(part, name, *rule) for name, rule in inner.items()}
    state |= {name: _number(fields, name, *rule) for name, rule in outer.items()}
    if kind in _POSITIONS:
        name, last = _POSITIONS[kind]
        at = state["state"] if kind == "MT19937" else state
        at[name] = (part if kind == "MT19937" else fields).whole(name, 0, last)
    bits: np.random.BitGenerator = getattr(np.random, kind)(0)
    bits.state = state
    return np.random.Generator(bits)


def _number(fields: Fields, name: str, bits: int, count: int | None) -> Any:
    highest = 2**bits - 1
    if count is None:
        return fields.whole(name, 0, highest)
    values = fields.items(name)
    if len(values) != count or any(type(v) is not int or not 0 <= v <= highest for v in values):
        fields.refuse(name, f"{count} whole numbers of {bits} bits")
    return np.array(values, np.uint64 if bits == 64 else np.uint32)
