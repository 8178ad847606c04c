"""One model's pages in a real browser: what it does, its interface, its logs, its task; reloading and dropping it."""

import json
import threading

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .conftest import LABELS, Page

NONE = "\u2013"


@pytest.fixture
def busy(pool):
    """Somebody who keeps asking the fragile model, now and then for what it refuses."""
    done = threading.Event()

    def ask():
        while not done.is_set():
            pool.ask("/model/predict?id=fragile", {"x": [1]})
            pool.request("/model/predict?id=fragile", b'{"x": "?"}', **{"Content-Type": "application/json"})
            done.wait(0.01)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield
    done.set()
    for thread in threads:
        thread.join(30)


def chart(title):
    return f'.chart > svg[aria-label^="{title}"]'


def path(page, title, colour):
    return page.one(f"{chart(title)} .colour-{colour}").get_attribute("d")


def test_charts_move_while_it_is_asked(pool, browser, busy):
    page = Page(browser, pool, "#/model/fragile")
    page.until(lambda: "L" in path(page, "Throughput", 2), "two seconds of throughput")
    assert "answered" in page.one(chart("Throughput")).get_attribute("aria-label")
    for title, colour in (("Throughput", 2), ("Throughput", 5), ("Latency", 1), ("Latency", 4), ("Queue", 1), ("Memory", 2)):
        assert path(page, title, colour).startswith("M"), title
    for colour in (1, 2, 3, 4):
        assert path(page, "Where the time goes", colour).endswith("Z")
    page.one(f"{chart('Batch sizes')} rect.column")
    before = path(page, "Throughput", 2)
    page.until(lambda: path(page, "Throughput", 2) != before, "the chart to move")
    page.says(".totals", "INVALID_INPUT")
    latency = page.all(".chart")[1]
    whole = latency.find_element("css selector", "b").text
    latency.find_element("css selector", 'option[value="output"]').click()
    page.until(lambda: latency.find_element("css selector", "b").text != whole, "the latency of another stage")


def test_charts_tell_nothing_of_the_model_before(pool, browser):
    page = Page(browser, pool, "#/model/fragile")
    page.until(lambda: " MB" in page.all(".chart b")[-1].text, "its memory")
    page.go("#/model/broken")
    page.until(lambda: [figure.text for figure in page.all(".chart b")] == [*[NONE] * 11, "0", NONE], "charts without figures")


