"""Figures become the bars' table as they are, a miss says by how much, and what was not measured is not passed off as met."""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from zeromind.config.options import TASK

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "performance.md"
RESULTS = FOLDER / "results"


@pytest.fixture(scope="module")
def modules():
    """A function that imports a module beside the benchmarks, as they do themselves."""
    folders = [str(FOLDER), str(FOLDER / "peers")]
    before = set(sys.modules)
    sys.path[:0] = folders
    yield importlib.import_module
    sys.path[:] = [entry for entry in sys.path if entry not in folders]
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(FOLDER):
            del sys.modules[name]


@pytest.fixture(scope="module")
def standing(modules):
    return modules("standing")


@pytest.fixture(scope="module")
def page(modules):
    return modules("page")


def document(name, **results):
    machine = {"processor": "Some processor", "cores": 2, "system": "Linux"}
    return {"benchmark": name, "machine": machine, "versions": {"python": "3.11.2"}, "date": "2026-11-22", "results": results}


def compared(*rows, benchmark="peers", wire="JSON"):
    """What a comparison writes, with rows of server, model, clients, requests per second, times and failures."""
    keys = ("server", "model", "clients", "requests_per_second", "ours_is_times", "failed")
    titles = {"zeromind": "0Mind", "triton": "Triton", "triton-delay": "Triton, waiting", "mosec": "mosec"}
    found = [{**dict(zip(keys, row, strict=True)), "wire": wire} for row in rows]
    servers = {row["server"]: {"title": titles[row["server"]], "package": row["server"], "version": "1.0"} for row in found}
    return document(benchmark, rows=found, servers=servers, skipped={"ray": "Ray Serve is not installed in .peers/ray: make peers"})


def is_beneath(process, folder):
    """Whether it works in that folder, even if it is gone."""
    try:
        return process.cwd().startswith(str(folder))
    except psutil.Error:
        return False


def left(folder):
    """The folders there, and the processes that work in one."""
    return [*filter(Path.is_dir, folder.iterdir()), *(process for process in psutil.process_iter() if is_beneath(process, folder))]


def whole_way(model, wire, clients, times):
    return document("end_to_end", rows=[on_the_way(model, wire, clients, times)])


def on_the_way(model, wire, clients, times=1, rate=1000):
    return {"model": model, "wire": wire, "clients": clients, "requests_per_second": rate, "times_alone": times, "alone": "a loop"}


def bar(standing, words):
    (found,) = (bar for bar in standing.BARS if bar.what.startswith(words))
    return found


@pytest.mark.parametrize(
    ("value", "most", "unit", "verdict"),
    [
        (2.0, False, "times", "met"),
        (2.01, False, "times", "met"),
        (1.5, False, "times", "25 % short"),
        (1.999, False, "times", "0.05 % short"),
        (1.99, True, "s", "met"),
        (2.0, True, "s", "0 % over"),
        (3.0, True, "s", "50 % over"),
        (1.5, False, "%", "0.5 points short"),
        (26.0, True, "%", "24 points over"),
        (None, False, "times", "not measured"),
        (None, True, "s", "not measured"),
    ],
)
def test_a_verdict_says_met_or_by_how_much_it_misses(standing, value, most, unit, verdict):
    assert standing.Term(2, unit, "", lambda _: value, most=most).verdict({}) == verdict


def test_two_conditions_of_a_bar_are_told_apart_unless_they_agree(standing):
    terms = [standing.Term(2, "times", name, lambda documents, name=name: documents.get(name)) for name in ("one", "two")]
    both = standing.Bar("both", tuple(terms))
    assert both.target == "≥ 2 times one; ≥ 2 times two"
    assert both.verdict({}) == "not measured"
    assert both.verdict({"one": 2.0, "two": 3.0}) == "met"
    assert both.verdict({"one": 2.0, "two": 1.0}) == "met; 50 % short"
    assert both.measured({"one": 2.0}) == "2 times; not measured"


def test_a_figure_has_three_digits(standing):
    assert [standing.figure(value) for value in (42758.3, 987, 0.31415, 2.0, 1234567)] == ["42,800", "987", "0.314", "2", "1,230,000"]


def test_nothing_measured_meets_no_bar(standing):
    for each in standing.BARS:
        assert each.verdict({}) == "not measured"
        assert each.target


