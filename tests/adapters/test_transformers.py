"""Folders of Hugging Face's transformers: what is told apart, refused and streamed; the plain answers are tests/conformance's."""

import contextlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tritonclient.grpc

from conformance.cases import transformers as cases
from conformance.cases.transformers import (
    LINES,
    SMALL,
    SPECIAL,
    TEXTS,
    WEIGHTS,
    libraries,
    pipeline,
    save_bert,
    save_gpt2,
    save_tokenizer,
    texts,
)
from zeromind import importing
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.transformers import TransformersAdapter
from zeromind.adapters.transformers_generation import texts_of, until
from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.tensors import TensorSpec

torch = pytest.importorskip("torch")


def load(folder, *, inputs=(), outputs=(), device="cpu", threads=1, allow_code=False, most=32, **options):
    source = Source(ModelFile(folder), inputs, outputs, device, threads, allow_code, options, most)
    return TransformersAdapter(source)


def refusal(folder, **keys):
    with pytest.raises(ZeroMindError) as caught:
        load(folder, **keys)
    return caught.value.kind, caught.value.message


def recognised(folder):
    return TransformersAdapter.recognises(ModelFile(folder))


def change(folder, name="config.json", **entries):
    path = folder / name
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, **entries}))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Folders of models that tests copy before they change them."""
    folder = tmp_path_factory.mktemp("shop")
    for name, kind in {"classes": "BertForSequenceClassification", "base": "BertModel", "mask": "BertForMaskedLM"}.items():
        save_bert(folder / name, kind)
    cases.save_vit(folder / "vit", ("cat", "dog"))
    save_gpt2(folder / "gpt2")
    return folder


@pytest.fixture
def copy(shop, tmp_path):
    return lambda name: shutil.copytree(shop / name, tmp_path / name)


# --- what it is


@pytest.mark.parametrize("name", ["MLmodel", "skill.py", "saved_model.pb"])
def test_other_adapters_folders_are_not_its(copy, name):
    folder = copy("classes")
    assert recognised(folder)
    (folder / name).write_text("")
    assert not recognised(folder)


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"[]",
        b"{",
        b"nonsense",
        b"{}",
        b'{"model_type": 5}',
        b'{"architectures": "BertModel"}',
        b"[" * 100_000,
        b'"\xff"',
        b"null",
        b"7",
    ],
)
def test_configurations_of_something_else_are_not_its(copy, config):
    folder = copy("classes")
    (folder / "config.json").write_bytes(config)
    assert not recognised(folder)
    assert TransformersAdapter.carries_code(ModelFile(folder)) == ""
    assert refusal(folder)[0] is ErrorKind.LOAD_FAILED


def test_what_lacks_a_part_is_not_its(copy, tmp_path):
    folder = copy("classes")
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).unlink()
    assert not recognised(folder)
    (folder / "model-00001-of-00001.safetensors").write_bytes(weights)
    assert recognised(folder)
    (folder / "config.json").unlink()
    assert not recognised(folder)
    (tmp_path / "empty").mkdir()
    assert not recognised(tmp_path / "empty")
    (tmp_path / "file").write_bytes(weights)
    assert not recognised(tmp_path / "file")
    kind, text = refusal(tmp_path / "file")
    assert (kind, "is no folder" in text) == (ErrorKind.LOAD_FAILED, True)


def test_a_folder_for_a_configuration_does_not_upset_it(tmp_path):
    (tmp_path / "config.json").mkdir()
    (tmp_path / WEIGHTS).mkdir()
    assert not recognised(tmp_path)


# --- code and the network


MODULE = """
from pathlib import Path

from transformers import BertConfig, BertModel

Path({witness!r}).touch()


class OwnConfig(BertConfig):
    model_type = "own"


class OwnModel(BertModel):
    config_class = OwnConfig
"""


@pytest.fixture
def own(copy, tmp_path, monkeypatch):
    """A folder whose configuration names code in it, and the file that this code makes."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", sys.path[:])
    folder = copy("base")
    (folder / "own.py").write_text(MODULE.format(witness=str(tmp_path / "witness")))
    change(folder, model_type="own", architectures=["OwnModel"], auto_map={"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"})
    return folder, tmp_path / "witness"


