"""The files for Kubernetes and KServe: they name ports, routes, settings and arguments that the server has, and what they start serves."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

import grpc
import zeromind
from zeromind.cli import commands
from zeromind.config import pool
from zeromind.config.options import POOL
from zeromind.http import app

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
CLUSTER = {entry["kind"]: entry for entry in yaml.safe_load_all((FOLDER / "zeromind.yaml").read_text())}
KSERVE = {entry["kind"]: entry for entry in yaml.safe_load_all((FOLDER / "kserve.yaml").read_text())}
POD = CLUSTER["Deployment"]["spec"]["template"]
CONTAINERS = {
    "cluster": POD["spec"]["containers"][0],
    "kserve": KSERVE["ClusterServingRuntime"]["spec"]["containers"][0],
}
ANNOTATIONS = {
    "cluster": POD["metadata"]["annotations"],
    "kserve": KSERVE["ClusterServingRuntime"]["spec"]["annotations"],
}
ROUTES = [re.compile(handler.route) for handler in app.BUILT_IN]


@pytest.fixture
def configured(tmp_path):
    file = tmp_path / "pool.toml"
    file.write_text(CLUSTER["ConfigMap"]["data"]["pool.toml"])
    return pool.read(file, {}, {"host": "0.0.0.0"})  # noqa: S104 - that of the image


@pytest.mark.parametrize("name", CONTAINERS)
def test_probes_ask_routes_that_there_are(name):
    container = CONTAINERS[name]
    ports = {value for port in container["ports"] for value in (port["name"], port["containerPort"])}
    probes = [value["httpGet"] for key, value in container.items() if key.endswith("Probe")]
    assert len(probes) >= 2
    for probe in probes:
        assert any(route.fullmatch(probe["path"]) for route in ROUTES), probe
        assert probe["port"] in ports


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_prometheus_asks_a_route_that_there_is(name):
    told = {key.rpartition("/")[2]: value for key, value in ANNOTATIONS[name].items()}
    assert any(route.fullmatch(told["path"]) for route in ROUTES)
    assert int(told["port"]) in {port["containerPort"] for port in CONTAINERS[name]["ports"]}


@pytest.mark.parametrize("name", CONTAINERS)
def test_variables_are_settings(name):
    variables = {option.variable: option for option in POOL}
    for entry in CONTAINERS[name].get("env", ()):
        option = variables[entry["name"]]
        assert option.problem(entry["value"] if option.kind == "string" else json.loads(entry["value"])) == ""


def test_the_pool_stops_before_the_cluster_kills_it(configured):
    assert POD["spec"]["terminationGracePeriodSeconds"] > configured.pre_stop_s + configured.drain_s + 5


def test_ports_are_those_of_the_pool(configured):
    ports = {port["name"]: port["containerPort"] for port in CONTAINERS["cluster"]["ports"]}
    assert ports == {"http": configured.port, "grpc": configured.port + 1}
    assert {entry["port"] for entry in CLUSTER["Service"]["spec"]["ports"]} == set(ports.values())


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_image_is_of_this_version(name):
    assert CONTAINERS[name]["image"] == f"zeromind:{zeromind.__version__}"


def test_the_service_finds_the_pods():
    assert CLUSTER["Service"]["spec"]["selector"].items() <= POD["metadata"]["labels"].items()
    assert CLUSTER["Deployment"]["spec"]["selector"]["matchLabels"].items() <= POD["metadata"]["labels"].items()


def test_what_is_mounted_is_there():
    mounted = {mount["name"] for mount in CONTAINERS["cluster"]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in POD["spec"]["volumes"]}


def test_the_service_asks_for_the_runtime():
    model = KSERVE["InferenceService"]["spec"]["predictor"]["model"]
    runtime = KSERVE["ClusterServingRuntime"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] in {entry["name"] for entry in runtime["spec"]["supportedModelFormats"]}
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]


def test_what_kserve_starts_serves_what_was_put_into_the_folder(spawn, models, tmp_path):
    """As the storage initializer leaves it: one file in /mnt/models. HTTP and gRPC on the one port."""
    (tmp_path / "mnt").mkdir()
    shutil.copy(models / "double.onnx", tmp_path / "mnt" / "model.onnx")
    name = KSERVE["InferenceService"]["metadata"]["name"]
    given = [argument.replace("{{.Name}}", name).replace("/mnt/models", str(tmp_path / "mnt")) for argument in CONTAINERS["kserve"]["args"]]
    commands.get_command(None, given[0]).make_context(given[0], given[1:])
    (port,) = [argument for argument in given if argument.startswith("--port=")]
    given[given.index(port) : given.index(port) + 1] = ["--port", "0"]
    server = spawn(given, environment={entry["name"]: entry["value"] for entry in CONTAINERS["kserve"]["env"]})
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
    answer = server.post(f"/v2/models/{name}/infer", body, headers={"Host": f"{name}.default.example.org"})
    assert answer.json["outputs"][0]["data"] == [2, 4, 6, 8]
    with grpc.insecure_channel(server.address) as channel:
        ready = channel.unary_unary("/inference.GRPCInferenceService/ModelReady")
        assert ready(b"\x0a\x04" + name.encode(), timeout=10) == b"\x08\x01"
