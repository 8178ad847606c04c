"""Arrays as JSON shows them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zeromind import datatypes
from zeromind.filters.base import Side
from zeromind.tensors import TensorSpec


class ListsFilter:
    """Nested lists, which is what an output without filters becomes too.

    Bytes become text; raises ValueError where they are not UTF-8. What is no array passes as it is.
    """

    side: ClassVar[Side] = "output"

    def apply(self, value: Any, spec: TensorSpec) -> Any:
        """The sample as lists of lists of numbers or text; a plain value where it has no dimensions."""
        del spec
        if isinstance(value, np.ndarray):
            return (datatypes.as_text(value) if value.dtype.kind == "O" else value).tolist()
        return value.item() if isinstance(value, np.generic) else value
