"""The digits inside the package."""

from __future__ import annotations

import doctest
import hashlib
from importlib.resources import files

import numpy as np
import pytest

import deltarule as dr
from deltarule.data import digits


def test_shapes_dtypes_and_range() -> None:
    images, labels = dr.load_digits()
    assert images.shape == (1797, 64)
    assert images.dtype == np.float32
    assert labels.shape == (1797,)
    assert labels.dtype == np.int64
    assert images.min() == 0.0
    assert images.max() == 1.0
    assert np.array_equal(images * 16, np.round(images * 16))


def test_every_digit_is_there() -> None:
    _, labels = dr.load_digits()
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_data_are_the_published_ones() -> None:
    images, labels = dr.load_digits()
    pixels = (images * 16).astype(np.uint8)
    assert pixels[0, :16].tolist() == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    digest = hashlib.sha256(pixels.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    assert digest == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_the_data_equal_scikit_learns() -> None:
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    images, labels = dr.load_digits()
    x, y = sklearn_datasets.load_digits(return_X_y=True)
    assert np.array_equal(images * 16, x)
    assert np.array_equal(labels, y)


def test_each_call_gives_arrays_of_its_own() -> None:
    images, labels = dr.load_digits()
    images[:] = 7
    labels[:] = 7
    again, again_labels = dr.load_digits()
    assert again.max() == 1.0
    assert again_labels[0] == 0


def test_the_file_is_small_and_needs_no_pickle() -> None:
    resource = files("deltarule") / "data" / "digits.npz"
    assert len(resource.read_bytes()) < 60_000
    with resource.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        assert {name: (archive[name].shape, archive[name].dtype) for name in archive.files} == {
            "images": ((1797, 8, 8), np.dtype(np.uint8)),
            "labels": ((1797,), np.dtype(np.uint8)),
        }


def test_the_example_runs_and_the_source_is_named() -> None:
    assert doctest.testmod(digits).failed == 0
    assert "10.24432/C50P49" in (digits.__doc__ or "")
    assert "CC BY 4.0" in (digits.__doc__ or "")
