"""The console in a real browser: what a person does with it."""

import json

import pytest

from zeromind.console import pages

WAIT_S = 20


@pytest.fixture
def page(pool, browser):
    return Page(browser, pool)


class Page:
    """The console as a person sees it."""

    def __init__(self, browser, pool):
        self.browser = browser
        self.browser.get(f"{pool.url}/console")

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        """The one such element, as soon as it is there and in view."""
        return self.until(lambda: next((element for element in self.all(selector) if element.is_displayed()), None), selector)

    def until(self, condition, what):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.browser, WAIT_S, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition(), f"waited for {what}")

    def says(self, selector, text):
        """Wait until an element says that."""
        self.until(lambda: any(text in element.text for element in self.all(selector)), f"{text!r} in {selector}")

    def card(self, model):
        return f'[data-id="{model}"]'

    def draw(self, *strokes):
        """Strokes over the canvas, each a list of points between 0 and 1."""
        from selenium.webdriver.common.action_chains import ActionChains

        canvas = self.one("canvas")
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
        width, height = canvas.size["width"], canvas.size["height"]
        actions = ActionChains(self.browser, duration=10)
        for first, *others in strokes:
            actions.move_to_element_with_offset(canvas, round((first[0] - 0.5) * width), round((first[1] - 0.5) * height)).click_and_hold()
            for x, y in others:
                actions.move_to_element_with_offset(canvas, round((x - 0.5) * width), round((y - 0.5) * height))
            actions.release()
        actions.perform()

    def predict(self):
        self.one("#question [type=submit]").click()

    def write(self, selector, text):
        area = self.one(selector)
        area.clear()
        area.send_keys(text)

    def load(self, task):
        self.write("#task", task if isinstance(task, str) else json.dumps(task))
        self.one("#load [type=submit]").click()


def test_it_shows_what_is_loaded(page):
    page.says("#status", "pool 7")
    text = page.one(page.card("bands")).text
    for part in ("python", "skills/bands.py", "image float32 [any, 28, 28, 1]", "image.ImageFilter", "bands float32 [any, 10]"):
        assert part in text


@pytest.mark.parametrize(("across", "band"), [(0.25, 2), (0.9, 8)])
def test_a_drawing_is_predicted_and_answered_with_bars(page, across, band):
    page.draw([(across, 0.2), (across, 0.8)])
    page.predict()
    page.one(".bars")
    bars = page.all(".bars li")
    assert len(bars) == 10
    (best,) = page.all(".bars li.best")
    assert best.text.split()[0] == str(band)
    assert float(best.get_attribute("title")) > 0.5
    widths = [bar.size["width"] for bar in page.all(".bars .bar")]
    assert widths.index(max(widths)) == band
    line = page.one("pre.curl").text
    assert line.startswith("curl -H 'Content-Type: image/png' --data-binary '@drawing.png' 'http://127.0.0.1:")
    assert line.endswith("/model/predict?id=bands'")


def test_a_drawing_is_white_on_black_and_can_be_cleared(page):
    pixels = "const c = document.querySelector('canvas'); return [...c.getContext('2d').getImageData(0, 0, 280, 280).data]"
    page.draw([(0.5, 0.5)])
    drawn = page.browser.execute_script(pixels)
    assert set(drawn[3::4]) == {255}
    assert drawn[(140 * 280 + 140) * 4] == 255
    assert drawn[0] == 0
    page.one("button.clear").click()
    assert set(page.browser.execute_script(pixels)[0::4]) == {0}


def test_a_chosen_picture_is_sent_as_it_is(page):
    sample = pages.FOLDER.parents[2] / "samples/image1.png"
    page.one("canvas")
    page.all("input[type=file]")[0].send_keys(str(sample))
    page.says(".pad", "image1.png, 100")
    page.predict()
    page.one(".bars")
    assert "'@image1.png'" in page.one("pre.curl").text


def test_the_demo_reads_a_drawn_digit(demo, browser):
    page = Page(browser, demo)
    page.draw([(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)])
    page.predict()
    page.one(".bars")
    (best,) = page.all(".bars li.best")
    assert best.text.split()[0] == "7"


def test_a_model_is_loaded_tried_with_numbers_and_dropped(page, pool):
    page.load({"id": "product", "model_file": "skills/product.py"})
    page.says("#load-result", "product is loaded")
    assert "chosen" in page.one(page.card("product")).get_attribute("class")
    assert page.one("#input-0").get_attribute("value") == "[0]"
    page.write("#input-0", "[3]")
    page.write("#input-1", "[4]")
    page.predict()
    page.says(".single", "12")
    assert """-d '{"length":[3],"width":[4]}'""" in page.one("pre.curl").text

    page.one(f"{page.card('product')} .drop").click()
    page.one("dialog button[value=no]").click()
    assert "product" in pool.ask("/model/list")["models"]
    page.one(f"{page.card('product')} .drop").click()
    page.says("dialog", "Drop the model “product”?")
    page.one("dialog button[value=yes]").click()
    page.says("#drop-result", "product is dropped")
    assert page.all(page.card("product")) == []
    assert pool.ask("/model/list")["models"] == ["bands"]
    assert "chosen" in page.one(page.card("bands")).get_attribute("class")