def test_charts_are_read_with_mouse_and_keyboard(pool, browser, busy):
    page = Page(browser, pool, "#/model/fragile")
    page.until(lambda: path(page, "Throughput", 2).count("L") > 2, "some seconds of throughput")
    drawing = page.one(chart("Throughput"))
    ActionChains(browser).move_to_element_with_offset(drawing, drawing.size["width"] // 2 - 5, 0).perform()
    page.says(".when", "s ago")
    ActionChains(browser).move_to_element(page.one("h1")).perform()
    page.until(lambda: not page.all(".when")[0].text, "the readout to go")
    browser.execute_script("arguments[0].focus()", drawing)
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    page.until(lambda: "answered" in page.all(".chart [role=status]")[0].get_attribute("textContent"), "the values in words")
    assert page.all(f"{chart('Throughput')} .cursor")[0].get_attribute("visibility") == "visible"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.all(f"{chart('Throughput')} .cursor")[0].get_attribute("visibility") == "hidden"


def test_quantiles_are_interpolated_within_their_bucket(page):
    wanted = [
        ([], 0.5, None),
        ([0, 0], 0.5, None),
        ([4], 0.5, 0.5),
        ([0, 10], 0.5, 1.5),
        ([0, 10], 1, 2),
        ([5, 0, 5], 0.5, 1),
        ([5, 0, 5], 0.75, 3),
        ([0, 0, 0, 7], 0.5, 4),
    ]
    calls = [f"it.quantile({json.dumps(counts)}, [1, 2, 4], {q})" for counts, q, _ in wanted]
    assert page.module("pool/histogram.js", f"[{', '.join(calls)}]") == [value for *_, value in wanted]


def test_axes_have_even_steps(page):
    wanted = {0: {"step": 1, "end": 1}, 1: {"step": 0.5, "end": 1}, 7: {"step": 2, "end": 8}, 100: {"step": 50, "end": 100}}
    assert page.module("chart/scale.js", f"[{', '.join(f'it.even({most})' for most in wanted)}]") == list(wanted.values())


def test_figures_are_worded_for_people(page):
    wanted = {
        "bytes(0)": "0 B", "bytes(999)": "999 B", "bytes(1000)": "1 kB", "bytes(431611904)": "432 MB", "bytes(1.25e9)": "1.25 GB",
        "time(0.0000005)": "0.5 µs", "time(0.00231)": "2.31 ms", "time(1.5)": "1.5 s", "time(7500)": "2 h 5 min",
        "span(59)": "59 s", "span(90000)": "1 d 1 h", "brief(1234567)": "1.23 M", "rate(12.34)": "12.3/s",
        "several(1, 'row')": "1 row", "tensor({type: 'float32', shape: [null, 3]})": "float32 [any, 3]",
    }  # fmt: skip
    assert page.module("page/words.js", f"[{', '.join(f'it.{call}' for call in wanted)}]") == list(wanted.values())


def test_the_interface_and_the_workers_are_told(pool, browser):
    page = Page(browser, pool, "#/model/bands")
    page.says(".tensors", "image float32 [any, 28, 28, 1]")
    page.says(".tensors", "image.ImageFilter")
    page.says(".tensors", "bands float32 [any, 10]")
    page.says(".facts", "skills/bands.py")
    page.says(".facts", "up to 32 rows")
    (worker,) = next(model["workers"] for model in pool.ask("/info/models")["models"] if model["id"] == "bands")
    page.says("td", str(worker["pid"]))


def test_labels_are_text(pool, browser):
    page = Page(browser, pool, "#/model/classes")
    page.one(".tensors details summary").click()
    page.says(".tensors details", LABELS[0])
    assert page.all(".tensors img") == []


def test_logs_have_what_workers_said_and_are_filtered_and_followed(pool, browser):
    page = Page(browser, pool, "#/model/fragile/log")
    page.says(".log", "<img src=x onerror=document.title='hacked'> is here")
    assert page.all(".log img") == []
    page.write(".log-filter", "thirteen")
    pool.request("/model/predict?id=fragile", b'{"x": [13]}', **{"Content-Type": "application/json"})
    page.says(".log", "thirteen is too much")
    assert "is here" not in page.one(".log").text
    page.says(".last", "worker ended with status 3")
    page.write(".log-filter", "no such thing")
    page.until(lambda: "No line fits" in page.one(".log").text, "no line")
    assert page.browser.title == "fragile · 0Mind"


def test_the_task_is_shown_as_json_and_changed(pool, browser):
    page = Page(browser, pool, "#/model/classes/task")
    page.until(lambda: page.one(".task").text.startswith("{"), "the task")
    assert json.loads(page.one(".task").text)["model_file"] == "skills/classes.py"
    page.button("Change it …").click()
    page.until(lambda: "classes" in page.one("#task").get_attribute("value"), "the task in the form")
    assert page.one("h1").text == "Load classes anew"
    page.write("#task-instances", "2")
    page.one("#load [type=submit]").click()
    page.says("#load-result", "classes is loaded anew")
    assert [model["instances"] for model in pool.ask("/info/models")["models"] if model["id"] == "classes"] == [2]


def test_a_model_is_reloaded(pool, browser):
    page = Page(browser, pool, "#/model/classes")
    page.one(".reload").click()
    page.says("#model-result", "classes is loaded anew")


def test_a_model_is_dropped_only_when_that_is_confirmed(pool, browser):
    pool.ask("/model/load", {"id": "product", "model_file": "skills/product.py"})
    page = Page(browser, pool, "#/model/product")
    page.says(".title .state", "ready")
    page.one(".drop").click()
    page.says("dialog", "Drop the model “product”?")
    page.one("dialog button[value=no]").click()
    assert "product" in pool.ask("/model/list")["models"]
    page.one(".drop").click()
    page.one("dialog button[value=yes]").click()
    page.says("#model-result", "product is dropped")
    assert "product" not in pool.ask("/model/list")["models"]
    page.until(lambda: "ready" not in page.one(".title .state").text, "the state to change")
    page.go("#/model/product/try")
    page.gone("#question [type=submit]")
