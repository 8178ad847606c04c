import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from conformance.cases.mlflow import mlflow_onnx
from zeromind import importing
from zeromind.adapters import keras_backend, mlflow_file, mlflow_result, mlflow_signature
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.mlflow import MlflowAdapter
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.plugins import Plugins
from zeromind.tensors import TensorSpec

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
with importing.silence():
    mlflow, models, types = (pytest.importorskip(name) for name in ("mlflow", "mlflow.models", "mlflow.types"))
    pytest.importorskip("mlflow.sklearn")

ROWS = np.linspace(-1, 1, 20).reshape(5, 4)
PLAIN = "flavors:\n  python_function:\n    loader_module: somewhere\n"


def written(folder, text):
    (folder / "MLmodel").write_text(text)
    return ModelFile(folder)


def serve(path, **source):
    return MlflowAdapter(Source(ModelFile(path), **{"allow_code": True, **source}))


def save_sklearn(path, model, **settings):
    with importing.silence():
        mlflow.sklearn.save_model(model, path, pip_requirements=[], **settings)
    return path


def save(path, predict, **settings):
    """A python_function that predicts so."""
    with importing.silence():
        model = type("Model", (mlflow.pyfunc.PythonModel,), {"predict": predict})()
        mlflow.pyfunc.save_model(path, python_model=model, pip_requirements=[], **settings)
    return path


def signature(inputs, outputs=None, params=None):
    with importing.silence():
        return models.infer_signature(inputs, outputs, params)


def echo(self, context, model_input, params=None):
    return model_input


def classifier():
    return LogisticRegression().fit(ROWS, [0, 1, 2, 1, 0])


class TestMlmodel:
    @pytest.mark.parametrize(
        "text",
        [PLAIN, "artifact_path: model\n" + PLAIN + "signature: null\n", PLAIN.replace("\n", "\r\n"), PLAIN + "# " + "x" * 100_000],
    )
    def test_a_folder_is_known_by_the_flavours_in_its_mlmodel(self, tmp_path, text):
        file = written(tmp_path, text)
        assert [adapter.name for adapter in Plugins().adapters() if adapter.recognises(file)] == ["mlflow"]

    @pytest.mark.parametrize("text", ["", "flavors: {}\n", "flavors:\n", "x:\n  flavors:\n    a: 1\n", "\0" + PLAIN, "flavors:\n- a\n"])
    def test_other_text_is_none(self, tmp_path, text):
        assert not MlflowAdapter.recognises(written(tmp_path, text))

    def test_other_files_and_folders_are_none(self, tmp_path):
        assert not MlflowAdapter.recognises(ModelFile(tmp_path))
        (tmp_path / "MLmodel").mkdir()
        assert not MlflowAdapter.recognises(ModelFile(tmp_path))
        (tmp_path / "file").write_text(PLAIN)
        assert not MlflowAdapter.recognises(ModelFile(tmp_path / "file"))

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("flavors:\n  a: !!python/object/apply:os.system ['true']\n", "python/object"),
            ("a: &a {b: 1}\nflavors:\n  c: {<<: [*a, *a]}\n", "merge"),
            ("flavors:\n  a: " + "[" * 5000, "brackets within brackets"),
            ("flavors:\n  a: !!int ''\n", "cannot be read"),
            ("flavors:\n  a: 'open\n", "cannot be read"),
            ("flavors:\n  - a\n", "lists no flavors"),
            ("- flavors\n", "lists no flavors"),
            ("flavors:\n  a: {}\nsignature: 5\n", "signature is 5"),
            ("flavors:\n  a: {}\nsignature: {inputs: '{'}\n", "no readable JSON"),
            ("flavors:\n  a: {}\nsignature: {inputs: '[1]'}\n", "no list of columns"),
            ("flavors:\n  a: {}\nsignature: {inputs: '[{}]'}\n", "'input' in a way that is not understood"),
            ('flavors:\n  a: {}\nsignature: {inputs: \'[{"type": "tensor", "tensor-spec": {}}]\'}\n', "not understood"),
            ("flavors:\n  keras: {}\n  h2o: {data: m}\n", "the flavours keras, h2o, of which none is served"),
        ],
    )
    def test_what_is_wrong_with_one_is_said(self, tmp_path, text, words):
        file = written(tmp_path, text)
        for call in (MlflowAdapter.carries_code, lambda file: serve(file.path)):
            with pytest.raises(ZeroMindError, match=words):
                call(file)

    @given(st.binary(max_size=60))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_damage_is_a_known_error(self, tmp_path, noise):
        (tmp_path / "MLmodel").write_bytes(b"flavors:\n  a: " + noise)
        file = ModelFile(tmp_path)
        MlflowAdapter.recognises(file)
        with pytest.raises(ZeroMindError):
            MlflowAdapter.carries_code(file)

    @pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "link", ".", "a\0b", "sub/../../outside", 5])
    def test_paths_do_not_lead_out_of_the_folder(self, tmp_path, name):
        folder = tmp_path / "in"
        (folder / "sub").mkdir(parents=True)
        (tmp_path / "outside").write_text("secret")
        (folder / "link").symlink_to(tmp_path / "outside")
        file = written(folder, f"flavors:\n  onnx:\n    data: {json.dumps(name)}\n")
        for call in (MlflowAdapter.carries_code, lambda file: serve(file.path)):
            with pytest.raises(ZeroMindError, match="does not lie within") as caught:
                call(file)
            assert caught.value.kind is ErrorKind.LOAD_FAILED

    def test_a_damaged_file_of_data_is_not_given_to_another_loader(self, tmp_path):
        (tmp_path / "model.onnx").write_bytes(b"nonsense")
        file = written(tmp_path, PLAIN + "  onnx:\n    data: model.onnx\n")
        assert MlflowAdapter.carries_code(file) == ""
        with pytest.raises(ZeroMindError, match=r"ONNX Runtime cannot load model.onnx") as caught:
            serve(tmp_path)
        assert caught.value.kind is ErrorKind.LOAD_FAILED


