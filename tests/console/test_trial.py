"""Trying a model in a real browser: every kind of input, every kind of answer."""

import base64
import json

import pytest

from zeromind.console import pages

from .conftest import LABELS, Page

SAMPLES = pages.FOLDER.parents[2] / "samples"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJRU5ErkJggg=="


@pytest.fixture
def bands(pool, browser):
    return Page(browser, pool, "#/model/bands/try")


@pytest.mark.parametrize(("across", "band"), [(0.25, 2), (0.9, 8)])
def test_a_drawing_is_predicted_and_answered_with_bars(bands, across, band):
    bands.draw([(across, 0.2), (across, 0.8)])
    bands.predict()
    bands.one(".bars")
    bars = bands.all(".bars li")
    assert len(bars) == 10
    (best,) = bands.all(".bars li.best")
    assert best.text.split()[0] == str(band)
    assert float(best.get_attribute("title")) > 0.5
    widths = [bar.size["width"] for bar in bands.all(".bars .bar")]
    assert widths.index(max(widths)) == band


def test_a_drawing_is_white_on_black_and_can_be_cleared(bands):
    pixels = "const c = document.querySelector('canvas'); return [...c.getContext('2d').getImageData(0, 0, 280, 280).data]"
    bands.draw([(0.5, 0.5)])
    drawn = bands.browser.execute_script(pixels)
    assert set(drawn[3::4]) == {255}
    assert drawn[(140 * 280 + 140) * 4] == 255
    assert drawn[0] == 0
    bands.one("button.clear").click()
    assert set(bands.browser.execute_script(pixels)[0::4]) == {0}


def test_a_chosen_picture_is_sent_as_it_is(bands):
    bands.one("canvas")
    bands.all("input[type=file]")[0].send_keys(str(SAMPLES / "image1.png"))
    bands.says(".pad", "image1.png, 100")
    bands.predict()
    bands.one(".bars")
    assert "'@image1.png'" in bands.one("pre.curl").text


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(bands, way):
    bands.one("canvas")
    bands.browser.execute_script(
        """
        const data = new DataTransfer();
        const bytes = Uint8Array.from(atob(arguments[1]), (c) => c.charCodeAt(0));
        data.items.add(new File([bytes], "mine.png", { type: "image/png" }));
        const [way, key] = [arguments[0], arguments[0] === "drop" ? "dataTransfer" : "clipboardData"];
        const event = new (way === "drop" ? DragEvent : ClipboardEvent)(way, { bubbles: true, [key]: data });
        document.querySelector("canvas").dispatchEvent(event);
        """,
        way,
        base64.b64encode((SAMPLES / "image1.png").read_bytes()).decode(),
    )
    bands.says(".pad", "mine.png, 100")
    bands.predict()
    bands.one(".bars")


def test_what_was_drawn_survives_other_pages_and_a_change_of_the_list(bands, pool):
    bands.draw([(0.25, 0.2), (0.25, 0.8)])
    pool.ask("/model/load", {"id": "beside", "model_file": "skills/product.py"})
    bands.go("#/models")
    bands.one('[data-id="beside"]')
    pool.ask("/model/drop?id=beside")
    bands.go("#/model/bands/try")
    bands.predict()
    bands.one(".bars li.best")


def test_the_demo_reads_a_drawn_digit(demo, browser):
    page = Page(browser, demo)
    page.draw([(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)])
    page.predict()
    page.one(".bars")
    (best,) = page.all(".bars li.best")
    assert best.text.split()[0] == "7"


def test_a_drawing_beside_other_inputs_goes_as_json_and_bars_may_point_left(pool, browser):
    pool.ask("/model/load", {"id": "mixed", "model_file": "skills/mixed.py", "input_filters": {"image": ["image.ImageFilter"]}})
    page = Page(browser, pool, "#/model/mixed/try")
    page.draw([(0.2, 0.5), (0.8, 0.5)])
    page.write(".grid input", "3")
    page.predict()
    page.one(".bars")
    assert [item.get_attribute("title") for item in page.all(".bars li")] == ["-6", "0", "3"]
    left, none, right = (bar.rect for bar in page.all(".bars .bar"))
    assert left["width"] == pytest.approx(2 * right["width"], abs=1)
    assert left["x"] + left["width"] == pytest.approx(right["x"], abs=1)
    assert none["width"] == 0
    assert "--data-binary '@request.json'" in page.one("pre.curl").text
    pool.ask("/model/drop?id=mixed")


