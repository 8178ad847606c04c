"""The example of a user's own filter works as its page says, found through the door that the page names."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from zeromind.filters.base import Files, build
from zeromind.plugins import Plugins
from zeromind.tensors import TensorSpec

FOLDER = Path(__file__).parents[2] / "examples" / "filters"
TEXTS = ["The cat sat on the mat", "A dog and a cat", "stocks fell, the market fell", "market prices"]
VECTORIZER = CountVectorizer().fit(TEXTS)
COLUMNS = len(VECTORIZER.vocabulary_)
SPEC = TensorSpec("x", "FP64", (None, COLUMNS))


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    place = tmp_path_factory.mktemp("vocabulary")
    (place / "vocabulary.txt").write_text("\n".join(VECTORIZER.get_feature_names_out()))
    cls = Plugins(filter_folders=(str(FOLDER),)).filter("words.WordsFilter")
    return build(cls, "words.WordsFilter", {"vocabulary": "vocabulary.txt"}, Files([place]))


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.lists(st.text() | st.lists(st.sampled_from(sorted(VECTORIZER.vocabulary_))).map(" ".join), max_size=4))
def test_it_counts_as_scikit_learn_does(words, texts):
    got = words.apply(texts, SPEC)
    assert got.shape == (len(texts), COLUMNS)
    if texts:
        assert np.array_equal(got, VECTORIZER.transform(texts).toarray())


def test_a_model_answers_texts_through_it(words):
    model = MultinomialNB().fit(VECTORIZER.transform(TEXTS).toarray(), ["pets", "pets", "money", "money"])
    assert model.predict(words.apply(["my cat", "the market!"], SPEC)).tolist() == ["pets", "money"]


def test_without_a_vocabulary_words_are_hashed():
    hashed = build(Plugins(filter_folders=(str(FOLDER),)).filter("words.WordsFilter"), "words.WordsFilter", {}, Files([]))
    got = hashed.apply(["one two two", "two ONE two"], TensorSpec("x", "FP32", (None, 8)))
    assert got.sum() == 6
    assert np.array_equal(got[0], got[1])


@pytest.mark.parametrize("value", ["text", None, [1], [["a"]], {}])
def test_other_values_are_refused(words, value):
    with pytest.raises(ValueError, match="expected a list of texts"):
        words.apply(value, SPEC)
