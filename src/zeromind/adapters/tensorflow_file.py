"""TensorFlow's files looked at from outside: what they are, and whether their graphs reach beyond themselves.

Field numbers are those of saved_model.proto, meta_graph.proto, graph.proto, node_def.proto and function.proto in
https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/protobuf and .../core/framework; tensors are not copied.
"""

from __future__ import annotations

import itertools
import mmap
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from zeromind.adapters import protobuf
from zeromind.adapters.file import ModelFile
from zeromind.adapters.protobuf import Data, Span

SAVED_MODEL = "saved_model.pb"
_MOST_VERSIONS = 10_000
_NODE, _LIBRARY = 1, 2
_GRAPH_FIELDS = {_NODE: 2, _LIBRARY: 2, 3: 0, 4: 2, 5: 2}
_NAME = re.compile(rb"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
_OPERATOR = re.compile(rb"[A-Z_][A-Za-z0-9_>]*")

_OUTSIDE = re.compile(
    r"(Read|Write)File|MatchingFiles|ImmutableConst|Skipgram|(De|En)codeProto(V2)?|.*Reader(V2)?|.*PyFunc.*|CreateSummary.*|DumpTensor|RecordInput|LoadAndRemapMatrix|GenerateVocabRemapping"
    r"|Debug(Identity|Nan|Numeric).*|Rpc.*|RemoteCall|FileSystemSetConfiguration|CalibrationStatisticsSaver|DistributedSave|XlaCustomCall.*"
    r"|FixedUnigramCandidateSampler|ImportEvent|ListSnapshotChunksDataset|(Experimental)?DatasetToTFRecord|DatasetFromGraph"
    r"|(Experimental)?(TextLine|FixedLengthRecord|TFRecord|CSV|Sql|LMDB|Load|Save|Snapshot|Cache|MatchingFiles|DataService)\w*Dataset.*"
    r"|RegisterDataset.*|SnapshotDataset\w+|SnapshotChunkDataset|SnapshotNestedDatasetReader"
)
"""Operators that read or write files, talk to others, or call what is no operator; ``_PRINT`` may, ``_SAVING`` and ``_TABLE`` must."""
_SAVING = re.compile(r"(DTensor)?(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints")
_WRITING = re.compile(r"(DTensor)?Save(V2|Slices)?|MergeV2Checkpoints")
_RESTORING = re.compile(r"(DTensor)?Restore(V2|Slice)?")
_TABLE = re.compile(r"InitializeTableFromTextFile(V2)?")
_STATE = re.compile(r"VarHandleOp|(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|NoOp")
_PRINT, _PRINTED_FILE = "PrintV2", b"file://"
_NOT_SERVED = {"__saved_model_init_op", "__saved_model_train_op"}
"""What a SavedModel lists among its signatures, and its loader runs."""


def home(file: ModelFile) -> Path | None:
    """The folder of a SavedModel: the given one, or the newest of those with a number for a name in it, as TensorFlow Serving has them."""
    if not file.is_folder:
        return None
    if file.holds(SAVED_MODEL):
        return file.path
    inner = itertools.islice(file.path.iterdir(), _MOST_VERSIONS)
    versions = [path for path in inner if re.fullmatch(r"[0-9]{1,18}", path.name) and (path / SAVED_MODEL).is_file()]
    return max(versions, key=lambda path: int(path.name), default=None)


def is_saved_model(head: bytes) -> bool:
    """Whether a file that begins so is a SavedModel: the version of its schema, then its graphs."""
    try:
        found = list(itertools.islice(protobuf.fields(head, 0, len(head), cut=True), 2))
        return [each[:2] for each in found] == [(1, protobuf.VARINT), (2, protobuf.BYTES)] and protobuf.varint(head, *found[0][2:])[0] == 1
    except ValueError:
        return False


def is_graph(head: bytes) -> bool:
    """Whether a file that begins so is a GraphDef: nodes, each with a name and an operator."""
    nodes = 0
    try:
        for number, wire, start, end in protobuf.fields(head, 0, len(head), cut=True):
            if _GRAPH_FIELDS.get(number) != wire or not (nodes or number == _NODE):
                return False
            if (number == _NODE and end <= len(head)) or not nodes:
                first = list(itertools.islice(protobuf.fields(head, start, min(end, len(head)), cut=True), 2))
                if [each[:2] for each in first] != [(1, protobuf.BYTES), (2, protobuf.BYTES)] or first[1][3] > end:
                    return False
                (_, _, *name), (_, _, *operator) = first
                if not _NAME.fullmatch(head[slice(*name)]) or not _OPERATOR.fullmatch(head[slice(*operator)]):
                    return False
                nodes += 1
    except ValueError:
        return False
    return nodes > 0


def tags(path: Path) -> list[set[str]]:
    """The tags of each graph in a SavedModel. Raises ValueError for a damaged file."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        graphs = protobuf.inner(data, [(0, len(data))], 2)
        return [{data[start:end].decode() for start, end in protobuf.inner(data, [graph], 1, 4)} for graph in graphs]


def danger(path: Path, *, saved: bool) -> str:
    """What in a SavedModel or a GraphDef reaches beyond it, for people; empty if nothing does. Raises ValueError for a damaged file.

    A SavedModel's own saver, and tables that are read from its assets, do not count.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        whole = (0, len(data))
        graphs = [(None, meta) for meta in protobuf.inner(data, [whole], 2)] if saved else [(whole, None)]
        return next(filter(None, (_Graphs(data, *graph).danger() for graph in graphs)), "")


class _Graphs:
    """The graph in a GraphDef or in one of a SavedModel's MetaGraphDefs, with its library of functions."""

    def __init__(self, data: Data, graph: Span | None, meta: Span | None) -> None:
        self.data, self.meta = data, [meta] if meta else []
        graphs = [graph] if graph else self.inner(self.meta, 2)
        self.nodes = self.inner(graphs, _NODE)
        functions = self.inner(graphs, _LIBRARY, 1)
        self.functions = {name.encode(): self.inner([function], 3) for function in functions for name in self.texts([function], 1, 1)}
        if len(self.functions) < len(functions):
            raise ValueError("functions without names, or with the same")
        old = [entry for entry in self.inner(self.meta, 4) if "saved_model_assets" in self.texts([entry], 1)]
        self.assets = [*self.inner(self.meta, 6), *self.inner(old, 2, 5, 1, 2)]

    def inner(self, spans: list[Span], *path: int) -> list[Span]:
        return protobuf.inner(self.data, spans, *path)

    def texts(self, spans: list[Span], *path: int) -> list[str]:
        return [self.data[start:end].decode() for start, end in self.inner(spans, *path)]

    def operators(self, nodes: Iterable[Span], kind: re.Pattern[str]) -> list[str]:
        return [operator for operator in self.texts(list(nodes), 2) if kind.fullmatch(operator)]

    def inputs(self, node: Span) -> list[str]:
        """Names of nodes, or in a function of its arguments and ``node:output:number``."""
        return [name for name in self.texts([node], 3) if not name.startswith("^")]

    def mention(self, spans: Iterable[Span], names: Iterable[bytes]) -> list[bytes]:
        return [name for name in names if any(self.data.find(name, *span) >= 0 for span in spans)]

    def danger(self) -> str:
        for node in itertools.chain(self.nodes, *self.functions.values()):
            for operator in self.texts([node], 2):
                # Attributes of a function may come from whoever calls it: the words may stand anywhere in the file.
                if _OUTSIDE.fullmatch(operator) or (operator == _PRINT and self.data.find(_PRINTED_FILE) >= 0):
                    return f"the operator {operator}"
        leading = next(filter(_leads_out, self.texts(self.assets, 2)), "")
        if leading:
            return f"an asset outside its folder, {leading!r}"
        return self._reading() or self._saving() or (self._restoring() if self.meta else "")

    def _reading(self) -> str:
        """Tables must come from assets: those that the file lists, by way of the functions that get them as arguments."""
        readers = self._reaching(_TABLE)
        called = [node for node in self.nodes if self.operators([node], _TABLE) or self.mention([node], readers)]
        bodies = [node for body in self.functions.values() for node in body]
        made = any(
            ":" in source
            for node in bodies
            if self.operators([node], _TABLE) or self.mention([node], readers)
            for source in self.inputs(node)
        )
        assets = {name.partition(":")[0] for name in self.texts(self.assets, 1, 1)}
        # Only what the loader runs gets the assets' places; what is served would open the names that the graph has for them.
        served = [entry for entry in self.inner(self.meta, 5) if not set(self.texts([entry], 1)) <= _NOT_SERVED]
        filled = self._after(called) & set(map(_node, self.texts(served, 2, 2, 2, 1)))
        return "a table from a file that is no asset" if made or filled or (called and self._sources(called) - assets) else ""

    def _sources(self, nodes: list[Span]) -> set[str]:
        """The nodes without inputs from which these get theirs, but for tables and variables."""
        named = {name: node for node in self.nodes for name in self.texts([node], 1)}
        todo, seen = [_node(name) for node in nodes for name in self.texts([node], 3)], set()
        sources = set()
        while todo:
            name = todo.pop()
            if name in seen or name not in named:
                continue
            seen.add(name)
            inputs = self.texts([named[name]], 3)
            todo += map(_node, inputs)
            if not inputs and not self.operators([named[name]], _STATE):
                sources.add(name)
        return sources

    def _saving(self) -> str:
        """Only a SavedModel's own saver may save and restore: what is served may not depend on such an operator, nor a function on it."""
        savers = [name for name, body in self.functions.items() if self.operators(body, _SAVING)]
        found = [node for node in self.nodes if self.operators([node], _SAVING) or self.mention([node], savers)]
        if not found and not savers:
            return ""
        after = self._after(found)
        # The tensors of signatures, the nodes in collections, and what is called by objects of Python.
        served = [name for side in (1, 2) for name in self.texts(self.meta, 5, 2, side, 2, 1)] + self.texts(self.meta, 4, 2, 1, 1)
        called = self.mention([*self.inner(self.meta, 7), *itertools.chain(*self.functions.values())], savers)
        apart = self.meta and not called and not after & set(map(_node, served))
        return "" if apart else f"the operator {self.operators(found + [n for s in savers for n in self.functions[s]], _SAVING)[0]}"

    def _after(self, nodes: Iterable[Span]) -> set[str]:
        """These nodes and all that get something of theirs."""
        after = set(self.texts(list(nodes), 1))
        inputs = {name: set(map(_node, self.texts([node], 3))) for node in self.nodes for name in self.texts([node], 1)}
        while after and (more := {name for name in inputs if inputs[name] & after} - after):
            after |= more
        return after

    def _restoring(self) -> str:
        """What the loader runs to restore variables may do nothing else, and read only the checkpoint that it is given."""
        named = {name: node for node in self.nodes for name in self.texts([node], 1)}
        given = set(map(_node, self.texts(self.meta, 3, 1)))
        before: set[str] = set()
        todo = [_node(name) for name in self.texts(self.meta, 3, 3)]
        while todo:
            name = todo.pop()
            if name in named and name not in before:
                before.add(name)
                todo += map(_node, self.texts([named[name]], 3))
        writers, readers, tables = (self._reaching(kind) for kind in (_WRITING, _RESTORING, _TABLE))
        for node in (named[name] for name in before):
            sources = [_node(source) for source in self.inputs(node)]
            if self.operators([node], _WRITING) or self.operators([node], _TABLE) or self.mention([node], writers + tables):
                return "a saver that does more than restore"
            own = [source for source in sources if source in given or self.operators([named[source]], _STATE)]
            elsewhere = self.operators([node], _RESTORING) and not given.issuperset(sources[:1])
            if elsewhere or (self.mention([node], readers) and len(own) < len(sources)):
                return "variables restored from elsewhere"
        for node in (node for body in self.functions.values() for node in body):
            sources = self.inputs(node)
            made = [":" in source for source in sources]  # by another node of the function, not by who calls it
            if (self.operators([node], _RESTORING) and any(made[:1])) or (self.mention([node], readers) and any(made)):
                return "variables restored from elsewhere"
        return ""

    def _reaching(self, kind: re.Pattern[str]) -> list[bytes]:
        """The functions with such an operator, and those that call them."""
        names = [name for name, body in self.functions.items() if self.operators(body, kind)]
        for name in names:  # it grows
            names += [caller for caller, body in self.functions.items() if caller not in names and self.mention(body, [name])]
        return names


def _node(source: str) -> str:
    return source.lstrip("^").partition(":")[0]


def _leads_out(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name or "://" in name
