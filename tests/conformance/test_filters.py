"""What every built-in filter promises, under its own id and under that of the first 0Mind."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.filters.base import Files, Filter, build
from zeromind.plugins import FILTERS, LEGACY_FILTERS, Plugins
from zeromind.tensors import TensorSpec

IDS = [*FILTERS, *LEGACY_FILTERS]
SPECS = [
    TensorSpec("x", "FP32", (None, 4, 4, 3)),
    TensorSpec("x", "INT64", (None, 5)),
    TensorSpec("x", "UINT8", (None, 3, None, None)),
    TensorSpec("x", "FP16", (None, 1, 2, 2)),
    TensorSpec("x", "BYTES", (None, 1)),
    TensorSpec("x", "FP64", ()),
]
WORDS = st.sampled_from(["image", "image_file", "data:image/png;base64,", "QUJD", "iVBORw0KGgo=", "../a", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=12,
)
ARRAYS = st.builds(
    np.zeros,
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from(["f4", "i8", "?", "O", "S2", "U2"]),
)


def made(identifier):
    return build(Plugins().filter(identifier), identifier, {}, Files([]))


@pytest.mark.parametrize("identifier", IDS)
def test_it_is_a_filter_that_says_what_it_does(identifier):
    found = made(identifier)
    assert isinstance(found, Filter)
    assert found.side in ("input", "output", "both")
    first = (type(found).__doc__ or "").strip().splitlines()[0]
    assert len(first) > 20
    assert type(found).apply.__doc__


@pytest.mark.parametrize(
    ("identifier", "side"),
    [
        ("i_img_file_to_ns_arr.ImageFileToNormAndScaledNPArrayFilter", "input"),
        ("i_img_file_to_caffe2.ImageFileCaffe2Filter", "input"),
        ("i_vector_padding_to_input.VectorPaddingToInputFilter", "input"),
        ("io_argmax.ArgMaxFilter", "both"),
        ("io_round_int.RoundVectorFilter", "both"),
        ("o_default.DefaultFilter", "output"),
    ],
)
def test_the_ids_of_the_first_0mind_are_served_on_their_sides(identifier, side):
    assert made(identifier).side == side


@pytest.mark.parametrize("identifier", IDS)
@pytest.mark.parametrize("settings", [{"no_such_setting": 1}, {"files": None}, {"side": "output"}])
def test_an_unknown_setting_is_refused(identifier, settings):
    with pytest.raises(ZeroMindError) as caught:
        build(Plugins().filter(identifier), identifier, settings, Files([]))
    assert caught.value.kind is ErrorKind.FILTER_PARAMETERS
    assert identifier in caught.value.message


def test_finding_a_filter_imports_no_library_of_pictures():
    code = """
import sys
from zeromind.plugins import FILTERS, Plugins
for identifier in FILTERS:
    Plugins().filter(identifier)
heavy = {"PIL", "scipy", "sklearn", "keras", "jax"} & {name.partition(".")[0] for name in sys.modules}
print(*heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("identifier", IDS)
def test_whatever_is_sent_only_known_errors_come(identifier):
    @hypothesis_settings(max_examples=40, deadline=None)
    @given(st.one_of(JSON, ARRAYS, st.binary(max_size=20)), st.sampled_from(SPECS))
    def check(value, spec):
        try:
            found.apply(value, spec)
        except (ValueError, TypeError, ZeroMindError) as error:
            assert str(error)  # noqa: PT017 - most garbage is refused, some is data to some filter

    found = made(identifier)
    check()


@pytest.mark.parametrize("identifier", IDS)
def test_deep_nesting_is_refused_not_fatal(identifier):
    value = []
    for _ in range(500):
        value = [value]
    if made(identifier).side == "output" and "topk" not in identifier:
        return
    for spec in SPECS:
        with pytest.raises((ValueError, ZeroMindError)):
            made(identifier).apply(value, spec)
