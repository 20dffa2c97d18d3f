"""The studio's page: the header, the five tabs, and what keeps them current."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import gradio as gr
from gradio.blocks import Block

from app import text
from app.errors import polled
from app.events import ASK, listen, run_in_browser, settle_after
from app.look import asset, head, style, theme
from app.pages import PageHandles
from app.pages.align import build_align_page
from app.pages.data import build_data_page
from app.pages.explore import build_explore_page
from app.pages.label import build_label_page
from app.pages.raters import AccountLine
from app.pages.results import build_results_page
from app.records import Header
from app.routes import News, Route, poll_routes, refresh_routes
from app.security import DELETE_CACHE, LaunchOptions, launch_options
from app.studio import Studio
from app.text.raters import LOGIN_HINT
from app.views.frame import (
    brand_html,
    connection_html,
    facts_html,
    footer_html,
    notice_html,
)

POLL_S = 1.0  # while something runs
LAUNCHES = 3  # ours: tries
IDLE_POLL_S = 5.0  # ours: many open pages must not keep the machine busy with nothing
FOR_ALL = ("label",)  # the other tabs are an admin's
_BUILDERS: dict[str, Callable[[Studio, gr.State], PageHandles]] = {
    "label": build_label_page,
    "explore": build_explore_page,
    "align": build_align_page,
    "results": build_results_page,
    "data": build_data_page,
}
# The address keeps project and tab, so that a reload comes back to them. A tab may open before the
# project is known; the one that the address names is kept then.
_KEEP_ADDRESS = """(project) => {
  if (!project) return;
  const address = new URL(window.location);
  const named = address.searchParams.get('project');
  for (const its of named && named !== project ? ['prompt', 'candidate', 'group'] : []) {
    address.searchParams.delete(its);
  }
  address.searchParams.set('project', project);
  const tab = document.querySelector('#pages [role=tab][aria-selected=true]')?.id;
  if (tab === 'page-%(tab)s-button') address.searchParams.set('tab', '%(tab)s');
  window.history.replaceState(null, '', address);
}"""


def serve(
    studio: Studio,
    *,
    port: int | None = None,
    blocked: Sequence[Path] = (),
    open_browser: bool = False,
    wait: bool = True,
) -> gr.Blocks:
    """Serve the studio on this machine alone; with ``wait`` returns when it is stopped.

    Args:
        studio: the use cases behind the pages.
        port: None takes the first free one from 7860 on.
        blocked: folders that no request may read.
        open_browser: show the page in the user's browser.
        wait: block until the studio is stopped; otherwise the caller closes what is returned.
    """
    options = launch_options(port=port, blocked=blocked, open_browser=open_browser)
    for tries_left in reversed(range(LAUNCHES)):
        app = build_app(studio)
        try:
            _launch(app, studio, options, wait=wait)
            break
        except ValueError:  # Gradio gives its first page 3 s, which a busy machine may not have
            app.close()
            if not tries_left:
                raise
    studio.access.log_out = functools.partial(_end_sessions, app)
    return app


def _launch(app: gr.Blocks, studio: Studio, options: LaunchOptions, *, wait: bool) -> None:
    app.launch(
        prevent_thread_lock=not wait,
        theme=theme(),
        css=style(),
        head=head(),
        auth=studio.access.admits if studio.access.asks_for_login else None,
        auth_message=f"<title>{text.NAME}</title><style>{asset('login.css')}</style>"
        f"<h1>{text.NAME}</h1>{LOGIN_HINT}",
        **options,
    )


def _end_sessions(app: gr.Blocks, name: str) -> None:
    """Let the next request of everybody who is logged in under that name be refused."""
    tokens = app.app.tokens
    for token in [token for token, user in tokens.copy().items() if user == name]:
        tokens.pop(token, None)


def build_app(studio: Studio) -> gr.Blocks:
    """Build the whole page over a studio; nothing is served yet."""
    app = gr.Blocks(
        title=text.NAME, analytics_enabled=False, delete_cache=DELETE_CACHE, fill_width=True
    )
    with app:
        gr.HTML(connection_html(), apply_default_css=False, elem_id="connection")
        header = _Header(studio)
        account = AccountLine(studio)
        pages: dict[str, PageHandles] = {}
        items: dict[str, gr.Tab] = {}
        with gr.Tabs(elem_id="pages") as tabs:
            for name, build in _BUILDERS.items():
                with gr.Tab(text.TABS[name], id=name, elem_id=f"page-{name}") as items[name]:
                    pages[name] = build(studio, header.project)
        gr.HTML(footer_html(), apply_default_css=False, elem_id="foot")
        listen(app.load, account.values, [], account.outputs)
        _connect_pages(header, refresh_routes(pages), items, tabs, app)
        _connect_polls(header, pages)
    return app


class _Header:
    """The line that says where you are, and the state that every event needs."""

    def __init__(self, studio: Studio) -> None:
        """Build the components inside the open blocks."""
        self._studio = studio
        self.project = gr.State(None)  # "" once the address was read and there is no project
        self.tab = gr.State("label")
        self.shown = gr.State(None)
        with gr.Row(elem_id="header"):
            gr.HTML(brand_html(), apply_default_css=False, elem_id="brand")
            self.chooser = gr.Dropdown(
                label=text.PROJECT, elem_id="project", filterable=False, scale=0, min_width=264
            )
            self.facts = gr.HTML(apply_default_css=False, elem_id="facts")
            more = gr.Button(text.NEW_PROJECT, elem_id="project-new", scale=0, size="sm")
        self.notice = gr.HTML(apply_default_css=False, elem_id="notice")
        with gr.Row(visible=False, elem_id="project-form") as self._form:
            self.name = gr.Textbox(label=text.NEW_PROJECT_NAME, max_lines=1, scale=0, min_width=320)
            self.make = gr.Button(text.CREATE, elem_id="project-create", scale=0)
        listen(more.click, _show_form, [], [self._form])

    def arrive(self, request: gr.Request) -> tuple[object, ...]:
        """Read project and tab from the address: the first project where it names none.

        Without a tab in the address the open one stays, which a quick hand may have changed by now.
        """
        if self._studio.access.account().is_invited:  # nothing opens without an own password
            return "", gr.skip(), gr.skip(), gr.skip()
        known = [project.project_id for project in self._studio.projects()]
        wanted = request.query_params.get("project", "")
        project_id = wanted if wanted in known else next(iter(known), "")
        tab = request.query_params.get("tab", "")
        is_known = tab in _BUILDERS and (tab in FOR_ALL or self._studio.access.is_admin)
        opened = (tab, gr.Tabs(selected=tab)) if is_known else (gr.skip(), gr.skip())
        return project_id, self._choices(project_id), *opened

    @property
    def outputs(self) -> list[Block]:
        """What ``values`` fills."""
        return [self.facts, self.notice, self.shown]

    def now(self, project_id: str | None) -> Header | None:
        """Return where the user is, None without a project."""
        return self._studio.header(project_id) if project_id else None

    def values(self, project_id: str | None) -> tuple[object, ...]:
        """Return the facts, the notice, and the header they came from."""
        if project_id is None:
            return gr.skip(), gr.skip(), gr.skip()
        header = self.now(project_id)
        return (facts_html(header), notice_html(header), header) if header else ("", "", None)

    @property
    def create_outputs(self) -> list[Block]:
        """What ``create`` fills."""
        return [self.project, self.chooser, self.name, self._form]

    def create(self, name: str) -> tuple[object, ...]:
        """Make a project, choose it, and close the form."""
        made = self._studio.create_project(name.strip())
        return made.project_id, self._choices(made.project_id), "", gr.Row(visible=False)

    def _choices(self, project_id: str) -> gr.Dropdown:
        choices = [(project.name, project.project_id) for project in self._studio.projects()]
        return gr.Dropdown(choices=choices, value=project_id or None)


def _show_form() -> gr.Row:
    return gr.Row(visible=True)


class _Turns:
    """A state for each page; when it is a page's turn its state changes, and an event follows.

    Browser and server work on all that an event takes and fills, also on what stays as it is. So
    an event that is about one of the pages changes a turn only.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Build the states inside the open blocks."""
        self.states = {name: gr.State(0.0) for name in names}
        self.outputs = list(self.states.values())

    def give(self, page: str) -> tuple[object, ...]:
        """Return a value for each state, a new one for the page's alone."""
        moment = time.monotonic()
        return tuple(moment if name == page else gr.skip() for name in self.states)


