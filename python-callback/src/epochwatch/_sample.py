"""Cheap statistics of inputs and targets over a strided sample."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ._contract import Sample

ROWS: Final = 256
_VALUES: Final = 1 << 17
"""Values looked at; more would be felt before the first epoch."""


def describe(data: Any, *, targets: bool = False) -> Sample | None:
    """Describe an array, or the first of several; None where there is nothing to count."""
    rows = _rows(data)
    if rows is None or rows.size == 0 or rows.dtype.kind not in "biuf":
        return None
    values = rows.astype(np.float64)
    finite = values[np.isfinite(values)]
    sample = Sample(shape=[int(n) for n in rows.shape], non_finite=int(values.size - finite.size))
    if finite.size:
        sample.min, sample.max = float(finite.min()), float(finite.max())
        sample.mean, sample.std = float(finite.mean()), float(finite.std())
    if targets and finite.size:
        _describe_targets(sample, values, finite)
    return sample


def _describe_targets(sample: Sample, values: np.ndarray[Any, Any], finite: Any) -> None:
    found, counts = np.unique(finite, return_counts=True)
    sample.integer = bool(np.all(finite == np.rint(finite)))
    sample.distinct = int(found.size)
    sample.width = int(np.prod(values.shape[1:])) if values.ndim > 1 else 1
    sample.commonest_share = float(counts.max() / finite.size)
    if values.ndim > 1 and sample.width > 1:
        sums = values.sum(axis=-1)
        sample.rows_sum_to_1 = bool(np.all(np.abs(sums - 1) < 1e-3))  # noqa: PLR2004
        if sample.rows_sum_to_1 and sample.integer:  # one-hot: the share of a class, not of 0
            classes = np.bincount(values.reshape(-1, values.shape[-1]).argmax(axis=-1))
            sample.commonest_share = float(classes.max() / classes.sum())


def _rows(data: Any) -> np.ndarray[Any, Any] | None:
    """Take every n-th row, as an array, without touching the others."""
    while isinstance(data, list | tuple | dict) and data:
        parts = list(data.values()) if isinstance(data, dict) else list(data)
        if not hasattr(parts[0], "shape") and not isinstance(parts[0], list | tuple | dict):
            data = np.asarray(data)
        else:
            data = parts[0]
    if hasattr(data, "iloc"):  # a frame of pandas slices rows by iloc
        data = data.iloc[:: max(1, len(data) // ROWS)]
        return np.asarray(data)[:ROWS]
    shape = getattr(data, "shape", None)
    if shape is None or len(shape) == 0 or shape[0] is None:
        return None
    width = int(np.prod([int(n) for n in shape[1:]], dtype=np.int64))
    rows = max(1, min(ROWS, _VALUES // max(width, 1)))
    picked = np.asarray(data[:: max(1, int(shape[0]) // rows)][:rows])
    if picked.size > _VALUES:  # one row alone is larger
        picked = picked.reshape(1, -1)[:, :: picked.size // _VALUES]
    return picked


def length(data: Any) -> int | None:
    """Return how many samples an array, or the first of several, holds."""
    while isinstance(data, list | tuple | dict) and data:
        data = next(iter(data.values())) if isinstance(data, dict) else data[0]
    shape = getattr(data, "shape", None)
    return int(shape[0]) if shape is not None and len(shape) and shape[0] is not None else None