def test_a_drawing_beside_other_inputs_goes_as_json_and_bars_may_point_left(page, pool):
    page.load({"id": "mixed", "model_file": "skills/mixed.py", "input_filters": {"image": ["image.ImageFilter"]}})
    page.says("#load-result", "mixed is loaded")
    page.draw([(0.2, 0.5), (0.8, 0.5)])
    page.write("#input-1", "[3]")
    page.predict()
    page.one(".bars")
    assert [item.get_attribute("title") for item in page.all(".bars li")] == ["-6", "0", "3"]
    left, none, right = (bar.rect for bar in page.all(".bars .bar"))
    assert left["width"] == pytest.approx(2 * right["width"], abs=1)
    assert left["x"] + left["width"] == pytest.approx(right["x"], abs=1)
    assert none["width"] == 0
    assert "--data-binary '@request.json'" in page.one("pre.curl").text
    pool.ask("/model/drop?id=mixed")


def test_a_model_that_another_client_loads_and_drops_comes_and_goes(page, pool):
    page.one(page.card("bands"))
    pool.ask("/model/load", {"id": "other", "model_file": "skills/product.py"})
    page.one(page.card("other"))
    pool.ask("/model/drop?id=other")
    page.until(lambda: not page.all(page.card("other")), "the card to go")


def test_what_was_drawn_survives_a_change_of_the_list(page, pool):
    page.draw([(0.25, 0.2), (0.25, 0.8)])
    pool.ask("/model/load", {"id": "beside", "model_file": "skills/product.py"})
    page.one(page.card("beside"))
    pool.ask("/model/drop?id=beside")
    page.predict()
    page.one(".bars li.best")


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
    page.load(task)
    page.says("#load-result[role=alert]", words)
    assert not page.all("#load-progress")[0].is_displayed()


def test_a_load_that_takes_too_long_can_be_cancelled(page, pool):
    page.load({"id": "slow", "model_file": "skills/slow.py"})
    page.one("#load-progress progress")
    page.until(lambda: len(pool.ask("/info/tasks")["tasks"]) == 2, "the load to begin")
    page.one("#load-cancel").click()
    page.says("#load-result[role=alert]", "was dropped while it loaded")
    assert page.one("#load [type=submit]").is_enabled()


def test_a_bad_value_is_told(page):
    page.one("input[value=json]").click()
    page.write("#input-0", "nonsense")
    page.predict()
    page.says("#answer [role=alert]", "image is no JSON")
    page.write("#input-0", '[{"image": "nonsense"}]')
    page.predict()
    page.says("#answer [role=alert]", "HTTP 400")


def test_the_keyboard_suffices(page):
    from selenium.webdriver.common.keys import Keys

    page.one("input[value=json]").send_keys(Keys.SPACE)
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJRU5ErkJggg=="
    page.write("#input-0", json.dumps([{"image": picture}]))
    page.one("#input-0").send_keys(Keys.CONTROL, Keys.ENTER)
    page.one(".bars")


def test_it_fits_a_phone(page):
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        for name in ("console", "docs"):
            page.browser.get(page.browser.current_url.rpartition("/")[0] + f"/{name}")
            page.one("main")
            if name == "console":
                page.draw([(0.25, 0.2), (0.25, 0.8)])
                page.predict()
                page.one(".bars li.best")
            assert page.browser.execute_script("return document.documentElement.scrollWidth") == 360
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_docs_break_no_policy(pool, browser):
    browser.get(f"{pool.url}/docs")
    assert browser.find_element("css selector", "h2").value_of_css_property("margin-bottom") != "0px"


def test_a_pool_with_keys_is_asked_with_one(keyed, browser):
    pool, key = keyed
    page = Page(browser, pool)
    page.says("#key", "needs an API key")
    page.write("#key-text", "zm_wrong")
    page.one("#key .main").click()
    page.says("#key-reason", "not known here")
    page.one("#key-cancel").click()
    page.says("#status", "not known here")
    page.one("#key-button").click()
    page.write("#key-text", key + "\n")
    page.says("#status", "pool 7")
    page.one(page.card("bands"))
    page.draw([(0.25, 0.2), (0.25, 0.8)])
    page.predict()
    page.one(".bars")
    line = page.one("pre.curl").text
    assert '-H "Authorization: Bearer $ZEROMIND_KEY"' in line
    assert key not in browser.page_source
    page.one(f"{page.card('bands')} .drop").click()
    page.one("#confirm [value=yes]").click()
    page.says("#drop-result", "needs manage")
    browser.refresh()
    page.says("#status", "pool 7")
    browser.execute_script("sessionStorage.clear()")
