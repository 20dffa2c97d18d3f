import json
import logging

import gradio as gr
import httpx
import pytest
from gradio import networking

from app import text
from app.errors import polled, told
from app.main import IDLE_POLL_S, POLL_S, _Header, build_app
from app.pages import PageHandles
from app.routes import News, poll_routes, refresh_routes
from gem_backend.errors import DataError
from tests.app.fakes import FakeStudio
from tests.app.serving import call, serving


# --- errors -----------------------------------------------------------------------------------
def test_known_error_is_shown_with_its_title_escaped():
    @told
    def fail():
        raise DataError("Line 3: <img src=x onerror=alert(1)>", "Not <b>read")

    with pytest.raises(gr.Error) as shown:
        fail()
    assert shown.value.message == (
        "<strong>Not &lt;b&gt;read</strong><br>Line 3: &lt;img src=x onerror=alert(1)&gt;"
    )


def test_unknown_error_is_logged_and_shown_as_unexpected(caplog):
    @told
    def fail():
        raise ZeroDivisionError("a patient's words")

    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as shown:
        fail()
    assert text.UNEXPECTED_TITLE in shown.value.message
    assert "patient" not in shown.value.message
    assert "ZeroDivisionError" in caplog.text


def test_guarded_handler_keeps_its_name_and_result():
    @told
    def handler(number: int) -> int:
        return number + 1

    assert (handler(1), handler.__name__) == (2, "handler")


def test_failing_poll_leaves_the_page_and_is_logged_once(caplog):
    answers = iter([OSError("x"), OSError("x"), (1, 2), OSError("x")])

    def poll():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    quiet = polled(poll, 2)
    with caplog.at_level(logging.ERROR):
        results = [quiet() for _ in range(4)]
    skipped = (gr.skip(), gr.skip())
    assert results == [skipped, skipped, (1, 2), skipped]
    assert len(caplog.records) == 2


# --- one event, many pages --------------------------------------------------------------------
@pytest.fixture
def pages():
    with gr.Blocks():
        one, two, three = gr.State(), gr.State(), gr.State()
        return {
            "one": PageHandles(
                lambda project, held: f"{project}{held}", [one], refresh_inputs=[one]
            ),
            "two": PageHandles(
                lambda project, held: (project, held),
                [two, three],
                refresh_inputs=[two],
                poll=lambda project: gr.skip(),
                poll_outputs=[two, three],
            ),
        }


def test_one_skip_stands_for_all_outputs_of_a_page(pages):
    route = poll_routes(pages)["two"]
    assert route.run("p") == (gr.skip(), gr.skip())
    assert not route.has_news("p")


def test_before_the_address_was_read_nothing_is_drawn_that_could_come_too_late(pages, studio):
    for route in (*refresh_routes(pages).values(), *poll_routes(pages).values()):
        assert set(map(str, route.run(None))) == {str(gr.skip())}
        assert not route.has_news(None, "held")
    assert not News(pages).of("two", None, ())
    with gr.Blocks():
        assert _Header(studio).values(None) == (gr.skip(), gr.skip(), gr.skip())
        assert _Header(studio).project.value is None


def test_any_value_is_news(pages):
    assert refresh_routes(pages)["two"].has_news("p", "held")


def test_page_without_a_poll_is_not_polled(pages):
    assert list(poll_routes(pages)) == ["two"]
    assert not News(pages).of("one", "p", ())


def test_each_page_is_asked_with_its_own_values(pages):
    asked = []

    def says(*given):
        asked.append(given)
        return True

    held = pages["one"].outputs
    more = {
        "three": PageHandles(says, held, poll=says, poll_inputs=held * 9, has_news=says,
                             news_inputs=held),
        "four": PageHandles(says, held, poll=lambda *given: gr.skip(), poll_inputs=held * 2),
    }  # fmt: skip
    news = News(pages | more)
    assert len(news.inputs) == 3
    assert news.of("three", "p", ("first", "second", "third"))
    assert asked == [("p", "first")]
    assert not news.of("four", "p", ("first", "second", "third"))
    assert not news.of("nobody", "p", ("first", "second", "third"))


def test_wrong_number_of_values_is_an_error(pages):
    broken = {"one": PageHandles(lambda project: (1, 2, 3), pages["two"].outputs)}
    with pytest.raises(ValueError, match="expected 2 values"):
        refresh_routes(broken)["one"].run("p")


# --- the whole page ---------------------------------------------------------------------------


def test_all_pages_are_built_without_torch(run_python):
    code = (
        "import sys; from app.main import build_app; from tests.app.fakes import demo_studio; "
        "build_app(demo_studio()); print('torch' in sys.modules)"
    )
    done = run_python("-c", code)
    assert done.stdout.strip().endswith("False"), done.stderr


def test_arriving_opens_the_first_project(served, studio):
    app = served(studio)
    with httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client:
        message = call(client, app, "arrive", ["label"])
    assert message["success"]
    chooser = message["output"]["data"][1]
    assert chooser["value"] == "demo"
    assert chooser["choices"] == [["Demo: bedside scores", "demo"]]


def test_failure_reaches_the_browser_without_its_details(served):
    class Broken(FakeStudio):
        def projects(self):
            raise RuntimeError("a patient's words")

    app = served(Broken())
    with httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client:
        message = call(client, app, "arrive", ["label"])
    assert not message["success"]
    assert "patient" not in json.dumps(message)
    assert text.UNEXPECTED_TITLE in json.dumps(message)


def test_the_timer_fills_no_part_of_a_page(studio):
    app = build_app(studio)
    (tick,) = (f for f in app.fns.values() if any(event == "tick" for _, event in f.targets))
    assert {type(block) for block in tick.outputs} == {gr.State}


def test_the_timer_ticks_less_often_while_nothing_runs(studio):
    app = build_app(studio)
    (tick,) = (f for f in app.fns.values() if any(event == "tick" for _, event in f.targets))
    [paced] = (f for f in app.fns.values() if any(isinstance(b, gr.Timer) for b in f.outputs))
    place = tick.outputs.index(paced.inputs[0])
    given = [None] * (len(tick.inputs) - 4)

    def pace(pace_s):
        return tick.fn("demo", "label", studio.header("demo"), pace_s, *given)[place]

    assert (pace(POLL_S), pace(IDLE_POLL_S)) == (IDLE_POLL_S, gr.skip())
    studio.activity = "A run is starting"
    assert (pace(POLL_S), pace(IDLE_POLL_S)) == (gr.skip(), POLL_S)


def test_studio_without_projects_builds():
    assert build_app(FakeStudio(all_projects=[]))


# --- launching --------------------------------------------------------------------------------
def test_a_machine_that_is_too_busy_for_gradios_own_look_is_tried_again(monkeypatch):
    look, answers = networking.url_ok, [False, False]
    monkeypatch.setattr(networking, "url_ok", lambda url: answers.pop() if answers else look(url))
    with serving(FakeStudio()) as app:
        assert httpx.get(app.local_url, trust_env=False).status_code == 200
    assert answers == []


def test_a_machine_that_cannot_show_its_own_page_says_so(monkeypatch):
    monkeypatch.setattr(networking, "url_ok", lambda url: False)
    with pytest.raises(ValueError, match="localhost"), serving(FakeStudio()):
        pass