def test_a_bar_reads_the_row_that_it_is_about(standing):
    documents = {
        "peers": compared(
            ("zeromind", "tiny", 32, 40000, 1, 0),
            ("triton", "tiny", 32, 13000, 3.08, 0),
            ("triton-delay", "tiny", 32, 12000, 3.33, 0),
            ("mosec", "tiny", 32, 20000, 2.0, 0),
            ("mosec", "tiny", 1, 400, 9.9, 0),
        )
    }
    found = bar(standing, "tiny.onnx, 32")
    assert found.measured(documents) == "3.33 times (3.08 without its queue delay); 2 times"
    assert found.verdict(documents) == "met; 25.9 % short"
    assert bar(standing, "tiny.onnx, 1 client").verdict(documents) == "not measured"
    assert bar(standing, "mnist.onnx, 32").verdict(documents) == "not measured"


def test_shares_of_the_loop_alone_are_percent(standing):
    found = bar(standing, "the demo with PNG")
    assert found.measured({"end_to_end": whole_way("pictures", "0mind", 32, 0.685)}) == "68.5 %"
    assert found.verdict({"end_to_end": whole_way("pictures", "0mind", 32, 0.685)}) == "1.5 points short"
    assert bar(standing, "the demo with pixels").measured({"end_to_end": whole_way("demo", "0mind", 32, 5.25)}) == "5.25 times"


def test_tensors_as_bytes_are_told_from_those_in_json(standing):
    rates = {("mnist", 32): (1100, 1000), ("mnist", 1): (1090, 1000), ("image", 8): (910, 200)}
    rows = [
        on_the_way(model, wire, clients, rate=rate)
        for (model, clients), pair in rates.items()
        for wire, rate in zip(("oip, binary", "oip"), pair, strict=True)
    ]
    rows.append(on_the_way("mnist", "0mind", 32, rate=1))
    tritons = [("triton", "image", 8, 900, 1.01, 0), ("triton-delay", "image", 8, 890, 1.02, 0)]
    documents = {"end_to_end": document("end_to_end", rows=rows), "peers": compared(*tritons, wire="binary")}
    assert bar(standing, "mnist.onnx as bytes, 32").verdict(documents) == "met"
    assert bar(standing, "mnist.onnx as bytes, 1 client").verdict(documents) == "0.909 % short"
    assert bar(standing, "224x224x3 FP32 as bytes").measured(documents) == "4.55 times; 1.01 times"
    assert bar(standing, "224x224x3 FP32 as bytes").verdict(documents) == "9 % short; met"
    assert bar(standing, "224x224x3 FP32 as JSON").verdict(documents) == "not measured"
    del rows[1]
    assert bar(standing, "mnist.onnx as bytes, 32").verdict(documents) == "not measured"


def test_grpc_is_compared_by_its_own_benchmark(standing):
    figures = [("mnist", 32, 0.9, 1.1), ("tiny", 32, 0.8, 0.6)]
    rows = [
        (server, model, streams, 1000, times, 0)
        for model, streams, *both in figures
        for server, times in zip(("triton", "triton-delay"), both, strict=True)
    ]
    rows.append(("triton", "mnist", 1, 1000, 2, 0))
    assert bar(standing, "mnist.onnx over gRPC, 32").verdict({"peers": compared(*rows)}) == "not measured"
    documents = {"calls": compared(*rows, benchmark="calls", wire="gRPC")}
    assert bar(standing, "mnist.onnx over gRPC, 32").measured(documents) == "0.9 times"
    assert bar(standing, "mnist.onnx over gRPC, 32").verdict(documents) == "10 % short"
    assert bar(standing, "mnist.onnx over gRPC, 1 stream").verdict(documents) == "not measured"
    assert bar(standing, "tiny.onnx over gRPC, 32").verdict(documents) == "met"
    assert bar(standing, "mnist.onnx, 32").verdict(documents) == "not measured"


def test_the_wires_of_a_model_are_driven_one_after_the_other(modules):
    end_to_end = modules("end_to_end")
    turns = [(case.model, case.wire, clients) for case, clients in end_to_end.turns(end_to_end.cases())]
    assert len(turns) == len(set(turns))
    for model, clients in {(model, clients) for model, wire, clients in turns if wire == "oip, binary"}:
        assert turns.index((model, "oip, binary", clients)) == turns.index((model, "oip", clients)) + 1