def _connect_pages(
    header: _Header,
    routes: Mapping[str, Route],
    items: Mapping[str, gr.Tab],
    tabs: gr.Tabs,
    app: gr.Blocks,
) -> None:
    """Refresh the open page when the browser loads, a tab opens or the project changes.

    The last of several quick changes counts: no page stays with the project of an earlier one.
    """
    turns = _Turns(routes)

    def arrive(tab: str, request: gr.Request) -> tuple[object, ...]:
        *where, opened, selected = header.arrive(request)
        # To open another tab than the one that is there is an event by itself, which draws it.
        drawn = "" if isinstance(opened, str) and opened != tab else tab
        return *where, opened, selected, *turns.give(drawn)

    def create(name: str, tab: str) -> tuple[object, ...]:
        return *header.create(name), *turns.give(tab)

    def change_project(chosen: str, tab: str) -> tuple[object, ...]:
        return chosen, *turns.give(tab)

    arrived = [header.project, header.chooser, header.tab, tabs]
    listen(app.load, arrive, [header.tab], [*arrived, *turns.outputs])
    named = [header.name, header.tab]
    made = [
        listen(trigger, create, named, [*header.create_outputs, *turns.outputs])
        for trigger in (header.make.click, header.name.submit)
    ]
    chosen = [header.chooser, header.tab]
    changed = listen(
        header.chooser.input,
        change_project,
        chosen,
        [header.project, *turns.outputs],
        mode="always_last",
    )
    for done in (*made, changed):
        run_in_browser(done.then, [header.chooser], _KEEP_ADDRESS % {"tab": ""})
    for name, route in routes.items():
        inputs = [header.project, *route.inputs]
        outputs = [*header.outputs, *route.outputs]
        show, turn = _shower(header, route), turns.states[name].change
        # By itself: a page that takes long must not say that it is open after another was opened.
        listen(items[name].select, functools.partial(str, name), [], [header.tab])
        opened = listen(items[name].select, show, inputs, outputs, js=ASK)
        shown = listen(turn, show, inputs, outputs, mode="always_last", js=ASK)
        settle_after(shown)
        settle_after(opened)
        run_in_browser(opened.then, [header.chooser], _KEEP_ADDRESS % {"tab": name})


