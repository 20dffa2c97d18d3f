"""Several answers put in order in a real browser: with keys, with the mouse, and with a finger."""

import itertools

import pytest
from playwright.sync_api import expect

from app import text
from app.studio import Studio
from app.text import order as text_order
from tests.app.serving import serving
from tests.ui.test_label_browser import press, ready, say, shows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{x}}</script><script>alert(3)</script>`\\u12"
ANSWERS = (HOSTILE, "Wait.", "Refer today.\n\nSecond line.", "Operate now.")
GRIP, BOARD = "#label-order [data-grip]", "#label-order .gs-order"


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        yield studio


@pytest.fixture
def project_id(studio):
    """Six pairs of four answers, then another case."""
    project_id = studio.create_project("Order").project_id
    for pair in itertools.combinations(ANSWERS, 2):
        studio.enter_pair(project_id, "Question 00", *pair)
    studio.enter_pair(project_id, "Question 01", "Wait.", "Operate now.")
    return project_id


@pytest.fixture
def url(studio, project_id):
    with serving(studio) as app:
        yield f"{app.local_url}?project={project_id}"


@pytest.fixture
def open_page(browser, watch, url):
    """Opens the page with the board on it."""

    def open_page(**how):
        page = watch(
            browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how}).new_page()
        )
        page.goto(url)
        ready(page)
        if not page.locator(BOARD).is_visible():
            press(page, "k")
        expect(page.locator(GRIP)).to_have_count(4)
        return page

    return open_page


@pytest.fixture
def page(open_page):
    return open_page()


def cards(page):
    return page.eval_on_selector_all(
        "#label-order li .gs-text", "all => all.map(one => one.textContent)"
    )


def places(page):
    """The place that each card says it has, from the top."""
    return page.locator("#label-order .gs-order-place").all_inner_texts()


def move_to(page, answer, at):
    """Moves a card with keys from wherever it is."""
    page.locator(GRIP).nth(cards(page).index(answer)).focus()
    steps = at - cards(page).index(answer)
    press(page, "Space", *(["ArrowDown" if steps > 0 else "ArrowUp"] * abs(steps)), "Space")


def sort_as(page, answers):
    for at, answer in enumerate(answers):
        move_to(page, answer, at)
    assert cards(page) == list(answers)


def said(page, words):
    expect(page.locator("#label-order [role=status]")).to_have_text(words)


# --- keys -------------------------------------------------------------------------------------
def test_four_answers_with_a_tie_by_keys_saved_undone_and_reopened(
    page, studio, project_id, trouble
):
    expect(page.locator(GRIP).first).to_be_focused()
    expect(page.locator(".gs-answers, #choice-left, #label-save, #label-undo").first).to_be_hidden()
    expect(page.locator("#label-save")).to_be_hidden()
    order = ("Operate now.", HOSTILE, "Wait.", ANSWERS[2])
    sort_as(page, order)
    page.locator(GRIP).nth(1).focus()
    press(page, "ArrowDown", "t")
    said(page, "Equally good, place 2 of 3.")
    assert places(page) == [
        "Place 1",
        "Place 2, equally good",
        "Place 2, equally good",
        "Place 3",
    ]
    press(page, "1", "q", "Enter")  # 1 is a key of the pair, q of both
    say(page, "Saved: 4 answers ranked, 2 of them sharing a place. Reason: accuracy.")
    shows(page, 1)
    expect(page.locator(BOARD)).to_be_hidden()
    expect(page.locator("#order-open")).to_be_hidden()
    expect(page.locator("#label-progress")).to_contain_text("6 of 7")
    [label] = studio.recent_labels(project_id)
    assert list(map(set, label.order)) == [{order[0]}, {order[1], order[2]}, {order[3]}]
    assert label.judgement.reasons == ("accuracy",)
    assert label.judgement.elapsed_s > 0

    press(page, "1", "Backspace")
    shows(page, 0)
    expect(page.locator(BOARD)).to_be_visible()
    expect(page.locator("#label-progress")).to_contain_text("0 of 7")
    assert (cards(page)[0], cards(page)[3]) == (order[0], order[3])
    assert places(page)[1:3] == ["Place 2, equally good"] * 2
    expect(page.locator("#reason-0")).to_have_attribute("aria-pressed", "true")
    press(page, "Enter")
    shows(page, 1)
    expect(page.locator("#choice-left")).to_have_attribute("aria-pressed", "true")  # kept
    page.locator(".gs-recent summary").click()
    expect(page.locator(".gs-recent-verdict")).to_have_text(
        "4 answers ranked, 2 of them sharing a place"
    )
    page.locator(".gs-recent li button").click()
    shows(page, 0)
    expect(page.locator(BOARD)).to_be_visible()
    assert studio.recent_labels(project_id) == []
    assert trouble == []


def test_a_card_that_is_taken_up_can_be_put_back_and_arrows_walk(page, trouble):
    before = cards(page)
    press(page, "ArrowDown", "ArrowDown", "ArrowUp")
    expect(page.locator(GRIP).nth(1)).to_be_focused()
    press(page, "Space")
    expect(page.locator(GRIP).nth(1)).to_have_attribute("aria-pressed", "true")
    said(page, "Taken up at place 2 of 4. Arrows move it, Space puts it down, Esc puts it back.")
    press(page, "ArrowDown", "ArrowDown", "ArrowDown")
    said(page, "It is at the bottom already.")
    assert cards(page) == [before[0], before[2], before[3], before[1]]
    press(page, "Escape")
    said(page, "Put back at place 2 of 4.")
    assert cards(page) == before
    expect(page.locator(GRIP).nth(1)).to_be_focused()
    press(page, "t", "t")
    said(page, "No longer equal, place 2 of 4.")
    assert cards(page) == before
    press(page, "ArrowUp", "t")
    said(page, "It is at the top already.")
    assert trouble == []


def test_tied_cards_move_out_of_their_place_and_past_a_whole_one(page):
    a, b, c, d = cards(page)
    page.locator(GRIP).nth(1).focus()
    press(page, "t", "ArrowDown", "Space", "ArrowUp")  # c passes a and b, which share a place
    assert (cards(page), places(page)[0]) == ([c, a, b, d], "Place 1")
    press(page, "Space", "ArrowDown", "Space", "ArrowDown")  # a leaves b, downwards
    assert cards(page) == [c, b, a, d]
    assert places(page) == ["Place 1", "Place 2", "Place 3", "Place 4"]


def test_order_that_nobody_touched_is_not_saved_at_once(page, studio, project_id):
    press(page, "Enter")
    say(page, text_order.NOT_MOVED)
    expect(page.locator(BOARD)).to_be_visible()
    assert studio.label_progress(project_id).done == 0
    press(page, "Enter")
    shows(page, 1)
    assert studio.label_progress(project_id).done == 6


# --- nothing is lost --------------------------------------------------------------------------
def test_order_survives_the_pair_another_tab_and_a_reload(page, studio, project_id, trouble):
    order = cards(page)[::-1]
    sort_as(page, order)
    page.locator("#label-rationale textarea").fill("dose")
    page.locator("#label-rationale textarea").press("Escape")
    press(page, "k")
    expect(page.locator(BOARD)).to_be_hidden()
    press(page, "2", "k")
    expect(page.locator(BOARD)).to_be_visible()
    assert cards(page) == order
    page.get_by_role("tab", name="Data").click()
    expect(page.locator("#rater-reasons textarea")).to_be_visible()
    page.get_by_role("tab", name="Label").click()
    expect(page.locator(BOARD)).to_be_visible()
    assert cards(page) == order
    page.reload()  # at once: not all may have left the page
    ready(page)
    expect(page.locator(GRIP)).to_have_count(4)
    assert cards(page) == order
    expect(page.locator("#label-rationale textarea")).to_have_value("dose")
    press(page, "k")
    expect(page.locator("#choice-right")).to_have_attribute("aria-pressed", "true")
    assert studio.label_progress(project_id).done == 0
    assert trouble == []


def test_ranked_in_one_window_is_said_in_the_other(page, open_page, studio, project_id):
    other = open_page()
    press(other, "k")
    expect(other.locator(BOARD)).to_be_hidden()
    press(other, "k")
    expect(other.locator(BOARD)).to_be_visible()
    page.bring_to_front()
    sort_as(page, cards(page)[::-1])
    press(page, "Enter")
    shows(page, 1)
    other.bring_to_front()
    sort_as(other, cards(other)[::-1])
    press(other, "Enter")
    say(other, text.LABELLED_ELSEWHERE[:30])
    shows(other, 1)
    assert studio.label_progress(project_id).done == 6


# --- the pointer ------------------------------------------------------------------------------
def middle(page, at, part=".gs-order-bar"):
    box = page.locator(f"#label-order li {part}").nth(at).bounding_box()
    return box["x"] + 170, box["y"] + box["height"] / 2


def drag(page, at, to, steps=6):
    """Drags a card by its bar beyond the middle of another one."""
    page.mouse.move(*middle(page, at))
    page.mouse.down()
    x, y = middle(page, to)
    page.mouse.move(x, y + (90 if to > at else -20), steps=steps)
    expect(page.locator("#label-order .is-dragged")).to_have_count(1)
    page.mouse.up()
    expect(page.locator("#label-order .is-dragged")).to_have_count(0)


def test_mouse_drags_cards_and_buttons_move_and_tie_them(page, studio, project_id, trouble):
    page.set_viewport_size({"width": 1280, "height": 1800})  # it scrolls along at an edge
    a, b, c, d = cards(page)
    drag(page, 0, 2)
    assert cards(page) == [b, c, a, d]
    drag(page, 2, 0)
    assert cards(page) == [a, b, c, d]
    page.mouse.click(*middle(page, 1))  # a press without a move changes nothing
    page.mouse.move(*middle(page, 3))
    page.mouse.down()
    page.mouse.move(*middle(page, 0), steps=4)
    press(page, "Escape")
    page.mouse.up()
    assert cards(page) == [a, b, c, d]
    buttons = page.locator("#label-order .gs-order-tools")
    buttons.nth(3).get_by_role("button", name="Up").click()
    assert cards(page) == [a, b, d, c]
    buttons.nth(0).get_by_role("button", name="Down").click()
    buttons.nth(1).get_by_role("button", name="Equal to the one above").click()
    assert places(page) == ["Place 1, equally good", "Place 1, equally good", "Place 2", "Place 3"]
    press(page, "Enter")  # it saves, and does not press the button again
    shows(page, 1)
    [label] = studio.recent_labels(project_id)
    assert list(map(set, label.order)) == [{a, b}, {d}, {c}]
    assert trouble == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_finger_drags_on_a_tablet_and_nothing_is_cut_off(open_page, scheme, trouble):
    size = {"width": 834, "height": 1112}
    page = open_page(viewport=size, has_touch=True, color_scheme=scheme)
    a, b, c, d = cards(page)
    touch = page.context.new_cdp_session(page)

    def send(kind, *points):
        at = [{"x": x, "y": y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    x, y = middle(page, 3)
    top = middle(page, 0)[1] - 20
    send("touchStart", (x, y))
    for part in range(1, 7):
        send("touchMove", (x, y + (top - y) * part / 6))
    send("touchEnd")
    expect(page.locator("#label-order .is-dragged")).to_have_count(0)
    assert cards(page) == [d, a, b, c]
    assert page.evaluate("document.documentElement.scrollWidth") <= 834
    for button in page.locator("#label-order button, #label-actions button:visible").all():
        assert button.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert trouble == []


# --- hostile texts ----------------------------------------------------------------------------
def test_answers_are_words_and_run_nothing(page, trouble):
    assert sorted(cards(page)) == sorted(ANSWERS)
    expect(page.locator("#label-order :is(img, script)")).to_have_count(0)
    names = [grip.evaluate("one => one.textContent") for grip in page.locator(GRIP).all()]
    assert any(HOSTILE[:40] in name for name in names)
    page.wait_for_timeout(500)
    assert trouble == []