def test_code_in_the_folder_runs_only_if_it_may(own):
    folder, witness = own
    assert recognised(folder)
    assert TransformersAdapter.carries_code(ModelFile(folder)) == "code in the folder (trust_remote_code)"
    kind, text = refusal(folder)
    assert (kind, "trust_remote_code" in text) == (ErrorKind.CODE_NOT_ALLOWED, True)
    assert not witness.exists()
    with importing.silence():
        assert load(folder, allow_code=True).predict({"text": texts("the cat")})["embedding"].shape == (1, 16)
    assert witness.exists()


@pytest.mark.parametrize("name", ["tokenizer_config.json", "preprocessor_config.json", "processor_config.json"])
def test_code_is_found_wherever_it_may_be_named(copy, name):
    folder = copy("base")
    change(folder, name, auto_map={"AutoTokenizer": ["own.Tokenizer", None]})
    assert TransformersAdapter.carries_code(ModelFile(folder))
    assert refusal(folder)[0] is ErrorKind.CODE_NOT_ALLOWED


def test_code_beside_a_model_that_does_not_name_it_stays_where_it_is(copy):
    folder = copy("base")
    (folder / "own.py").write_text("raise RuntimeError")
    assert TransformersAdapter.carries_code(ModelFile(folder)) == ""
    load(folder)


class Evil:
    def __init__(self, witness):
        self.witness = str(witness)

    def __reduce__(self):
        return (os.mkdir, (self.witness,))


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_weights_in_a_pickle_are_data(copy, tmp_path, form):
    folder = copy("classes")
    expected = load(folder).predict({"text": texts(*TEXTS)})
    from safetensors.torch import load_file

    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    assert recognised(folder)
    assert TransformersAdapter.carries_code(ModelFile(folder)) == ""
    np.testing.assert_array_equal(load(folder).predict({"text": texts(*TEXTS)})["scores"], expected["scores"])
    evil = {"weight": Evil(tmp_path / "witness")}
    if form == "torch":
        torch.save(evil, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(evil))
    assert refusal(folder)[0] is ErrorKind.LOAD_FAILED
    assert not (tmp_path / "witness").exists()


def test_a_kernel_from_elsewhere_is_not_asked_for(copy):
    folder = copy("base")
    change(folder, attn_implementation="kernels-community/flash-attn", _attn_implementation="someone/else")
    load(folder)