def _shower(header: _Header, route: Route) -> Callable[..., tuple[object, ...]]:
    def show(project_id: str | None, *given: object) -> tuple[object, ...]:
        return *header.values(project_id), *route.run(project_id, *given)

    return show


def _connect_polls(header: _Header, pages: Mapping[str, PageHandles]) -> None:
    """Let one timer keep the header and the open page current, whatever tab is open.

    The timer's own event fills no part of a page. What has news gets a new turn instead, and the
    turn's change fills it. While nothing runs it ticks less often.
    """
    news = News(pages)
    routes = poll_routes(pages)
    # A page that has just opened must not tick fast to find out: many open at the same time.
    timer = gr.Timer(IDLE_POLL_S)
    pace = gr.State(IDLE_POLL_S)
    header_turn = gr.State(0.0)
    turns = _Turns(routes)

    def poll(
        project_id: str | None, tab: str, shown: Header | None, pace_s: float, *given: object
    ) -> tuple[object, ...]:
        now = header.now(project_id)
        wanted_s = POLL_S if now and now.activity else IDLE_POLL_S
        has_news = news.of(tab, project_id, given)
        return (
            wanted_s if wanted_s != pace_s else gr.skip(),
            time.monotonic() if now != shown else gr.skip(),
            *turns.give(tab if has_news else ""),
        )

    outputs = [pace, header_turn, *turns.outputs]
    listen(
        timer.tick,
        polled(poll, len(outputs)),
        [header.project, header.tab, header.shown, pace, *news.inputs],
        outputs,
        is_raw=True,
    )
    listen(pace.change, lambda pace_s: pace_s, [pace], [timer])
    listen(
        header_turn.change,
        polled(header.values, len(header.outputs)),
        [header.project],
        header.outputs,
    )
    for name, route in routes.items():
        listen(
            turns.states[name].change,
            polled(route.run, len(route.outputs)),
            [header.project, *route.inputs],
            route.outputs,
        )