class TestFlavours:
    def test_what_is_data_is_served_without_permission_and_without_mlflow(self, tmp_path):
        path = mlflow_onnx(tmp_path).path
        program = f"""
            import pathlib, sys
            import numpy as np
            from zeromind.adapters.base import Source
            from zeromind.adapters.file import ModelFile
            from zeromind.adapters.mlflow import MlflowAdapter
            file = ModelFile(pathlib.Path({str(path)!r}))
            assert MlflowAdapter.carries_code(file) == ""
            rows = {{"x": np.zeros((1, 4), np.float32), "name": np.array([b"a"], object)}}
            print(MlflowAdapter(Source(file)).predict(rows)["echo"], "mlflow" in sys.modules)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
        assert done.stdout == "[b'a'] False\n"

    @pytest.mark.parametrize("form", ["xgb", "lgb", "lgb_wrapper", "cbm", "catboost_onnx"])
    def test_boosted_trees_are_their_adapters(self, tmp_path, form):
        path, classes, rows = tmp_path / "m", np.array([0, 1, 2, 1, 0]), ROWS.astype(np.float32)
        with importing.silence():
            if form == "xgb":
                xgboost, module = pytest.importorskip("xgboost"), pytest.importorskip("mlflow.xgboost")
                model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, min_child_weight=0).fit(rows, classes)
                module.save_model(model, path, pip_requirements=[])
            elif form.startswith("lgb"):
                lightgbm, module = pytest.importorskip("lightgbm"), pytest.importorskip("mlflow.lightgbm")
                model = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, min_child_samples=1, verbose=-1).fit(rows, classes)
                module.save_model(model if form == "lgb_wrapper" else model.booster_, path, pip_requirements=[])
            else:
                catboost, module = pytest.importorskip("catboost"), pytest.importorskip("mlflow.catboost")
                model = catboost.CatBoostClassifier(iterations=3, thread_count=1, verbose=0, allow_writing_files=False).fit(rows, classes)
                module.save_model(model, path, pip_requirements=[], format="cbm" if form == "cbm" else "onnx")
            expected = model.predict_proba(rows)
        code = {"lgb_wrapper": "types that skops does not trust"}.get(form, "")
        assert MlflowAdapter.carries_code(ModelFile(path)) == code
        adapter = serve(path, allow_code=bool(code))
        (spec,) = adapter.spec.inputs
        np.testing.assert_allclose(adapter.predict({spec.name: rows.astype(spec.dtype)})["probabilities"], expected, rtol=1e-5)

    @pytest.mark.parametrize("flavour", ["mlflow.keras", "mlflow.tensorflow"])
    def test_models_of_keras_are_its_adapters(self, tmp_path, flavour):
        pytest.importorskip("jax")
        keras = keras_backend.keras_module(1, "cpu")
        rows = ROWS.astype(np.float32)
        with importing.silence():
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
            expected = np.asarray(model(rows))
            told = signature(rows, expected)
            pytest.importorskip(flavour).save_model(model, str(tmp_path / "m"), signature=told, pip_requirements=[])
        assert MlflowAdapter.carries_code(ModelFile(tmp_path / "m")) == ""
        adapter = serve(tmp_path / "m", allow_code=False)
        (answer,) = adapter.predict({adapter.spec.inputs[0].name: rows}).values()
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-6)

    def test_the_signature_describes_what_torch_does_not(self, tmp_path):
        torch, module = pytest.importorskip("torch"), pytest.importorskip("mlflow.pytorch")
        model, rows = torch.nn.Linear(4, 3).eval(), ROWS.astype(np.float32)
        expected = model(torch.from_numpy(rows)).detach().numpy()
        with importing.silence():
            known = signature(rows, expected)
            module.save_model(model, tmp_path / "m", pip_requirements=[], serialization_format="pickle", signature=known)
        adapter = serve(tmp_path / "m")
        assert adapter.spec.inputs == (TensorSpec("input", "FP32", (None, 4)),)
        (answer,) = adapter.predict({"input": rows}).values()
        np.testing.assert_allclose(answer, expected, rtol=1e-5)

    def test_types_that_skops_is_told_to_trust_need_the_operators_word(self, tmp_path):
        path = save_sklearn(tmp_path / "m", classifier(), serialization_format="skops", skops_trusted_types=["builtins.dict"])
        assert MlflowAdapter.carries_code(ModelFile(path)) == "types that skops does not trust"
        with pytest.raises(ZeroMindError) as caught:
            serve(path, allow_code=False)
        assert caught.value.kind is ErrorKind.CODE_NOT_ALLOWED
        assert serve(path).predict({"input": ROWS})["label"].shape == (5,)

    def test_the_flavours_adapter_knows_the_tasks_keys(self, tmp_path):
        path = save_sklearn(tmp_path / "m", classifier(), serialization_format="skops")
        serve(path, options={"trusted": []})
        with pytest.raises(ZeroMindError, match="nor the sklearn adapter's") as caught:
            serve(path, options={"truste": []})
        assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE

    def test_the_task_describes_the_interface_as_it_does_for_the_file_alone(self, tmp_path):
        path = save_sklearn(tmp_path / "m", classifier(), serialization_format="pickle")
        inputs, outputs = (TensorSpec("flower", "FP32", (None, 4)),), (TensorSpec("kind", "INT32", (None, 1)),)
        spec = serve(path, inputs=inputs, outputs=outputs).spec
        assert (spec.inputs, spec.outputs) == (inputs, outputs)

    def test_the_signature_tells_what_the_file_does_not(self, tmp_path):
        model = FunctionTransformer(np.log1p)
        with pytest.raises(ZeroMindError, match="does not tell its inputs") as caught:
            serve(save_sklearn(tmp_path / "mute", model, serialization_format="pickle"))
        assert caught.value.kind is ErrorKind.INPUT_SPEC
        known = signature(ROWS.astype(np.float32) + 1, np.log1p(ROWS + 1).astype(np.float32))
        adapter = serve(save_sklearn(tmp_path / "m", model, serialization_format="pickle", signature=known))
        assert adapter.spec.inputs == (TensorSpec("input", "FP32", (None, 4)),)
        assert adapter.spec.outputs == (TensorSpec("output", "FP32", (None, 4)),)
        np.testing.assert_allclose(adapter.predict({"input": np.float32(ROWS + 1)})["output"], np.log1p(np.float32(ROWS + 1)), rtol=1e-6)

    def test_modules_saved_with_a_pickle_are_found(self, tmp_path, monkeypatch):
        module = tmp_path / "own" / "saved_beside.py"
        module.parent.mkdir()
        module.write_text("def doubled(x):\n    return 2 * x\n")
        monkeypatch.setattr(sys, "path", [str(module.parent), *sys.path])
        from saved_beside import doubled

        known = signature(ROWS)
        model = FunctionTransformer(doubled)
        path = save_sklearn(tmp_path / "m", model, serialization_format="pickle", code_paths=[str(module)], signature=known)
        monkeypatch.setattr(sys, "path", sys.path[1:])
        monkeypatch.delitem(sys.modules, "saved_beside")
        np.testing.assert_array_equal(serve(path).predict({"input": ROWS})["transform"], 2 * ROWS)


class TestPyfunc:
    def test_it_is_code(self, tmp_path):
        path = save(tmp_path / "m", echo)
        assert MlflowAdapter.carries_code(ModelFile(path)) == "MLflow's python_function"
        with pytest.raises(ZeroMindError) as caught:
            serve(path, allow_code=False)
        assert caught.value.kind is ErrorKind.CODE_NOT_ALLOWED

    def test_columns_of_every_type_come_as_they_were_at_training(self, tmp_path):
        table = pd.DataFrame(
            {
                "i": np.int32([1, 2]),
                "l": [1, 2],
                "f": np.float32([0.5, 1]),
                "d": [0.5, 1.0],
                "b": [True, False],
                "s": ["a", "é"],
                "bin": [b"\xff", b""],
                "at": pd.to_datetime(["2026-01-02T03:04:05", "1999-12-31T00:00:00"]),
                "list": [[1.0, 2.0], [3.0, 4.0]],
                "object": [{"a": 1}, {"a": 2}],
            }
        )
        path = save(tmp_path / "m", echo, signature=signature(table, table))
        adapter = serve(path)
        assert [(spec.name, spec.datatype, spec.shape) for spec in adapter.spec.inputs] == [
            ("i", "INT32", (None, 1)),
            ("l", "INT64", (None, 1)),
            ("f", "FP32", (None, 1)),
            ("d", "FP64", (None, 1)),
            ("b", "BOOL", (None, 1)),
            ("s", "BYTES", (None, 1)),
            ("bin", "BYTES", (None, 1)),
            ("at", "BYTES", (None, 1)),
            ("list", "FP64", (None, None)),
            ("object", "BYTES", (None, 1)),
        ]
        assert {spec.name: spec.shape for spec in adapter.spec.outputs} == {
            name: (None, None) if name == "list" else (None,) for name in table
        }
        assert adapter.spec.batches
        texts = {
            "s": [b"a", "é".encode()],
            "bin": [b"\xff", b""],
            "at": [b"2026-01-02T03:04:05", b"1999-12-31"],
            "object": [b'{"a": 1}', b'{"a": 2}'],
        }
        inputs = {name: np.array(values, object).reshape(2, 1) for name, values in texts.items()}
        inputs |= {name: table[name].to_numpy().reshape(2, 1) for name in "ilfdb"} | {"list": np.array([[1.0, 2.0], [3.0, 4.0]])}
        answer = adapter.predict(inputs)
        for name in "ilfdb":
            assert answer[name].dtype == inputs[name].dtype
            np.testing.assert_array_equal(answer[name], inputs[name][:, 0])
        for name in ("s", "bin", "object"):
            assert answer[name].tolist() == texts[name]
        assert [moment[:19] for moment in answer["at"]] == [b"2026-01-02T03:04:05", b"1999-12-31T00:00:00"]
        assert answer["list"].tolist() == [[1, 2], [3, 4]]

    def test_what_no_column_can_hold_is_the_clients_fault(self, tmp_path):
        table = pd.DataFrame({"o": [{"a": 1}], "s": ["x"]})
        adapter = serve(save(tmp_path / "m", echo, signature=signature(table, table)))
        good = {"o": np.array([[b'{"a": 1}']], object), "s": np.array([[b"x"]], object)}
        assert adapter.predict(good)["o"].tolist() == [b'{"a": 1}']
        for name, value in (("o", b"{"), ("s", b"\xff")):
            with pytest.raises(ValueError, match=r"decode|Expecting"):
                adapter.predict({**good, name: np.array([[value]], object)})
        with pytest.raises(ZeroMindError, match="refuses its inputs") as caught:
            adapter.predict({**good, "o": np.array([[b'{"a": "text"}']], object)})
        assert caught.value.kind is ErrorKind.INVALID_INPUT

    @pytest.mark.parametrize(
        ("example", "datatype", "shape"),
        [
            (np.ones((2, 3), np.float32), "FP32", (None, 3)),
            (np.array(["x", "yy"]), "BYTES", (None,)),
            (pd.DataFrame(np.ones((2, 1))), "FP64", (None, 1)),
            (["a", "b"], "BYTES", (None, 1)),
        ],
    )
    def test_a_single_input_without_a_name(self, tmp_path, example, datatype, shape):
        adapter = serve(save(tmp_path / "m", echo, signature=signature(example)))
        (spec,) = adapter.spec.inputs
        assert (spec.datatype, spec.shape) == (datatype, shape)
        assert spec.name in ("input", "0")
        values = np.array([b"a", b"b"], object) if datatype == "BYTES" else np.arange(2 * (shape[1] if shape[1:] else 1), dtype=spec.dtype)
        rows = values.reshape(2, *shape[1:])
        (answer,) = adapter.predict({spec.name: rows}).values()
        assert answer.reshape(rows.shape).tolist() == rows.tolist()

    def test_tensors_with_names_come_in_a_dict(self, tmp_path):
        def predict(self, context, model_input, params=None):
            return {"sum": model_input["a"].sum(axis=1) + np.char.str_len(model_input["s"].astype(str))[:, 0], "shown": model_input["s"]}

        example = {"a": np.ones((2, 3)), "s": np.array([["x"], ["y"]], object)}
        adapter = serve(save(tmp_path / "m", predict, signature=signature(example)))
        assert adapter.spec.inputs == (TensorSpec("a", "FP64", (None, 3)), TensorSpec("s", "BYTES", (None, 1)))
        assert adapter.spec.outputs == (TensorSpec("sum", "FP64", (None,)), TensorSpec("shown", "BYTES", (None, 1)))
        assert adapter.spec.batches
        answer = adapter.predict({"a": np.ones((2, 3)), "s": np.array([[b"x"], [b"y"]], object)})
        assert answer["sum"].tolist() == [4, 4]
        assert answer["shown"].tolist() == [[b"x"], [b"y"]]

    def test_without_a_signature_the_task_tells(self, tmp_path):
        path = save(tmp_path / "m", echo)
        with pytest.raises(ZeroMindError, match="no signature") as caught:
            serve(path)
        assert caught.value.kind is ErrorKind.INPUT_SPEC
        adapter = serve(path, inputs=(TensorSpec("x", "FP32", (None, 2)),))
        assert adapter.spec.outputs == (TensorSpec("output", "FP32", (None, 2)),)
        assert adapter.spec.batches
        adapter = serve(path, inputs=(TensorSpec("x", "FP32", (None, 1)), TensorSpec("s", "BYTES", (None,))))
        assert {spec.name: spec.datatype for spec in adapter.spec.outputs} == {"x": "FP32", "s": "BYTES"}
        adapter = serve(path, inputs=(TensorSpec("x", "FP32", (None, 2)), TensorSpec("s", "BYTES", (None, 2))))
        assert {spec.name: spec.shape for spec in adapter.spec.outputs} == {"x": (None, 2), "s": (None, 2)}

    def test_optional_columns_can_be_left_out_for_good(self, tmp_path):
        schema = types.Schema([types.ColSpec("double", "a"), types.ColSpec("double", "b", required=False)])
        path = save(tmp_path / "m", echo, signature=models.ModelSignature(inputs=schema))
        assert [spec.name for spec in serve(path).spec.inputs] == ["a", "b"]
        adapter = serve(path, inputs=(TensorSpec("a", "FP64", (None, 1)),))
        assert [spec.name for spec in adapter.spec.inputs] == ["a"]
        assert adapter.predict({"a": np.ones((2, 1))})["a"].tolist() == [1, 1]
        with pytest.raises(ZeroMindError, match="no tensor 'c'"):
            serve(path, inputs=(TensorSpec("c", "FP64", (None, 1)),))

    def test_parameters_of_the_signature(self, tmp_path):
        def predict(self, context, model_input, params=None):
            return [f"{params['prefix']}{params['times'] * x}{params['many']}" for x in model_input["x"]]

        params = {"prefix": "=", "times": 2, "many": [1, 2]}
        adapter = serve(save(tmp_path / "m", predict, signature=signature(pd.DataFrame({"x": [1]}), ["a"], params)))
        rows = {"x": np.array([[1], [2]])}
        assert adapter.parameters
        assert adapter.predict_with(rows, {})["output"].tolist() == [b"=2[1, 2]", b"=4[1, 2]"]
        assert adapter.predict_with(rows, {"times": 3, "other": True})["output"].tolist() == [b"=3[1, 2]", b"=6[1, 2]"]
        with pytest.raises(ZeroMindError, match="times") as caught:
            adapter.predict_with(rows, {"times": "many"})
        assert caught.value.kind is ErrorKind.INVALID_INPUT

    def test_rows_that_depend_on_their_neighbours_are_no_batch(self, tmp_path):
        def predict(self, context, model_input, params=None):
            return model_input - model_input.mean()

        assert not serve(save(tmp_path / "m", predict, signature=signature(pd.DataFrame({"x": [1.0]})))).spec.batches

    def test_a_signature_that_is_wrong_about_the_outputs_gives_way(self, tmp_path, caplog):
        path = save(tmp_path / "m", echo, signature=signature(pd.DataFrame({"x": [1.5]}), pd.DataFrame({"y": [1], "z": [2]})))
        assert serve(path).spec.outputs == (TensorSpec("x", "FP64", (None,)),)
        assert "the model gave no 'y', only 'x'" in caplog.text
        assert serve(path, outputs=(TensorSpec("y", "FP32", (None, 1)),)).predict({"x": np.ones((2, 1))})["y"].shape == (2, 1)
        with pytest.raises(ZeroMindError, match="correct the task's 'outputs'") as caught:
            serve(path, outputs=(TensorSpec("y", "INT64", (None,)),))
        assert caught.value.kind is ErrorKind.OUTPUT_SPEC

    def test_a_model_that_refuses_made_up_rows(self, tmp_path):
        def predict(self, context, model_input, params=None):
            if any(not name for name in model_input["name"]):
                raise KeyError("nobody")
            return [len(name) for name in model_input["name"]]

        table = pd.DataFrame({"name": ["Ann"]})
        with pytest.raises(ZeroMindError, match=r"made-up values.*nobody.*'outputs'") as caught:
            serve(save(tmp_path / "mute", predict, signature=signature(table)))
        assert caught.value.kind is ErrorKind.OUTPUT_SPEC
        told = (
            serve(tmp_path / "mute", outputs=(TensorSpec("output", "INT64", (None,)),)),
            serve(save(tmp_path / "signed", predict, signature=signature(table, [3]))),
            serve(save(tmp_path / "shown", predict, signature=signature(table), input_example=table)),
        )
        for adapter in told:
            assert adapter.spec.batches
            assert adapter.predict({"name": np.array([[b"Bob"], [b"Jo"]], object)})["output"].tolist() == [3, 2]

    def test_nothing_is_left_in_the_working_folder(self, tmp_path, monkeypatch):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
        empty = tmp_path / "empty"
        empty.mkdir()
        monkeypatch.chdir(empty)

        def predict(self, context, model_input, params=None):
            with mlflow.start_span("traced"):
                return model_input

        adapter = serve(save(tmp_path / "m", predict, signature=signature(ROWS)))
        adapter.predict({"input": ROWS})
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert list(empty.iterdir()) == []

    def test_what_it_needs_is_named(self, tmp_path):
        with pytest.raises(ZeroMindError, match="'no_such_loader', which is not installed") as caught:
            serve(written(tmp_path, PLAIN.replace("somewhere", "no_such_loader") + 'signature: {inputs: \'[{"type": "long"}]\'}\n').path)
        assert caught.value.kind is ErrorKind.MISSING_PACKAGE
        with pytest.raises(ZeroMindError, match="MLflow cannot load") as caught:
            serve(written(tmp_path, PLAIN.replace("somewhere", "json") + 'signature: {inputs: \'[{"type": "long"}]\'}\n').path)
        assert caught.value.kind is ErrorKind.LOAD_FAILED

    def test_task_keys_and_devices(self, tmp_path):
        path = save(tmp_path / "m", echo, signature=signature(ROWS))
        serve(path, device="cuda:1")
        for source in ({"options": {"trusted": []}}, {"device": "tpu"}):
            with pytest.raises(ZeroMindError) as caught:
                serve(path, **source)
            assert caught.value.kind is ErrorKind.TASK_ATTRIBUTE


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([1, 2], {"output": [1, 2]}),
        ("text", {"output": ["text"]}),
        (1.5, {"output": [1.5]}),
        (np.float32([[1, 2]]), {"output": [[1, 2]]}),
        (pd.Series([1, 2], name="own"), {"output": [1, 2]}),
        (pd.Series([1, 2], dtype="Int64"), {"output": [1, 2]}),
        (pd.DataFrame({"a": [1], 2: ["x"]}), {"a": [1], "2": ["x"]}),
        (pd.DataFrame({"a": ["x", None, float("nan")]}), {"a": ["x", "", ""]}),
        (pd.DataFrame({"a": pd.Categorical(["x", "y"])}), {"a": ["x", "y"]}),
        (pd.DataFrame({"a": [[1.0, 2.0], [3.0, 4.0]]}), {"a": [[1, 2], [3, 4]]}),
        (pd.DataFrame({"a": [[1], [2, 3]]}), {"a": ["[1]", "[2, 3]"]}),
        ({"a": [1], "b": "x"}, {"a": [1], "b": ["x"]}),
        ([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], {"a": [1, 2], "b": ["x", "y"]}),
        ([{"a": 1}, {"b": 2}], {"output": ['{"a": 1}', '{"b": 2}']}),
        ([{"a": {"b": np.float64(1)}}], {"a": ['{"b": 1.0}']}),
        ([[1, 2], [3]], {"output": ["[1, 2]", "[3]"]}),
        ([], {"output": []}),
        (np.array(["2026-01-02"], "datetime64[D]"), {"output": ["2026-01-02"]}),
    ],
)
def test_whatever_a_model_gives_becomes_named_arrays(result, expected):
    assert {name: array.tolist() for name, array in mlflow_result.named(result).items()} == expected


def test_signatures_name_their_columns():
    def fields(text):
        return [(field.spec.name, field.key) for field in mlflow_signature.parse({"inputs": text}).inputs]

    assert fields('[{"type": "long"}]') == [("input", None)]
    assert fields('[{"type": "long", "name": 0}, {"type": "long", "name": 1}]') == [("0", 0), ("1", 1)]
    assert fields('[{"type": "long"}, {"type": "string"}]') == [("input_0", None), ("input_1", None)]
    with pytest.raises(ZeroMindError, match="alike"):
        fields('[{"type": "long", "name": "0"}, {"type": "long", "name": 0}]')


def test_a_folder_without_pyyaml_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ZeroMindError, match=r"pip install 'zeromind\[mlflow\]'") as caught:
        mlflow_file.read(written(tmp_path, PLAIN))
    assert caught.value.kind is ErrorKind.MISSING_PACKAGE
