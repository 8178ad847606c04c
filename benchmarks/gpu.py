"""What the torch adapter, and the server around it, take from the speed of PyTorch on a GPU: 32 rows at a time, beside its own loop.

    python benchmarks/gpu.py [--quick] [--out FILE] [--device cuda:0]

The loop does what PyTorch's documentation tells to do: rows to the GPU, the model, its answer back. ``adapter`` is ``Adapter.predict`` in
the same process, by turns with it; ``served`` are the rows per second that come back from a server which wrk asks for 32 at a time, as
bytes, from four connections. Each is a percentage of what the loop alone does, by the clock. Needs wrk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import adapter_models
import numpy as np
import report
import timing
import wrk
from adapter_models import ROWS, Subject
from server import serving

import adapters
from zeromind import importing
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.torch import TorchAdapter

_CONNECTIONS = 4


def measure(options: argparse.Namespace) -> dict[str, Any]:
    wrk.require()
    rows = []
    for name, make in _MAKERS.items():
        with tempfile.TemporaryDirectory(prefix="zeromind-bench-") as folder:
            rows.append(compared(name, make(Path(folder), options.device), options.device, 0.5 if options.quick else 4))
        report.say(str(rows[-1]))
    report.table("32 rows at a time", ("model", "alone, ms", "adapter, %", "served, %"), [list(row.values())[:4] for row in rows])
    return {"device": _named(options.device), "rows": rows}


def compared(name: str, made: Subject, device: str, seconds: float) -> dict[str, Any]:
    """One model's figures. Raises RuntimeError where the adapter answers otherwise than the loop."""
    adapter = TorchAdapter(Source(ModelFile(made.path), device=device, allow_code=True))
    inputs = {spec.name: array for spec, array in zip(adapter.spec.inputs, made.arrays, strict=True)}
    (answer,) = adapter.predict(inputs).values()
    if not adapter.spec.batches or not np.allclose(answer, made.alone(), rtol=2e-2, atol=2e-2):
        raise RuntimeError("the adapter's answer is another than the framework's")
    calls: Mapping[str, Callable[[], Any]] = {"alone": made.alone, "adapter": lambda: adapter.predict(inputs)}
    taken = timing.by_turns(calls, seconds, clock=time.perf_counter)
    task = {"id": "model", "model_file": str(made.path), "model_type": "torch", "device": device, "allow_code": True}
    head = adapters.write_body(adapter, inputs, made.path.parent / "body")
    with serving([task]) as server:
        headers = (("Content-Type", "application/octet-stream"), ("Inference-Header-Content-Length", str(head)))
        request = wrk.Request(f"{server.url}/v2/models/model/infer", (made.path.parent / "body").read_bytes(), headers)
        wrk.drive(request, 1, _CONNECTIONS)
        served = ROWS * wrk.drive(request, max(1, seconds), _CONNECTIONS).requests_per_second
    return {
        "model": name,
        "alone_ms": report.significant(1e3 * taken["alone"]),
        "adapter_percent": report.significant(100 * taken["alone"] / taken["adapter"]),
        "served_percent": report.significant(100 * served * taken["alone"] / ROWS),
        "served_rows_per_second": report.significant(served, 4),
    }


def small(folder: Path, device: str) -> Subject:
    return _subject(folder, device, adapter_models.convolutions(), (1, 28, 28))


def large(folder: Path, device: str) -> Subject:
    """Seventeen convolutions over pictures of 224 by 224."""
    from torch import nn

    parts: list[Any] = [nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for wider in (64, 128, 256, 512):
        for stride in (1 if wider == 64 else 2, 1, 1, 1):
            parts += [nn.Conv2d(width, wider, 3, stride, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
    return _subject(folder, device, nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)), (3, 224, 224))


def _subject(folder: Path, device: str, model: Any, shape: tuple[int, ...]) -> Subject:
    import torch

    rows = np.random.default_rng(1).random((ROWS, *shape), np.float32)
    path, model = folder / "model.pt2", model.eval()
    with importing.silence():
        torch.export.save(torch.export.export(model, (torch.from_numpy(rows),), dynamic_shapes=({0: torch.export.Dim("rows")},)), path)
    model.to(device)

    def alone() -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(rows).to(device)).cpu().numpy()

    return Subject("", path, (rows,), alone)


def _named(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


_MAKERS = {"small convolutional network, 28 by 28": small, "17 convolutions, 224 by 224": large}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cuda:0", help="a task's device; the loop's as well")


if __name__ == "__main__":
    report.main("gpu", __doc__, measure, ("torch",), _arguments)
