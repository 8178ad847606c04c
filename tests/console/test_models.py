"""The list of models in a real browser."""

from .conftest import LABELS, Page


def row(model):
    return f'[data-id="{model}"]'


def test_it_shows_what_is_loaded(page):
    page.says("#status", "pool 7")
    text = page.one(row("bands")).text
    for part in ("bands", "python · version 1", "ready", "1/1", "MB"):
        assert part in text


def test_a_browser_that_asks_for_the_pool_gets_the_list(pool, browser):
    page = Page(browser, pool, "/")
    page.one(row("bands"))
    assert browser.title == "Models · 0Mind"
    assert page.one('header [aria-current="page"]').text == "Models"


def test_a_model_that_another_client_loads_and_drops_comes_and_goes(page, pool):
    page.one(row("bands"))
    pool.ask("/model/load", {"id": "other", "model_file": "skills/product.py"})
    page.one(row("other"))
    pool.ask("/model/drop?id=other")
    page.until(lambda: not page.all(row("other")) or "unavailable" in page.one(row("other")).text, "the model to go")


def test_requests_show_as_a_rate_a_latency_and_a_line(page, pool):
    page.one(row("bands"))
    for _ in range(5):
        pool.ask("/model/predict?id=fragile", {"x": [1]})
    page.until(lambda: page.one(f"{row('fragile')} .tail").text.split()[-1] in ("ms", "µs"), "a latency")
    assert page.one(f"{row('fragile')} .rate").text.endswith("/s")
    page.until(lambda: page.one("#sum").text.count(" · ") == 2, "the sum of all")
    page.until(lambda: "L" in page.one(f"{row('fragile')} .spark path").get_attribute("d"), "a line")


def test_a_worker_that_dies_shows_its_error_and_its_restart(page, pool):
    status, _, _ = pool.request("/model/predict?id=fragile", b'{"x": [13]}', **{"Content-Type": "application/json"})
    assert status == 500
    page.says(f"{row('fragile')} .error-line", "worker ended with status 3")
    page.says(row("fragile"), "1 restart")


def test_a_model_that_did_not_load_says_why_and_is_tried_again(page):
    page.says(row("broken"), "unavailable")
    page.says(f"{row('broken')} .error-line", "needs the package 'nothing_like_this'")
    page.one(f"{row('broken')} .deeds button").click()
    page.says("#models-result[role=alert]", "needs the package 'nothing_like_this'")
    page.one(f"{row('broken')} th a").click()
    page.says(".last", "needs the package 'nothing_like_this'")
    page.one(".last a").click()
    page.says(".log", "here I break <script>")


def test_a_model_that_is_not_there_is_said_not_to_be(pool, browser):
    Page(browser, pool, "#/model/never-heard-of").says(".state", "not here")


def test_a_dropped_model_is_loaded_again(page, pool):
    pool.ask("/model/drop?id=classes")
    page.says(f"{row('classes')} .state", "unavailable")
    page.one(f"{row('classes')} .deeds button").click()
    page.says(f"{row('classes')} .state", "ready")
    page.says("#models-result", "classes is loaded")


def test_many_models_are_filtered(page):
    page.one(row("bands"))
    for number in range(4):
        page.pool.ask("/model/load", {"id": f"more-{number}", "model_file": "skills/product.py"})
    page.write("#filter", "more python")
    page.until(
        lambda: [each.get_attribute("data-id") for each in page.all("[data-id]")] == [f"more-{n}" for n in range(4)],
        "the list to be shorter",
    )
    page.write("#filter", "nothing like this")
    page.says("#none", "No model fits the filter")
    for number in range(4):
        page.pool.ask(f"/model/drop?id=more-{number}")


def test_a_model_of_the_list_is_tried_on_the_spot(page):
    page.one('#tried option[value="classes"]')
    page.browser.execute_script("const s = document.getElementById('tried'); s.value = 'classes'; s.dispatchEvent(new Event('change'))")
    page.one(".grid")
    page.predict()
    page.one(".bars")
    assert page.all(".bars .best .index")[0].text == LABELS[7]
