"""The lines that do the same as the form, run for real."""

import ast
import json
import os
import subprocess
import sys

import pytest

from .conftest import Page

KEY = "ZEROMIND_KEY"


def run(page, tmp_path, language, **environment):
    """What the shown lines print, in a folder with the files of which they speak, saved as a person would."""
    page.all(f'input[name=language][value="{language}"]')[0].click()
    text = page.one("pre.curl").text
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    for link in page.all(".lines a[download]"):
        file = tmp_path / link.get_attribute("download")
        file.unlink(missing_ok=True)
        link.click()
        page.until(lambda file=file: file.is_file() and file.stat().st_size, f"{file} to be saved")
    command = ["sh", "-c", text.replace("curl ", "curl -s ", 1)] if language == "curl" else [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(text):
    """The numbers of an array that Python has printed."""
    return [float(part) for part in text.partition("[")[2].partition("]]")[0].replace("[", " ").replace(",", " ").split()]


def test_of_a_drawing(pool, browser, tmp_path):
    page = Page(browser, pool, "#/model/bands/try")
    page.draw([(0.25, 0.2), (0.25, 0.8)])
    page.predict()
    page.one(".bars")
    shown = [float(each.get_attribute("title")) for each in page.all(".bars li")]
    assert json.loads(run(page, tmp_path, "curl"))["result"]["bands"] == [pytest.approx(shown)]
    assert numbers(run(page, tmp_path, "python")) == pytest.approx(shown, abs=1e-6)


def test_of_numbers_texts_and_truths(pool, browser, tmp_path):
    page = Page(browser, pool, "#/model/echo/try")
    page.write(".grid input[aria-label^=large]", "9007199254740993")
    page.write('.grid textarea[aria-label^="<i>text"]', "“it's” <b>\\bold\"</b>")
    page.one(".grid input[type=checkbox]").click()
    page.predict()
    page.one(".output")
    answer = json.loads(run(page, tmp_path, "curl"))["result"]
    assert answer["large_out"] == [9007199254740993]
    assert answer["<i>text</i>_out"] == ["“it's” <b>\\bold\"</b>"]
    printed = run(page, tmp_path, "python")
    assert "9007199254740993" in printed
    assert "True" in printed


def test_of_a_drawing_beside_other_inputs(pool, browser, tmp_path):
    pool.ask("/model/load", {"id": "mixed", "model_file": "skills/mixed.py", "input_filters": {"image": ["image.ImageFilter"]}})
    page = Page(browser, pool, "#/model/mixed/try")
    page.draw([(0.2, 0.5), (0.8, 0.5)])
    page.write(".grid input", "3")
    page.predict()
    page.one(".bars")
    assert json.loads(run(page, tmp_path, "curl"))["result"] == {"signed": [[-6, 0, 3]]}
    assert numbers(run(page, tmp_path, "python")) == [-6, 0, 3]
    pool.ask("/model/drop?id=mixed")


def test_of_a_file_that_is_no_picture(pool, browser, tmp_path):
    source = tmp_path / "from" / "it's.strange"
    source.parent.mkdir()
    source.write_bytes(bytes(700))
    page = Page(browser, pool, "#/model/sound/try")
    page.one(".upload")
    page.all("input[type=file]")[0].send_keys(str(source))
    page.says(".upload", "it's.strange, 700 B")
    page.predict()
    page.says(".single", "700")
    for language in ("curl", "python"):
        assert json.loads(run(page, tmp_path, language))["result"] == {"y": [[700.0]]}


def test_of_a_stream_with_parameters(pool, browser, tmp_path):
    page = Page(browser, pool, "#/model/countdown/try")
    page.write(".grid input", "2")
    page.write("#parameters", '{"word": "lift\'off"}')
    page.predict()
    page.says(".result", "3 parts in")
    events = [json.loads(line.removeprefix("data: ")) for line in run(page, tmp_path, "curl").splitlines() if line]
    assert [event["text"] for event in events] == ["2 <b>…</b>", "1 <b>…</b>", "lift'off"]
    assert run(page, tmp_path, "python").count("\n") == 3


def test_of_a_pool_with_keys_read_the_key_where_nobody_sees_it(keyed, browser, tmp_path):
    pool, key, _ = keyed
    page = Page(browser, pool, "#/model/bands/try")
    page.write("#key-text", key + "\n")
    page.draw([(0.25, 0.2), (0.25, 0.8)])
    page.predict()
    page.one(".bars")
    assert '-H "Authorization: Bearer $ZEROMIND_KEY"' in page.one("pre.curl").text
    assert "bands" in json.loads(run(page, tmp_path, "curl", **{KEY: key}))["result"]
    assert len(numbers(run(page, tmp_path, "python", **{KEY: key}))) == 10
    assert key not in browser.page_source
    browser.execute_script("sessionStorage.clear()")


def test_json_becomes_the_same_in_python(page):
    values = [None, True, False, [True, None], "null", 'a"b\\c\n\u2028', "😀", [1, -2.5, 1e300], {"true": [False, "x, true"]}]
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    asks = [f"new it.Question({{id: 'm', inputs: [{{media: []}}]}}, {{x: {{text: {json.dumps(text)}}}}}).python().line" for text in texts]
    for value, line in zip(values, page.module("trial/question.js", f"[{', '.join(asks)}]"), strict=True):
        (call,) = [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "predict"]
        assert ast.literal_eval(call.args[1]) == {"x": value}
