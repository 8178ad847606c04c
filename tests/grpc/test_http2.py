"""HTTP/2 without a socket: whatever comes, and that remembered field blocks mean what they say."""

import struct

import hpack
from hypothesis import given, settings
from hypothesis import strategies as st

from zeromind.grpc.frame import PREFACE, BrokenError
from zeromind.grpc.http2 import Http2
from zeromind.limits import GrpcLimits as Limits


def frame(kind, flags=0, stream_id=0, payload=b""):
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream_id) + payload


class Recorder:
    """Acts upon nothing, notes everything."""

    def __init__(self):
        self.heads = []
        self.said = []
        self.http2 = Http2(self, Limits(streams=1000))
        self.http2.receive(PREFACE + frame(4))

    def head(self, fields):
        return fields

    def request(self, call, head):
        self.heads.append(head)

    def data(self, call, data):
        self.said.append((call.stream_id, data))

    def ended(self, call):
        self.said.append((call.stream_id, None))

    def reset(self, call):
        if call is not None:
            del self.http2.calls[call.stream_id]

    def room(self, call):
        pass

    def control(self):
        pass

    def leave(self):
        pass


HEAD = [(":method", "POST"), (":scheme", "http"), (":path", "/a/B")]
MORE = st.lists(st.tuples(st.sampled_from(["a", "b", "grpc-timeout"]), st.sampled_from(["", "1S", "x" * 40, "y" * 4100]), st.booleans()))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(MORE.filter(lambda more: len(more) < 4), st.integers(0, 3), st.sampled_from([None, 0, 60, 4096])), max_size=12))
def test_blocks_that_were_seen_before_mean_the_same(requests):
    recorder, encoder = Recorder(), hpack.Encoder()
    wanted, stream_id = [], 1
    for more, repeats, table_size in requests:
        if repeats and table_size not in (None, encoder.header_table_size):  # the encoder forgets what is set twice in a row
            encoder.header_table_size = table_size
        for _ in range(repeats):
            fields = [*((*field, False) for field in HEAD), *more]
            block = encoder.encode([(name, value, sensitive) for name, value, sensitive in fields])
            recorder.http2.receive(frame(1, 5, stream_id, block))
            wanted.append({name.encode(): value.encode() for name, value, _ in fields})
            stream_id += 2
    assert recorder.heads == wanted


FRAMES = st.builds(
    frame,
    st.integers(0, 11),
    st.integers(0, 255),
    st.integers(0, 7),
    st.one_of(st.binary(max_size=30), st.sampled_from([bytes(4), bytes(8), b"\x82\x83\x84\x86", b"\0\4\0\0\0\x05", b"\0\0\0\1"])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAMES, max_size=12), st.integers(1, 50))
def test_any_frames_are_acted_upon_or_end_the_connection(frames, step):
    recorder, data, codes = Recorder(), b"".join(frames), {1}
    try:
        for start in range(0, len(data), step):
            recorder.http2.receive(data[start : start + step])
    except BrokenError as error:
        codes.add(error.code)
    assert codes <= set(range(1, 12))


@given(st.binary(max_size=100))
def test_any_bytes(data):
    recorder = Recorder()
    try:
        recorder.http2.receive(data)
    except BrokenError:
        return


@given(st.integers(1, 40))
def test_the_pieces_do_not_matter(step):
    data = frame(1, 4, 1, b"\x83\x86\x84") + frame(0, 0, 1, b"abc") + frame(0, 9, 1, b"\2d\0\0") + frame(8, 0, 1, b"\0\0\0\1")
    recorder = Recorder()
    for start in range(0, len(data), step):
        recorder.http2.receive(data[start : start + step])
    assert recorder.said == [(1, b"abc"), (1, b"d"), (1, None)]
    assert recorder.heads == [{b":method": b"POST", b":scheme": b"http", b":path": b"/"}]


def test_a_smaller_table_is_answered_with_none():
    """A client's decoder refuses blocks that do not say that the table has shrunk (RFC 7541, 4.2)."""
    recorder = Recorder()
    recorder.http2.receive(frame(4, 0, 0, struct.pack(">HI", 1, 0)))
    recorder.http2.sender.out.clear()
    recorder.http2.sender.ok(1)
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    assert decoder.decode(recorder.http2.sender.out[0][9:]) == [("grpc-status", "0")]