def test_the_worst_of_several_figures_counts(standing):
    handlers = {"get": {"times_tornado_on_asyncio": 3.1}, "json echo": {"times_tornado_on_asyncio": 2.4}}
    assert bar(standing, "an ordinary").verdict({"transport": document("transport", rounds=3, **handlers)}) == "4 % short"
    pools = {"empty": {"listening": 0.3, "ready": 0.4}, "demo": {"listening": 0.5, "ready": 7.0}}
    assert bar(standing, "from start").measured({"cold_start": document("cold_start", start_s=pools)}) == "0.5 s"
    sizes = {"loaded": {"front": {"resident": 70.0}}, "asked": {"front": {"resident": 95.0}}}
    memory = document("memory", **{"1 x tiny": {"loaded": {"front": {"resident": 200.0}}}, "10 x tiny": sizes})
    assert bar(standing, "the front").verdict({"memory": memory}) == "5.56 % over"
    assert bar(standing, "tiny.onnx beside").verdict({"neighbour": document("neighbour", change={"p50": 0.5, "p99": 0.1})}) == "met"


def test_the_page_keeps_what_is_around_the_figures(page, tmp_path):
    file = tmp_path / "page.md"
    file.write_text(f"# Head\n\n{page.BEGIN}\nold\n{page.END}\n\n## Tail\n", encoding="utf-8")
    documents = {
        "peers": compared(("zeromind", "tiny", 1, 4100, 1, 0), ("triton", "tiny", 1, 1640, 2.5, 7)),
        "calls": compared(("zeromind", "mnist", 32, 5100, 1, 0), ("zeromind", "mnist", 1, 1200, 1, 0), benchmark="calls", wire="gRPC"),
        "end_to_end": whole_way("tiny", "oip", 1, 0.1),
    }
    for _ in range(2):  # what was rewritten can be rewritten
        page.rewrite(file, documents)
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"# Head\n\n{page.BEGIN}\n")
    assert text.endswith(f"{page.END}\n\n## Tail\n")
    assert "old" not in text
    assert "Measured on 2026-11-22 on Some processor, 2 cores: python 3.11.2." in text
    assert "| **0Mind** | 4,100 |" in text
    assert "| Triton | 1,640 (7 failed) |" in text
    assert "Versions: zeromind 1.0, triton 1.0." in text
    assert "Without ray: Ray Serve is not installed in .peers/ray: make peers" in text
    assert "| calls per second | mnist, 1 stream | mnist, 32 streams |" in text
    assert "| **0Mind** | 1,200 | 5,100 |" in text
    assert "| tiny, oip | 1,000 | 0.1 times a loop |" in text


def test_json_and_bytes_are_columns_of_their_own(page):
    documents = {"peers": compared(("zeromind", "image", 8, 160, 1, 0), ("mosec", "image", 8, 40, 4, 0))}
    documents["peers"]["results"]["rows"].append({**documents["peers"]["results"]["rows"][0], "wire": "binary", "requests_per_second": 900})
    shown = list(page.peers(documents))
    assert "| requests per second | image, 8 clients | image, as bytes, 8 clients |" in shown
    assert "| **0Mind** | 160 | 900 |" in shown
    assert "| mosec | 40 |  |" in shown


def test_a_page_without_the_markers_is_left_alone(page, tmp_path):
    file = tmp_path / "page.md"
    file.write_text("# Head\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs the lines"):
        page.rewrite(file, {})
    assert file.read_text(encoding="utf-8") == "# Head\n"