def test_numbers_texts_and_truths_are_typed_into_fields(pool, browser):
    page = Page(browser, pool, "#/model/echo/try")
    for place, number in enumerate(("1.5", "-.25", "+007")):
        page.write(".grid input[aria-label^=table]", number, place)
    page.write("textarea[aria-label^=many]", " ".join(["1"] * 19 + ["2e3"]))
    page.write(".grid input[aria-label^=large]", "9007199254740993")
    page.one(".grid input[type=checkbox]").click()
    page.write('.grid textarea[aria-label^="<i>text"]', "“it's” <b>bold</b>")
    page.predict()
    page.says("#question + .answer h4", "table_out")
    answers = {output.find_element("css selector", "h4").text: output for output in page.all(".output")}
    assert [item.get_attribute("title") for item in answers["table_out"].find_elements("css selector", "li")] == ["1.5", "-0.25", "7"]
    assert answers["many_out"].find_elements("css selector", ".bars .best")[0].get_attribute("title") == "2000"
    assert answers["flag_out"].find_element("css selector", ".single").text == "true"
    assert answers["<i>text</i>_out"].find_element("css selector", ".single").text == "“it's” <b>bold</b>"
    assert answers["large_out"].find_element("css selector", ".single").text == "9007199254740993", "nor on the way back"
    line = page.one("pre.curl").text
    assert '"large": [9007199254740993]' in line, "large whole numbers are not rounded on the way"
    assert '"table": [[1.5,-0.25,7]]' in line


def test_rows_are_added_removed_and_pasted(pool, browser):
    page = Page(browser, pool, "#/model/classes/try")
    page.one(".grid input")
    page.button("Add a row").click()
    assert len(page.all(".grid input")) == 2
    page.button("Remove a row").click()
    page.until(lambda: len(page.all(".grid input")) == 1, "one row")
    assert not page.button("Remove a row").is_enabled()
    page.browser.execute_script(
        """
        const data = new DataTransfer();
        data.setData("text/plain", "1\\n2.5\\r\\n3\\n");
        document.querySelector(".grid input").dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData: data }));
        """
    )
    assert [field.get_attribute("value") for field in page.all(".grid input")] == ["1", "2.5", "3"]
    page.predict()
    page.one(".bars")
    assert len(page.all(".bars")) == 3


def test_of_many_classes_the_best_are_shown_with_their_labels_as_text(pool, browser):
    page = Page(browser, pool, "#/model/classes/try")
    page.one(".grid input")
    page.predict()
    page.one(".bars")
    names = [each.text for each in page.all(".bars .index")]
    assert (len(names), names[:2]) == (10, ["seven", "3"])
    page.one("button.all").click()
    page.until(lambda: len(page.all(".bars li")) == 40, "all of them")
    assert page.all(".bars .index")[0].text == LABELS[0]
    assert page.all(".result img") == []
    assert page.browser.title == "classes · 0Mind"
    for view, selector in (("table", "table.answer-table"), ("json", "pre"), ("bars", ".bars")):
        page.all(f'.output input[value="{view}"]')[0].click()
        page.one(f".output {selector}")


def test_an_answer_that_is_a_picture_is_shown_as_one(pool, browser):
    pool.ask("/model/load", {"id": "inverse", "model_file": "skills/inverse.py", "input_filters": {"image": ["image.ImageFilter"]}})
    page = Page(browser, pool, "#/model/inverse/try")
    page.one("canvas.shown")
    page.predict()
    page.says(".answer [role=alert]", "there is no picture yet")
    page.all("input[type=file]")[0].send_keys(str(SAMPLES / "image1.png"))
    page.says(".pad", "image1.png, 100")
    page.predict()
    page.one("canvas.picture")
    corner = "return [...document.querySelector('canvas.picture').getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert browser.execute_script(corner) == [255, 255, 255, 255]
    pool.ask("/model/drop?id=inverse")