def test_nothing_is_asked_of_any_network(shop):
    """In a process of its own, told to use the hub, in which every socket is a fault."""
    program = f"""
import os, sys, pathlib
sys.addaudithook(lambda name, _: os._exit(7) if name.startswith(("socket.connect", "socket.getaddrinfo")) else None)
from zeromind.adapters.base import Source
from zeromind.adapters.file import ModelFile
from zeromind.adapters.transformers import TransformersAdapter
import numpy as np
adapter = TransformersAdapter(Source(ModelFile(pathlib.Path({str(shop / "base")!r}))))
print(adapter.predict({{"text": np.array([b"the cat"], object)}})["embedding"].shape)
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout.strip(), done.returncode) == ("(1, 16)", 0), done.stderr
    assert done.stderr == ""


# --- what cannot be served, and the words for it


def test_faults_of_a_folder_have_words(copy, tmp_path):
    (copy("classes") / "tokenizer.json").unlink()
    kind, text = refusal(tmp_path / "classes")
    assert (kind, text.startswith("the tokenizer in classes cannot be loaded: ")) == (ErrorKind.LOAD_FAILED, True)
    folder = copy("base")
    change(folder, model_type="no_such_model")
    kind, text = refusal(folder)
    assert (kind, "the configuration in base cannot be loaded" in text) == (ErrorKind.LOAD_FAILED, True)
    folder = copy("mask")
    (folder / "adapter_config.json").write_text("{}")
    assert "PEFT" in refusal(folder)[1]
    (copy("vit") / "preprocessor_config.json").unlink()
    assert "the image processor in vit cannot be loaded" in refusal(tmp_path / "vit")[1]


def test_weights_that_are_absent_are_not_made_up(shop):
    kind, text = refusal(shop / "base", task="text-classification")
    assert (kind, "lacks the weights classifier.bias" in text) == (ErrorKind.LOAD_FAILED, True)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("base", {"task": "poetry"}, "one of text-classification, token-classification, feature-extraction"),
        ("base", {"top_k": 3}, "'top_k' has no meaning for this model's task, which knows task, dtype, max_length, normalize, pooling"),
        ("base", {"max_length": 0}, "a whole number from 1 to 40"),
        ("base", {"max_length": 41}, "a whole number from 1 to 40"),
        ("base", {"max_length": True}, "a whole number"),
        ("base", {"dtype": "int8"}, "one of 'float32', 'float16', 'bfloat16', 'auto'"),
        ("base", {"pooling": "middle"}, "one of 'mean', 'cls', 'max', 'last'"),
        ("base", {"normalize": 1}, "true or false"),
        ("classes", {"pairs": "yes"}, "true or false"),
        ("mask", {"top_k": 1000}, "a whole number from 1 to"),
        ("gpt2", {"max_new_tokens": 65}, "a whole number from 1 to 64"),
        ("gpt2", {"max_length": 5}, "no meaning"),
    ],
)
def test_wrong_task_keys(shop, name, options, words):
    kind, text = refusal(shop / name, **options)
    assert kind is ErrorKind.TASK_ATTRIBUTE
    assert words in text


def test_weights_in_several_files(copy):
    folder = copy("base")
    expected = load(folder).predict({"text": texts(*TEXTS)})["embedding"]
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    shards = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(weights)}
    for shard in sorted(set(shards.values())):
        save_file({name: weights[name] for name in weights if shards[name] == shard}, folder / shard, {"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": shards}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    assert recognised(folder)
    np.testing.assert_array_equal(load(folder).predict({"text": texts(*TEXTS)})["embedding"], expected)
    for odd in ("../classes/model.safetensors", "/tmp/model.safetensors", "..", 7):
        change(folder, f"{WEIGHTS}.index.json", weight_map={**shards, next(iter(shards)): odd})
        kind, text = refusal(folder)
        assert (kind, "which is no file in its folder" in text) == (ErrorKind.LOAD_FAILED, True)


def test_an_architecture_without_a_task(copy):
    folder = copy("base")
    change(folder, architectures=["BertForQuestionAnswering"])
    kind, text = refusal(folder)
    assert (kind, "set the task's key 'task' to one of text-classification" in text) == (ErrorKind.TASK_ATTRIBUTE, True)
    load(folder, task="feature-extraction")
    change(folder, architectures=None)
    assert refusal(folder)[0] is ErrorKind.TASK_ATTRIBUTE


def test_devices(shop):
    assert refusal(shop / "base", device="tpu")[0] is ErrorKind.TASK_ATTRIBUTE
    if not torch.cuda.is_available():
        kind, text = refusal(shop / "base", device="cuda:3")
        assert (kind, "PyTorch cannot use cuda:3: it sees no GPU" in text) == (ErrorKind.LOAD_FAILED, True)
        load(shop / "base", device="auto")


def test_it_uses_the_threads_that_it_may(shop):
    before = torch.get_num_threads()
    try:
        load(shop / "base", threads=2)
        assert (torch.get_num_threads(), os.environ["TOKENIZERS_PARALLELISM"]) == (2, "true")
        load(shop / "base", threads=1)
        assert (torch.get_num_threads(), os.environ["TOKENIZERS_PARALLELISM"]) == (1, "false")
    finally:
        torch.set_num_threads(before)


# --- text


@pytest.mark.parametrize("name", ["classes", "base", "mask"])
def test_texts_that_are_none(shop, name):
    adapter = load(shop / name)
    with pytest.raises(ZeroMindError, match="is no text in UTF-8") as caught:
        adapter.predict({"text": np.array([b"the [MASK]", b"\xff"], object)})
    assert caught.value.kind is ErrorKind.INVALID_INPUT


def test_a_text_may_be_empty_if_the_tokenizer_makes_something_of_it(copy):
    folder = copy("classes")
    adapter = load(folder)
    both = adapter.predict({"text": texts("", "the cat")})["scores"]
    np.testing.assert_allclose(adapter.predict({"text": texts("")})["scores"], both[:1], rtol=1e-5)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
    adapter = load(folder)
    for rows in (texts(""), texts("the cat", "")):
        with pytest.raises(ZeroMindError, match="a text is empty") as caught:
            adapter.predict({"text": rows})
        assert caught.value.kind is ErrorKind.INVALID_INPUT


def test_a_tokenizer_that_makes_nothing_of_the_rows_it_is_tried_on(copy):
    folder = copy("classes")
    path = folder / "tokenizer.json"
    found = json.loads(path.read_text())
    vocabulary = {**dict(zip(SPECIAL, range(5), strict=True)), **{letter: 5 + place for place, letter in enumerate("xyz")}}
    path.write_text(json.dumps({**found, "post_processor": None, "model": {"type": "BPE", "vocab": vocabulary, "merges": []}}))
    change(folder, "tokenizer_config.json", unk_token=None)
    assert load(folder).predict({"text": texts("x", "zxy")})["scores"].shape == (2, 3)


def test_a_long_text_is_cut(shop):
    long = " ".join(["cat"] * 500)
    whole, short = load(shop / "base"), load(shop / "base", max_length=7)
    np.testing.assert_array_equal(*(whole.predict({"text": texts(text)})["embedding"] for text in (long, " ".join(["cat"] * 38))))
    np.testing.assert_array_equal(*(short.predict({"text": texts(text)})["embedding"] for text in (long, " ".join(["cat"] * 5))))


def test_roberta_has_fewer_places_than_it_says(tmp_path):
    _, transformers = libraries()
    size = save_tokenizer(tmp_path)
    transformers.RobertaModel(transformers.RobertaConfig(vocab_size=size, pad_token_id=0, **SMALL)).save_pretrained(tmp_path)
    assert load(tmp_path).predict({"text": texts(" ".join(["cat"] * 500))})["embedding"].shape == (1, 16)
    assert "from 1 to 39" in refusal(tmp_path, max_length=40)[1]


def test_pairs_of_texts(shop):
    adapter = load(shop / "classes", pairs=True)
    assert [spec.name for spec in adapter.spec.inputs] == ["text", "text_pair"]
    answer = adapter.predict({"text": texts(*TEXTS), "text_pair": texts(*TEXTS[::-1])})
    pairs = [{"text": one, "text_pair": other} for one, other in zip(TEXTS, TEXTS[::-1], strict=True)]
    its = cases.classified(pipeline("text-classification", shop / "classes")(pairs, top_k=None), ("O", "B-LOC", "I-LOC"))
    np.testing.assert_allclose(answer["scores"], its["scores"], rtol=1e-5)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(("a", "b"), "multi_label_classification"), (("only",), None), (("size",), "regression"), (("a", "b"), "regression")],
)
def test_what_the_numbers_of_classes_mean(tmp_path, labels, kind):
    save_bert(tmp_path, "BertForSequenceClassification", labels, problem_type=kind)
    adapter = load(tmp_path)
    assert adapter.labels == {"scores": list(labels)}
    answer = adapter.predict({"text": texts(*TEXTS)})
    its = cases.classified(pipeline("text-classification", tmp_path)(TEXTS, top_k=None), labels)
    assert answer["label"].tolist() == its["label"].tolist()
    for name in ("score", "scores"):
        np.testing.assert_allclose(answer[name], its[name], rtol=1e-5)


def test_entities_without_a_scheme(tmp_path):
    save_bert(tmp_path, "BertForTokenClassification", ("O", "LOC", "ORG"))
    text = "the dog in Paris runs very far"
    (entities,) = load(tmp_path).predict({"text": texts(text)})["entities"]
    its = pipeline("token-classification", tmp_path, aggregation_strategy="simple")(text)
    assert [(each["entity"], each["start"], each["end"]) for each in json.loads(entities)] == [
        (each["entity_group"], each["start"], each["end"]) for each in its
    ]
    assert its
    (entities,) = load(tmp_path).predict({"text": texts("")})["entities"]
    assert entities == b"[]"


@pytest.mark.parametrize("text", ["no such word", "[MASK] and [MASK]", " ".join(["cat"] * 100) + " [MASK]"])
def test_a_mask_must_be_there_once(shop, text):
    with pytest.raises(ZeroMindError, match=r"must have \[MASK\] exactly once, within its first 40 tokens") as caught:
        load(shop / "mask").predict({"text": texts("the [MASK]", text)})
    assert caught.value.kind is ErrorKind.INVALID_INPUT
    assert SPECIAL[4] == "[MASK]"


def test_many_rows_are_computed_in_batches(shop):
    many = texts(*(TEXTS * 4))
    parts, whole = (load(shop / "base", most=most).predict({"text": many})["embedding"] for most in (3, 32))
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_rows_that_padding_would_change_are_computed_alone(tmp_path):
    """FNet mixes all places of a text, those of padding among them."""
    _, transformers = libraries()
    size = save_tokenizer(tmp_path)
    more = {key: value for key, value in SMALL.items() if key != "num_attention_heads"}
    config = transformers.FNetConfig(vocab_size=size, initializer_range=0.6, type_vocab_size=2, pad_token_id=0, **more)
    transformers.FNetModel(config).save_pretrained(tmp_path)
    adapter = load(tmp_path)
    assert adapter._step == 1
    assert adapter.spec.batches
    both = adapter.predict({"text": texts(TEXTS[0], TEXTS[1])})["embedding"]
    for row in (0, 1):
        np.testing.assert_array_equal(adapter.predict({"text": texts(TEXTS[row])})["embedding"], both[row : row + 1])


def test_a_model_without_types_of_tokens(tmp_path):
    _, transformers = libraries()
    config = transformers.DistilBertConfig(vocab_size=save_tokenizer(tmp_path), dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    transformers.DistilBertForSequenceClassification(config).save_pretrained(tmp_path)
    answer = load(tmp_path).predict({"text": texts(*TEXTS)})
    assert answer["scores"].shape == (5, 2)


def test_a_classifier_whose_model_reads_onwards(tmp_path):
    _, transformers = libraries()
    save_gpt2(tmp_path)
    config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, vocab_size=300, initializer_range=0.5, num_labels=2)
    transformers.GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    adapter = load(tmp_path)
    together = adapter.predict({"text": texts(*TEXTS)})["scores"]
    alone = np.concatenate([adapter.predict({"text": texts(text)})["scores"] for text in TEXTS])
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert np.ptp(together[:, 0]) > 0.01


def test_half_precision(shop):
    whole = load(shop / "base").predict({"text": texts(*TEXTS)})["embedding"]
    half = load(shop / "base", dtype="bfloat16").predict({"text": texts(*TEXTS)})["embedding"]
    assert half.dtype == np.float32
    assert not np.array_equal(whole, half)
    np.testing.assert_allclose(half, whole, atol=0.1)


def test_a_task_may_fix_how_many_rows_there_are(shop):
    fixed = load(shop / "base", inputs=(TensorSpec("text", "BYTES", (1,)),))
    assert not fixed.spec.batches
    assert fixed.predict({"text": texts("the cat")})["embedding"].shape == (1, 16)
    assert refusal(shop / "base", inputs=(TensorSpec("words", "BYTES", (1,)),))[0] is ErrorKind.INPUT_SPEC
    assert refusal(shop / "base", outputs=(TensorSpec("embedding", "FP64", (None, 16)),))[0] is ErrorKind.OUTPUT_SPEC


# --- embeddings


def sentence(folder, pooling=None, *more, own=None):
    """Make of a folder one of sentence-transformers, with the transformer itself at its top."""
    kinds = [("", "Transformer"), *([("1_Pooling", "Pooling")] if pooling else []), *((f"{kind}_", kind) for kind in more)]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    if pooling:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, **pooling}))
    if own:
        (folder / "sentence_bert_config.json").write_text(json.dumps(own))
    return folder


def hidden(folder, text):
    """The framework's own vectors of a text's tokens, ``[tokens, hidden]``."""
    return np.array(pipeline("feature-extraction", folder)(text)[0], np.float32)


@pytest.mark.parametrize(
    ("pooling", "way"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda tokens: tokens[0]),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, lambda tokens: tokens.mean(0)),
        ({"pooling_mode_max_tokens": True}, lambda tokens: tokens.max(0)),
        ({"pooling_mode": "lasttoken"}, lambda tokens: tokens[-1]),
    ],
)
def test_pooling_as_sentence_transformers_says(copy, pooling, way):
    folder = sentence(copy("base"), pooling, "Normalize", own={"max_seq_length": 6, "do_lower_case": False})
    change(folder, architectures=["BertForMaskedLM"])
    assert recognised(folder)
    expected = np.array([way(hidden(folder, text)) for text in ("the cat sat", "a dog")])
    close = {"rtol": 1e-4, "atol": 1e-6}
    answer = load(folder).predict({"text": texts("the cat sat", "a dog")})["embedding"]
    np.testing.assert_allclose(answer, expected / np.linalg.norm(expected, axis=1, keepdims=True), **close)
    answer = load(folder, normalize=False).predict({"text": texts("a dog")})["embedding"]
    np.testing.assert_allclose(answer, expected[1:], **close)
    cut = load(folder).predict({"text": texts("the cat sat on the mat", "the cat sat on the dog")})["embedding"]
    np.testing.assert_allclose(cut[0], cut[1], rtol=1e-5)


def test_pooling_as_the_task_says(shop):
    answer = load(shop / "base", pooling="cls", normalize=True).predict({"text": texts("the cat sat")})["embedding"]
    expected = hidden(shop / "base", "the cat sat")[0]
    np.testing.assert_allclose(answer[0], expected / np.linalg.norm(expected), rtol=1e-5, atol=1e-6)


def test_a_transformer_in_a_folder_of_its_own(shop, tmp_path):
    shutil.copytree(shop / "base", tmp_path / "0_Transformer")
    modules = [{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert recognised(tmp_path)
    answers = [load(folder).predict({"text": texts(*TEXTS)})["embedding"] for folder in (tmp_path, shop / "base")]
    np.testing.assert_array_equal(*answers)
    modules[0]["path"] = "../../" + shop.name + "/base"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert not recognised(tmp_path)
    assert "does not lie in the model's folder" in refusal(tmp_path)[1]


@pytest.mark.parametrize(
    ("pooling", "more", "words"),
    [
        ({"pooling_mode_mean_tokens": True}, ["Dense"], "has a module 'Dense'"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, [], "pools by mean_tokens and cls_token"),
        ({"pooling_mode_weightedmean_tokens": True}, [], "set the task's 'pooling'"),
    ],
)
def test_what_of_sentence_transformers_is_not_served(copy, pooling, more, words):
    kind, text = refusal(sentence(copy("base"), pooling, *more))
    assert kind is ErrorKind.LOAD_FAILED
    assert words in text


@pytest.mark.parametrize("modules", [b"", b"7", b"[7]", b'[{"type": "Transformer"}]', b'{"a": 1}'])
def test_modules_that_are_none(copy, modules):
    folder = copy("base")
    (folder / "modules.json").write_bytes(modules)
    assert not recognised(folder)
    assert refusal(folder)[0] is ErrorKind.LOAD_FAILED


# --- pictures


def test_pictures_as_files_and_as_text(shop):
    files, _ = cases.pictures()
    adapter = load(shop / "vit")
    assert [(spec.name, spec.datatype, spec.shape) for spec in adapter.spec.inputs] == [("image", "BYTES", (None,))]
    import base64

    plain = adapter.predict({"image": files})["scores"]
    for before in (b"", b"data:image/png;base64,"):
        written = np.array([before + base64.b64encode(file) for file in files], object)
        np.testing.assert_array_equal(adapter.predict({"image": written})["scores"], plain)


def huge():
    """A PNG whose header promises more pixels than are taken."""
    import struct
    import zlib

    head = struct.pack(">II", 60_000, 60_000) + b"\x08\x02\0\0\0"
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "picture 1 is no readable"),
        (b"nonsense", "picture 1 is no readable PNG, JPEG, WEBP, BMP or GIF file"),
        (b"%PDF-1.4 \xff", "picture 1 is no readable"),
        (None, "picture 1 is damaged or cut short"),
        (huge(), "picture 1 has more than the 64000000 pixels"),
    ],
)
def test_pictures_that_are_none(shop, data, words):
    files, _ = cases.pictures()
    rows = np.array([files[0], files[0][: len(files[0]) // 2] if data is None else data], object)
    with pytest.raises(ValueError, match=words):
        load(shop / "vit").predict({"image": rows})


# --- text that goes on


@pytest.fixture(scope="module")
def writer(shop):
    adapter = load(shop / "gpt2")
    yield adapter
    adapter.close()


def pieces(adapter, text, **parameters):
    found = list(adapter.stream({"text_input": texts(text)}, parameters))
    assert all(list(each) == ["text_output"] and each["text_output"].shape == (1,) for each in found)
    return [each["text_output"][0].decode() for each in found]


@pytest.mark.parametrize("text", LINES)
def test_the_pieces_are_what_the_framework_writes(shop, writer, text):
    assert writer.decoupled
    assert writer.parameters
    found = pieces(writer, text, max_new_tokens=30)
    with importing.silence():
        answer = pipeline("text-generation", shop / "gpt2")(text, max_new_tokens=30, do_sample=False, return_full_text=False)
    assert "".join(found) == answer[0]["generated_text"]
    assert len(found) > 5
    assert pieces(writer, text, max_new_tokens=30, stream=False) == ["".join(found)]
    assert writer.predict({"text_input": texts(text)})["text_output"].shape == (1,)


def test_chance(writer):
    one, again, other = (pieces(writer, "the", temperature=2.0, top_p=0.99, top_k=200, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert pieces(writer, "the", temperature=0) == pieces(writer, "the") == pieces(writer, "the", top_k=1)


def test_it_ends_before_a_text(writer):
    whole = "".join(pieces(writer, "the", max_new_tokens=40))
    stop = whole[9:12]
    assert "".join(pieces(writer, "the", max_new_tokens=40, stop=stop)) == whole[: whole.index(stop)]
    assert "".join(pieces(writer, "the", max_new_tokens=40, stop="no such text")) == whole


def test_it_ends_where_the_model_ends(writer):
    count = sum(1 for _ in writer.stream({"text_input": texts(" the" * 20)}, {"max_new_tokens": 64}))
    assert 0 < count < 64


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"max_new_tokens": 0}, "'max_new_tokens' is 0: a whole number from 1"),
        ({"max_new_tokens": 65}, "the model's task allows 64"),
        ({"max_new_tokens": True}, "a whole number"),
        ({"temperature": -1.0}, "0, or a number from 0.01 to 100"),
        ({"temperature": float("nan")}, "0, or a number from 0.01 to 100"),
        ({"temperature": "hot"}, "0, or a number from 0.01 to 100"),
        ({"top_p": 0.0}, "above 0, at most 1"),
        ({"top_p": 1.5}, "above 0, at most 1"),
        ({"top_k": 1.5}, "a whole number"),
        ({"seed": -1}, "a whole number from 0"),
        ({"seed": False}, "a whole number from 0"),
        ({"stop": ""}, "text is expected"),
        ({"stop": 1}, "text is expected"),
        ({"stream": 1}, "true or false"),
        ({"temprature": 1}, "parameter 'temprature' is unknown to the model; it knows max_new_tokens, temperature"),
    ],
)
def test_wrong_parameters(writer, parameters, words):
    with pytest.raises(ZeroMindError, match=words) as caught:
        pieces(writer, "the", **parameters)
    assert caught.value.kind is ErrorKind.INVALID_INPUT


@pytest.mark.parametrize(
    ("rows", "words"),
    [(("a", "b"), "has 2 texts"), ((), "has 0 texts"), (("",), "has 0 tokens"), (("x" * 500,), "tokens: the model takes from 1 to 63")],
)
def test_texts_that_cannot_go_on(writer, rows, words):
    with pytest.raises(ZeroMindError, match=words) as caught:
        list(writer.stream({"text_input": texts(*rows) if rows else np.empty(0, object)}, {}))
    assert caught.value.kind is ErrorKind.INVALID_INPUT


def test_a_fault_of_the_model_comes_through(shop):
    def fail(*_):
        raise RuntimeError("no more")

    with contextlib.closing(load(shop / "gpt2")) as adapter:
        hook = adapter._head._model.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="no more"):
            pieces(adapter, "the")
        hook.remove()
        assert pieces(adapter, "the")


def test_closing_the_stream_stops_the_model(shop):
    steps = []
    with contextlib.closing(load(shop / "gpt2")) as adapter:
        adapter._head._model.register_forward_hook(lambda *_: steps.append(time.sleep(0.02)))
        stream = adapter.stream({"text_input": texts("the")}, {"max_new_tokens": 60, "seed": 1, "temperature": 5.0})
        next(stream)
        stream.close()
        assert len(steps) < 30
        del steps[:]
        assert pieces(adapter, "the", max_new_tokens=3)
        assert len(steps) == 3


def test_it_uses_the_threads_that_it_may_for_text_too(shop):
    used = []
    with contextlib.closing(load(shop / "gpt2", threads=1)) as adapter:
        adapter._head._model.register_forward_hook(lambda *_: used.append(torch.get_num_threads()))
        pieces(adapter, "the", max_new_tokens=2)
    assert used == [1, 1]


def test_generations_own_settings_are_heeded(copy):
    folder = copy("gpt2")
    change(folder, "generation_config.json", do_sample=True, temperature=3.0)
    adapter = load(folder, max_new_tokens=20)
    assert pieces(adapter, "the", seed=1) != pieces(adapter, "the", seed=2)
    assert pieces(adapter, "the", seed=1, temperature=0) == pieces(adapter, "the", seed=2, temperature=0)
    adapter.close()


def test_text_is_held_back_within_a_character_and_within_the_stop():
    letters = {number: bytes([number]) for number in range(256)}

    def decode(tokens):
        return b"".join(letters[token] for token in tokens).decode(errors="replace")

    text = "aé😀b日"
    assert list(texts_of(decode, list("é".encode()), iter(text.encode()))) == list(text)
    assert list(texts_of(decode, [], iter("é".encode()[:1]))) == ["\N{REPLACEMENT CHARACTER}"]
    assert list(until("", iter("ab"))) == ["a", "b"]
    assert list(until("cd", iter("abcxcde"))) == ["a", "b", "cx"]
    assert list(until("cd", iter(["ab", "c"]))) == ["ab", "c"]
    assert list(until("ab", iter(["ab", "c"]))) == []


# --- served


@pytest.fixture(scope="module")
def pool(thread_server, shop):
    tasks = [
        {"id": "writer", "model_file": str(shop / "gpt2"), "isolation": "thread"},
        {"id": "classes", "model_file": str(shop / "classes"), "isolation": "thread"},
    ]
    with thread_server(tasks=tasks, roots=[str(shop)]) as client:
        yield client


def events(answer):
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    return [json.loads(block.removeprefix("data: ")) for block in answer.data.decode().split("\n\n")[:-1]]


def test_text_is_streamed(pool, writer):
    expected = pieces(writer, LINES[2], max_new_tokens=12)
    asked = {"text_input": LINES[2], "max_new_tokens": 12}
    assert [event["text_output"] for event in events(pool.post("/v2/models/writer/generate_stream", asked))] == expected
    assert pool.post("/v2/models/writer/generate", {**asked, "stream": False}).json["text_output"] == "".join(expected)
    assert pool.post("/v2/models/writer/generate", {**asked, "text": "x"}).status == 400
    refused = pool.post("/v2/models/writer/generate_stream", {**asked, "temperature": -1})
    assert (refused.status, "0, or a number from 0.01" in refused.json["error"]) == (400, True)


def test_text_is_streamed_over_grpc(pool, writer):
    expected = pieces(writer, "the", max_new_tokens=7)
    given = tritonclient.grpc.InferInput("text_input", [1], "BYTES")
    given.set_data_from_numpy(texts("the"))
    found = []
    with tritonclient.grpc.InferenceServerClient(pool.address) as client:
        client.start_stream(lambda result, error: found.append(error or result.as_numpy("text_output")[0].decode()))
        client.async_stream_infer("writer", [given], parameters={"max_new_tokens": 7})
        client.stop_stream()
    assert found == expected


def test_the_other_wires_take_one_answer(pool, writer):
    whole = "".join(pieces(writer, "the", max_new_tokens=7))
    asked = {"inputs": [{"name": "text_input", "shape": [1], "datatype": "BYTES", "data": ["the"]}]}
    answer = pool.post("/v2/models/writer/infer", {**asked, "parameters": {"max_new_tokens": 7, "stream": False}})
    assert answer.json["outputs"][0]["data"] == [whole]
    answer = pool.post("/v2/models/writer/infer", {**asked, "parameters": {"max_new_tokens": 7}})
    assert answer.status == 400


def test_classes_over_rest(pool):
    answer = pool.predict("classes", {"text": TEXTS})
    assert answer.status == 200
    assert [len(answer.json["result"][name]) for name in ("label", "score", "scores")] == [5, 5, 5]


@pytest.mark.parametrize("key", ["vocab", "merges"])
def test_a_tokenizer_names_no_file_outside_its_folder(copy, key):
    folder = copy("mask")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, key: "/etc/hostname"}))
    with pytest.raises(ZeroMindError, match=f"names a file in '{key}'"):
        load(folder)
