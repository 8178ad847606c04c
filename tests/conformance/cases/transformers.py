"""Folders of Hugging Face's transformers: small models of random weights, one for each task."""

import base64
import io
import json

import numpy as np
import pytest

from conformance.cases.case import Case
from zeromind import importing
from zeromind.datatypes import as_bytes

TEXTS = ["the cat sat", "a dog in Paris runs very far", "é", "Paris", "the cat sat on the mat, and the dog ran"]
LINES = ["the cat sat on the mat", "ein Löwe schläft", "日本語 😀 und mehr", "the dog"]
WEIGHTS = "model.safetensors"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 40}


def libraries():
    torch = pytest.importorskip("torch")
    with importing.silence():
        found = pytest.importorskip("transformers")
    found.utils.logging.set_verbosity_error()
    found.utils.logging.disable_progress_bar()
    torch.manual_seed(7)
    return torch, found


def save_tokenizer(folder, **more):
    """A tokenizer of word pieces; gives the size of its vocabulary."""
    _, transformers = libraries()
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=80, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, **more).save_pretrained(folder)
    return tokenizer.get_vocab_size()


def save_bert(folder, kind, labels=("O", "B-LOC", "I-LOC"), **more):
    """A BERT with random weights that are large enough for its answers to differ."""
    _, transformers = libraries()
    size = save_tokenizer(folder)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    config = transformers.BertConfig(vocab_size=size, initializer_range=0.6, **SMALL, **names, **more)
    model = getattr(transformers, kind)(config)
    model.save_pretrained(folder)
    return model.eval()


def save_gpt2(folder, **more):
    """A GPT-2 of random weights whose tokens are bytes and pairs of them, so that a character may be several."""
    _, transformers = libraries()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    end = {"eos_token": "<end>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **end).save_pretrained(folder)
    size = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": 300}
    config = transformers.GPT2Config(**size, initializer_range=0.5, bos_token_id=0, eos_token_id=0, **more)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)


def pipeline(task, folder, **more):
    _, transformers = libraries()
    with importing.silence():
        return transformers.pipeline(task, model=str(folder), device="cpu", **more)


def texts(*rows):
    return as_bytes(np.array(rows))


def classified(answers, labels):
    """What pipelines say of rows as the adapter's outputs."""
    scores = [{each["label"]: each["score"] for each in row} for row in answers]
    return {
        "label": texts(*(row[0]["label"] for row in answers)),
        "score": np.array([row[0]["score"] for row in answers], np.float32),
        "scores": np.array([[row[label] for label in labels] for row in scores], np.float32),
    }


def transformers_text_classification(folder):
    labels = ("bad", "fair", "good")
    save_bert(folder, "BertForSequenceClassification", labels)
    answers = pipeline("text-classification", folder)(TEXTS, top_k=None)
    return Case("transformers", folder, {"text": texts(*TEXTS)}, classified(answers, labels), rtol=1e-5, cut=WEIGHTS)


def transformers_token_classification(folder):
    save_bert(folder, "BertForTokenClassification")
    answers = pipeline("token-classification", folder, aggregation_strategy="simple")(TEXTS)
    entities = [
        [
            {
                "entity": each["entity_group"],
                "score": round(float(each["score"]), 4),
                "word": text[each["start"] : each["end"]],
                "start": each["start"],
                "end": each["end"],
            }
            for each in row
        ]
        for text, row in zip(TEXTS, answers, strict=True)
    ]
    expected = {"entities": texts(*(json.dumps(row, ensure_ascii=False) for row in entities))}
    return Case("transformers", folder, {"text": texts(*TEXTS)}, expected, cut=WEIGHTS)


def transformers_embeddings(folder):
    save_bert(folder, "BertModel")
    tokens = pipeline("feature-extraction", folder)(TEXTS)
    expected = np.array([np.mean(row[0], axis=0) for row in tokens], np.float32)
    return Case("transformers", folder, {"text": texts(*TEXTS)}, {"embedding": expected}, rtol=1e-5, cut=WEIGHTS)


def transformers_fill_mask(folder):
    save_bert(folder, "BertForMaskedLM")
    rows = [f"{text} [MASK]" for text in TEXTS]
    answers = pipeline("fill-mask", folder, top_k=3)(rows)
    expected = {
        "tokens": as_bytes(np.array([[each["token_str"] for each in row] for row in answers])),
        "scores": np.array([[each["score"] for each in row] for row in answers], np.float32),
    }
    return Case("transformers", folder, {"text": texts(*rows)}, expected, rtol=1e-5, cut=WEIGHTS, task={"top_k": 3})


def save_vit(folder, labels):
    """A vision transformer and its image processor."""
    _, transformers = libraries()
    size = {key: SMALL[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")}
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    config = transformers.ViTConfig(image_size=16, patch_size=8, initializer_range=0.6, **size, **names)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)


def pictures():
    """Five pictures of different sizes, formats and modes, and their files."""
    image = pytest.importorskip("PIL.Image")
    numbers = np.random.default_rng(3)
    files, found = np.empty(5, object), []
    for row, form in enumerate(("PNG", "JPEG", "WEBP", "BMP", "GIF")):
        pixels = numbers.integers(0, 256, (20 + 7 * row, 30, 3)).astype(np.uint8)
        stream = io.BytesIO()
        image.fromarray(pixels).convert("L" if form == "PNG" else "RGB").save(stream, form)
        files[row] = stream.getvalue()
        found.append(image.open(io.BytesIO(files[row])))
    return files, found


def transformers_image_classification(folder):
    _, transformers = libraries()
    labels = ("cat", "dog", "eel")
    save_vit(folder, labels)
    files, found = pictures()
    processor = transformers.ViTImageProcessorPil.from_pretrained(folder)
    answers = pipeline("image-classification", folder, image_processor=processor)(found)
    written = np.array([base64.b64encode(file) for file in files], object)
    return Case("transformers", folder, {"image": written}, classified(answers, labels), rtol=1e-5, cut=WEIGHTS)


MAKERS = [
    transformers_text_classification,
    transformers_token_classification,
    transformers_embeddings,
    transformers_fill_mask,
    transformers_image_classification,
]