def test_texts_for_a_filter_are_typed(pool, browser):
    page = Page(browser, pool, "#/model/words/try")
    page.write(".grid textarea", "one two three")
    page.predict()
    page.says(".single", "3")
    assert '{"x": ["one two three"]}' in page.one("pre.curl").text


def test_another_file_for_a_filter_is_chosen(pool, browser, tmp_path):
    page = Page(browser, pool, "#/model/sound/try")
    page.one(".upload")
    page.predict()
    page.says(".answer [role=alert]", "there is no file yet")
    (tmp_path / "a.sound").write_bytes(b"x" * 321)
    page.all("input[type=file]")[0].send_keys(str(tmp_path / "a.sound"))
    page.says(".upload", "a.sound, 321 B")
    page.predict()
    page.says(".single", "321")
    assert "curl -H 'Content-Type: audio/x-strange' --data-binary '@a.sound'" in page.one("pre.curl").text


def test_json_is_taken_as_it_is_and_a_bad_value_is_told(bands):
    bands.one("canvas")
    bands.all("input[value=json]")[0].click()
    bands.write("#input-0", "nonsense")
    bands.predict()
    bands.says(".answer [role=alert]", "image is no JSON")
    bands.write("#input-0", '[{"image": "nonsense"}]')
    bands.predict()
    bands.says(".answer [role=alert]", "HTTP 400")
    assert bands.one(".answer p code").text
    assert "nonsense" in bands.one("pre.curl").text
    bands.write("#input-0", json.dumps([{"image": PIXEL}]))
    bands.predict()
    bands.one(".bars")


def test_a_number_that_is_none_is_told_before_anything_is_sent(pool, browser):
    page = Page(browser, pool, "#/model/classes/try")
    page.write(".grid input", "twelve")
    page.predict()
    page.says(".answer [role=alert]", "x: “twelve” is no number")
    assert page.all("pre.curl") == []
    assert browser.switch_to.active_element == page.all(".grid input")[0]


def test_a_worker_that_dies_while_it_predicts_is_told_and_its_last_words_are_a_step_away(pool, browser):
    page = Page(browser, pool, "#/model/fragile/try")
    page.write(".grid input", "13")
    page.predict()
    page.says(".answer [role=alert]", "worker ended with status 3")
    page.says(".last", "worker ended with status 3")
    page.one(".last a").click()
    page.says(".log", "thirteen is too much")


def test_a_stream_is_shown_as_it_comes(pool, browser):
    page = Page(browser, pool, "#/model/countdown/try")
    page.write(".grid input", "5")
    page.write("#parameters", '{"word": "liftoff", "pause": 0.2}')
    page.predict()
    page.until(lambda: 0 < len(page.all(".parts li")) < 6, "a part, not all")
    page.until(lambda: len(page.all(".parts li")) == 6, "all parts")
    assert [part.text for part in page.all(".parts li")][-2:] == ["1 <b>…</b>", "liftoff"]
    page.says(".result", "6 parts in")
    assert page.one("pre.curl").text.startswith("curl -N -H 'Content-Type: application/json' -d '{\"count\": [5], ")


def test_a_stream_is_stopped_and_one_that_fails_keeps_what_came(pool, browser):
    page = Page(browser, pool, "#/model/countdown/try")
    page.write(".grid input", "500")
    page.predict()
    page.one(".parts li")
    page.one("button.stop").click()
    page.says(".result", "parts in")
    assert page.one("#question [type=submit]").is_enabled()
    page.write(".grid input", "13")
    page.predict()
    page.says(".answer [role=alert]", "thirteen brings bad luck")
    assert len(page.all(".parts li")) == 13


@pytest.mark.parametrize(("parameters", "result"), [("{}", "3"), ('{"factor": 2}', "6")])
def test_outputs_may_have_any_name_with_parameters_and_without(pool, browser, parameters, result):
    pool.ask("/model/load", {"id": "scaled", "model_file": "skills/scaled.py"})
    page = Page(browser, pool, "#/model/scaled/try")
    page.write(".grid input", "3")
    page.write("#parameters", parameters)
    page.predict()
    page.one(".output")
    assert [title.text for title in page.all(".output h4")] == ["result", "rest"]
    assert [value.text for value in page.all(".single")] == [result, "3"]
    pool.ask("/model/drop?id=scaled")


