"""Loading models in a real browser."""

import json

import pytest

from .conftest import Page


@pytest.fixture
def page(pool, browser):
    page = Page(browser, pool, "#/load")
    page.says("#status", "pool 7")
    return page


def load(page, task):
    page.write("#task", task if isinstance(task, str) else json.dumps(task))
    page.one("#load [type=submit]").click()


def test_a_model_is_loaded_with_the_form(page, pool):
    page.write("#task-id", "product")
    page.write("#task-file", "skills/product.py")
    page.until(lambda: page.all("#task-type option[value=python]"), "the adapters")
    assert page.all('#known-filters option[value="rounding.RoundFilter"]')
    page.one("#task-type").send_keys("python")
    page.button("Add a filter").click()
    page.write(".filter-row input", "output")
    page.all(".filter-row select")[0].send_keys("output")
    page.write(".filter-row input", "rounding.RoundFilter", 1)
    task = {
        "id": "product",
        "model_file": "skills/product.py",
        "model_type": "python",
        "output_filters": {"output": ["rounding.RoundFilter"]},
    }
    assert json.loads(page.one("#task").get_attribute("value")) == task
    page.one("#load [type=submit]").click()
    page.says("#load-result", "product is loaded")
    page.button("Try it").click()
    page.write(".grid input", "2.5")
    page.write(".grid input", "3", 1)
    page.predict()
    page.says(".single", "8")
    pool.ask("/model/drop?id=product")


def test_the_form_follows_the_json(page):
    filters = {"image": [{"filter": "image.ImageFilter", "invert": True}]}
    page.write("#task", json.dumps({"id": "x", "model_type": "mine", "instances": 3, "timeout_s": 9, "input_filters": filters}))
    assert page.one("#task-id").get_attribute("value") == "x"
    assert page.one("#task-type").get_attribute("value") == "mine"
    assert page.one("#task-instances").get_attribute("value") == "3"
    page.write("#task-id", "y")
    assert json.loads(page.one("#task").get_attribute("value")) == {
        "id": "y", "model_type": "mine", "instances": 3, "timeout_s": 9, "input_filters": filters,
    }  # fmt: skip
    page.button("Remove").click()
    assert "input_filters" not in json.loads(page.one("#task").get_attribute("value"))


def test_adapters_that_are_not_installed_say_how_to_install_them(page, pool):
    missing = [name for name, version in pool.ask("/info/system")["adapters"].items() if version is None]
    page.until(lambda: page.all("#task-type option[value=python]"), "the adapters")
    for name in missing:
        option = page.all(f'#task-type option[value="{name}"]')[0]
        assert not option.is_enabled()
        assert f"pip install 'zeromind[{name}]'" in option.get_attribute("textContent")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("{", "the task is no JSON"),
        ("[]", "must be a JSON object"),
        ({"id": "x"}, "a task needs 'model_file'"),
        ({"id": "x", "model_file": "<b>none</b>.onnx"}, "'<b>none</b>.onnx' is not readable"),
        ({"id": "bands", "model_file": "skills/bands.py"}, "is loaded already"),
        ({"id": "x", "model_file": "skills/bands.py", "input_filters": {"image": ["no.Filter"]}}, "(error 53, HTTP 400)"),
    ],
)
def test_a_bad_task_is_told_in_the_servers_words(page, task, words):
    load(page, task)
    page.says("#load-result[role=alert]", words)
    assert not page.all("#load-progress")[0].is_displayed()


def test_a_model_that_is_not_there_cannot_be_loaded_anew(page):
    page.go("#/load/nothing")
    page.says("#load-result", "'nothing'")
    assert page.one("h1").text == "Load nothing anew"
    page.go("#/load")
    page.until(lambda: page.one("h1").text == "Load a model", "the empty form")
    page.gone("#load-result")


def test_a_load_shows_its_progress_and_can_be_cancelled(page, pool):
    load(page, {"id": "slow", "model_file": "skills/slow.py"})
    page.one("#load-progress progress")
    page.until(lambda: page.one("#load-stage").text not in ("", "asking for it"), "what it is doing")
    page.until(lambda: page.one("#load-memory").text.endswith("MB"), "its memory")
    assert page.one("#load-time").text.endswith(" s")
    page.go("#/models")
    page.until(lambda: page.one('[data-id="slow"] .state').text not in ("ready", ""), "the list to show it, too")
    page.go("#/load")
    page.one("#load-cancel").click()
    page.says("#load-result[role=alert]", "was dropped while it loaded")
    assert page.one("#load [type=submit]").is_enabled()


def test_what_still_loads_is_cancelled_in_the_list(page, pool):
    load(page, {"id": "slow", "model_file": "skills/slow.py"})
    page.go("#/models")
    page.one('[data-id="slow"] .deeds button').click()
    page.until(lambda: "slow" not in [model["id"] for model in pool.ask("/info/tasks")["tasks"]], "the load to end")


def test_what_is_taken_out_of_the_task_of_a_known_model_is_gone(page, pool):
    task = {"id": "known", "model_file": "skills/product.py", "output_filters": {"output": ["rounding.RoundFilter"]}, "max_batch_size": 8}
    pool.ask("/model/load", task)
    page.go("#/load/known")
    page.until(lambda: page.all(".filter-row"), "its filter")
    page.button("Remove").click()
    page.one("#load [type=submit]").click()
    page.says("#load-result", "known is loaded anew")
    assert pool.ask("/info/task?id=known")["output_filters"] == {}
    assert pool.ask("/info/task?id=known")["max_batch_size"] == 8
    page.go("#/load")
    page.go("#/load/known")
    page.until(lambda: "known" in page.one("#task").get_attribute("value"), "the task")
    load(page, {"id": "known", "model_file": "skills/product.py"})
    page.says("#load-result[role=alert]", "'max_batch_size' cannot be taken away")
    pool.ask("/model/drop?id=known")
