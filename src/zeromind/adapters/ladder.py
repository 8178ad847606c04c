"""Batches of any size through a function that is compiled for a few sizes only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import Tensor, TensorSpec

Function: TypeAlias = Callable[[Sequence[Tensor]], list[Tensor]]
Plans: TypeAlias = Sequence[tuple[int, ...]]
"""For each number of rows the sizes to call the function with, one after the other; only the last is filled up with zeros."""

MOST_ROWS = 256
"""Above this a larger program gains nothing, and its first run with zeros might not fit the memory."""
COMPILING_S = 5.0
"""How long sizes are compiled at load beyond the smallest and the largest."""
_ROUNDS = 10
_ROUNDS_S = 0.1
# How much cheaper more calls must look than fewer: times are noisy, and the results have to be joined.
_WORTH = 0.9


def parse(value: Any) -> tuple[int, ...]:
    """The batch sizes that a task gives, ascending. Raises TASK_ATTRIBUTE unless they are a list of positive integers."""
    if not isinstance(value, list) or not value or not all(type(size) is int and size > 0 for size in value):
        raise ZeroMindError(ErrorKind.TASK_ATTRIBUTE, f"'batch_sizes' is a list of positive integers, not {value!r}", "batch_sizes")
    return tuple(sorted(set(value)))


def usual(most: int) -> tuple[int, ...]:
    """The powers of two below the size of the largest batch that the server forms, and that size itself."""
    return (*(1 << step for step in range((most - 1).bit_length())), most)


def compiled(function: Function, inputs: Sequence[TensorSpec], sizes: Sequence[int], limit_s: float) -> Plans:
    """The plans for a function that is compiled for these ascending sizes here, by running it with zeros; ``timed`` says which.

    Where more than the number of rows is open, or text comes, nothing runs: then it is compiled when requests need it.
    """

    def call(rows: int) -> None:
        function([np.zeros((rows, *spec.shape[1:]), spec.dtype) for spec in inputs])

    if any(None in spec.shape[1:] or spec.datatype == "BYTES" for spec in inputs):
        return padded(sizes)
    return plans(timed(call, sizes, limit_s))


def timed(
    call: Callable[[int], object], sizes: Sequence[int], limit_s: float, clock: Callable[[], float] = time.perf_counter
) -> dict[int, float]:
    """Seconds that a call with each of the ascending sizes takes, by size; the function has been compiled for these then.

    Sizes that would run for longer than ``limit_s``, going by the smallest, are left out. The smallest and the largest of the others
    always come, those between from above while compiling takes less than ``limit_s``.
    """

    def seconds(size: int) -> float:
        begun = clock()
        call(size)
        return clock() - begun

    started = clock()
    call(sizes[0])
    times = {sizes[0]: seconds(sizes[0])}
    for size in sizes[:0:-1]:
        if times[sizes[0]] * size / sizes[0] <= limit_s and (len(times) < 2 or clock() - started < limit_s):
            call(size)
            times[size] = seconds(size)
    # In rounds, so that what disturbs the machine for a moment does so to all sizes; the shortest time is the least disturbed.
    started = clock()
    for _ in range(_ROUNDS):
        if clock() - started > _ROUNDS_S:
            break
        for size, best in times.items():
            times[size] = min(best, seconds(size))
    return times


def plans(times: Mapping[int, float]) -> Plans:
    """The cheapest calls for every number of rows up to the largest size, given the seconds that a call of each size takes.

    A compiler's programs differ more than their sizes: nine rows may be cheaper as 8 and 1 than as 16, 32 as twice 16.
    """
    sizes = sorted(times)
    made: list[tuple[int, ...]] = [(sizes[0],)]
    costs = [0.0]
    for rows in range(1, sizes[-1] + 1):
        single = min((size for size in sizes if size >= rows), key=times.__getitem__)
        cost = times[single]
        plan: tuple[int, ...] = (single,)
        for size in sizes[::-1]:
            if size < rows and times[size] + costs[rows - size] < cost * _WORTH:
                cost, plan = times[size] + costs[rows - size], (size, *made[rows - size])
        made.append(plan)
        costs.append(cost)
    return made


def padded(sizes: Sequence[int]) -> Plans:
    """The same without knowing times: one call of the next larger size."""
    return plans(dict.fromkeys(sizes, 1.0))


def run(function: Function, plans: Plans, arrays: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of ``function`` for arrays of n rows, called only as the plans say; more rows than these know are cut.

    ``function`` keeps rows apart. Raises ValueError where the arrays differ in n.
    """
    most = len(plans) - 1
    whole, rest = divmod(len(arrays[0]), most)
    return _in_pieces(function, plans[rest] if not whole else plans[most] * whole + (plans[rest] if rest else ()), arrays)


def within(function: Function, least: int, most: int, arrays: Sequence[Tensor]) -> list[Tensor]:
    """The same for a function that takes any number of rows from ``least`` to ``most``."""
    whole, rest = divmod(len(arrays[0]), most)
    return _in_pieces(function, (most,) * whole + ((max(rest, least),) if rest or not whole else ()), arrays)


def _in_pieces(function: Function, sizes: Sequence[int], arrays: Sequence[Tensor]) -> list[Tensor]:
    """The outputs for all rows, so many at a time, filled up with zeros. Raises ValueError where the arrays differ in rows."""
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"the inputs hold different numbers of rows: {', '.join(str(len(array)) for array in arrays)}")
    parts, start = [], 0
    for size in sizes:
        parts.append(_piece(function, size, [array[start : start + size] for array in arrays]))
        start += size
    return parts[0] if len(parts) == 1 else [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def _piece(function: Function, size: int, arrays: Sequence[Tensor]) -> list[Tensor]:
    rows = arrays[0].shape[0]
    if size == rows:
        return function(arrays)
    return [output[:rows] for output in function([_padded(array, size) for array in arrays])]


def _padded(array: Tensor, size: int) -> Tensor:
    padded = np.zeros((size, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    return padded