def test_parameters_that_are_no_json_are_told(pool, browser):
    page = Page(browser, pool, "#/model/countdown/try")
    page.write("#parameters", "{")
    page.predict()
    page.says(".answer [role=alert]", "the parameters are no JSON")


def test_where_the_time_went_is_shown(pool, browser):
    page = Page(browser, pool, "#/model/classes/try")
    page.one(".grid input")
    page.predict()
    page.says(".timing", "answered in")
    for stage in ("queue", "input filters", "model", "output filters", "on the way"):
        page.says(".timing", stage)
    assert len(page.all(".timing .track span")) == 5


def test_the_last_answers_stay_at_hand(pool, browser):
    page = Page(browser, pool, "#/model/fragile/try")
    for number in range(8):
        page.write(".grid input", str(number))
        page.predict()
        page.until(lambda number=number: any(each.text == str(number) for each in page.all(".single")), "the answer")
    assert len(page.all(".past button")) == 6
    page.all(".past button")[2].click()
    assert page.one(".single").text == "5"


def test_a_model_is_asked_on_and_on_until_that_is_stopped(pool, browser):
    page = Page(browser, pool, "#/model/fragile/try")
    page.one(".grid input")
    before = pool.ask("/info/activity?id=fragile")["models"]["fragile"]["requests"]
    page.one("button.repeat").click()
    page.until(lambda: pool.ask("/info/activity?id=fragile")["models"]["fragile"]["requests"] > before + 20, "requests")
    page.one("button.stop").click()
    page.one("button.repeat")
    assert page.all(".answer [role=alert]") == []


def test_an_answer_that_takes_its_time_is_waited_for_or_given_up(pool, browser):
    pool.ask("/model/load", {"id": "patient", "model_file": "skills/patient.py"})
    page = Page(browser, pool, "#/model/patient/try")
    page.write(".grid input", "3")
    page.predict()
    page.says(".result", "waiting for the answer")
    page.one("button.stop").click()
    page.says(".result", "given up")
    page.write(".grid input", "0.5")
    page.predict()
    page.says(".single", "0.5")
    pool.ask("/model/drop?id=patient")


def test_what_stays_under_way_when_the_reader_leaves_is_given_up(pool, browser):
    page = Page(browser, pool, "#/model/fragile/try")
    page.one("button.repeat").click()
    page.one(".single")
    page.go("#/system")
    page.one("h1")
    page.go("#/model/fragile/try")
    page.one("button.repeat")
    page.gone("button.stop")


def test_large_whole_numbers_keep_their_digits(pool, browser):
    page = Page(browser, pool)
    for text in ("[18446744073709551615,-9223372036854775808,7,0.12345678901234566,1e+300]", '{"a":"12345678901234567890"}'):
        assert page.module("pool/json.js", f"it.stringify(it.parse({json.dumps(text)}))") == text


def test_of_an_enormous_answer_the_beginning_is_shown(pool, browser):
    page = Page(browser, pool)
    for value in ("[Array(300000).fill(0.5)]", "Array(300000).fill([0.5])", "'x'.repeat(1000000)"):
        text = page.module("trial/output.js", f"it.output('y', {value}, null, new Map()).textContent")
        assert len(text) < 110_000
        assert "characters more" in text


def test_figures_fit_beside_their_bars(pool, browser):
    page = Page(browser, pool)
    row = [123456789, -1.8446744073709552e19, -0.000012345678, 1234.5678, 0]
    expression = f"[...it.bars(it.rowsOf([{json.dumps(row)}])).querySelectorAll('.number')].map((each) => each.textContent)"
    assert page.module("trial/bars.js", expression) == ["123456789", "-1.84e+19", "-1.23e-5", "1234.6", "0"]


def test_a_connection_that_breaks_is_told_in_words(pool, browser):
    page = Page(browser, pool)
    broken = "new Response(new ReadableStream({ pull: (stream) => stream.error(new TypeError('network error')) }))"
    for expression in (f"it.read({broken})", f"import('/console/trial/stream.js').then((it) => it.events({broken}).next())"):
        assert page.module("pool/request.js", f"{expression}.catch(String)") == "the pool broke off in the middle of its answer"