def test_the_docs_hold_the_figures_that_are_kept(page):
    documents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    shown = PAGE.read_text(encoding="utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    assert shown.strip("\n") == ("\n".join(page.lines(documents)).strip("\n") if documents else "")


def test_the_docs_name_real_keys():
    tuning = PAGE.read_text(encoding="utf-8").partition("## Tuning")[2]
    named = re.findall(r"^- `(\w+)`", tuning, re.MULTILINE)
    assert named
    assert set(named) <= {option.key for option in TASK}


def test_the_table_is_made_anew_without_measuring(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "end_to_end.json").write_text(json.dumps(whole_way("demo", "0mind", 32, 6.5)), encoding="utf-8")
    file = tmp_path / "page.md"
    shutil.copy(PAGE, file)
    command = [sys.executable, str(FOLDER / "bars.py"), "--only", "", "--results", str(tmp_path / "results"), "--page", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^the demo with pixels, 32 clients +≥ 5 times predict_on_batch alone +6.5 times +met$", done.stderr, re.MULTILINE)
    assert "| the demo with pixels, 32 clients | ≥ 5 times predict_on_batch alone | 6.5 times | met |" in file.read_text(encoding="utf-8")


def test_the_plot_is_small_and_names_every_server(modules, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'zeromind[bench]'")
    rows = [(server, model, 32, 100 * 9**place, 1, 0) for model in ("tiny", "mnist") for place, server in enumerate(("zeromind", "mosec"))]
    file = tmp_path / "plot.svg"
    for _ in range(2):  # the same figures give the same file
        before = file.read_bytes() if file.exists() else None
        modules("plot").draw(compared(*rows), file)
    assert file.read_bytes() == before
    assert len(before) < 60_000
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", before.decode())
    assert texts.count("0Mind") == texts.count("mosec") == texts.count("900") == 2
    assert "prefers-color-scheme" in before.decode()


def test_every_peer_has_a_program_and_says_what_it_lacks(modules, tmp_path):
    catalogue = modules("catalogue")
    names = [peer.name for peer in catalogue.PEERS]
    assert {"triton", "mosec", "mlserver", "kserve", "litserve", "bentoml", "ray"} <= set(names)
    for peer in (*catalogue.PEERS, catalogue.OURS):
        assert peer.program.exists()
    for peer in catalogue.PEERS:
        assert peer.missing(tmp_path).endswith("make peers")
    assert catalogue.chosen("all") == list(catalogue.PEERS)
    assert catalogue.chosen("") == []
    assert [peer.name for peer in catalogue.chosen("mosec,ray")] == ["mosec", "ray"]
    with pytest.raises(SystemExit, match="no such peer: what"):
        catalogue.chosen("mosec,what")


@pytest.mark.parametrize(("script", "program"), [("end_to_end.py", "wrk"), ("peers/run.py", "wrk"), ("peers/calls.py", "h2load")])
def test_what_needs_a_program_says_so_where_it_is_missing(script, program, tmp_path):
    command = [sys.executable, str(FOLDER / script), "--quick"]
    done = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{program} is not installed: ")


@pytest.mark.parametrize(
    ("script", "model", "peer", "asked"),
    [
        ("run.py", "tiny", "mosec", [("JSON", 1), ("JSON", 32)]),
        ("run.py", "image", "triton", [("JSON", 8), ("binary", 8)]),
        ("calls.py", "tiny", "triton", [("gRPC", 1), ("gRPC", 32)]),
    ],
)
def test_the_peers_are_compared_and_ended(script, model, peer, asked, tmp_path):
    """With 0Mind alone, and a peer that is not installed."""
    program = {"run.py": "wrk", "calls.py": "h2load"}[script]
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    out = tmp_path / "out.json"
    command = [sys.executable, str(FOLDER / "peers" / script), "--quick", "--models", model, "--peers", peer, "--envs", str(tmp_path)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([*command, "--out", str(out)], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^{peer}\b.* is not installed in ", done.stderr, re.MULTILINE | re.IGNORECASE)
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert json.loads(done.stdout)["results"] == results
    assert list(results["servers"]) == ["zeromind"]
    assert list(results["skipped"]) == [peer]
    assert [(row["server"], row["model"]) for row in results["rows"]] == [("zeromind", model)] * 2
    assert [(row["wire"], row["clients"]) for row in results["rows"]] == asked
    for row in results["rows"]:
        assert row["ours_is_times"] == 1
        assert row["requests_per_second"] > 0
        if program == "wrk":
            assert row["failed"] == 0
            assert row["p99_ms"] >= row["p50_ms"] > 0
    assert left(tmp_path) == []


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.parametrize("script", ["peers/run.py", "bars.py"])
def test_who_ends_the_comparison_ends_the_servers(script, tmp_path):
    more = ["--only", "peers"] if script == "bars.py" else ["--models", "tiny"]
    command = [sys.executable, str(FOLDER / script), "--quick", "--envs", str(tmp_path), *more]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert any(line.startswith("tiny, JSON, 1 at a time, 0Mind") for line in process.stderr)
        process.terminate()
        process.stderr.read()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert left(tmp_path) == []
