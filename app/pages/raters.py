"""The raters' card on the Data page, and the line in the header where a rater looks after a
password.
"""

import gradio as gr
from gradio.blocks import Block

from app.events import listen, run_in_browser
from app.studio import Studio
from app.text import raters as say
from app.views import raters as views
from gem_backend.errors import DataError
from gem_backend.types import Role

# Who had no password of their own saw no page: it opens now.
_OPEN = """() => {
  if (!document.querySelector('#header .gs-facts')) window.location.reload();
}"""


class RatersCard:
    """Who may log in: seen and changed by admins.

    Args:
        studio: the use cases behind it.
    """

    def __init__(self, studio: Studio) -> None:
        """Build the components inside the open column, and wire them."""
        self._studio = studio
        self.table = gr.HTML("")
        self.said = gr.HTML("", elem_id="raters-said")
        with gr.Row(elem_classes="gs-actions"):
            name = gr.Textbox(label=say.RATER_NAME, max_lines=1, elem_id="rater-name", scale=2)
            role = gr.Dropdown(
                say.ROLES,
                value="rater",
                label=say.RATER_ROLE,
                filterable=False,
                scale=2,
                elem_id="rater-role",
            )
            invite = gr.Button(say.INVITE, elem_id="rater-invite", scale=0)
            remove = gr.Button(say.REMOVE, elem_id="rater-remove", scale=0)
        outputs = [self.table, self.said, name]
        listen(invite.click, self.invite, [name, role], outputs)
        listen(remove.click, self.remove, [name], outputs)

    def values(self) -> tuple[str, str]:
        """Return the table, and nothing of what was said before."""
        found, left_over = self._studio.raters(), self._studio.num_left_over_labels()
        return views.raters_table(found) + views.left_over_html(found, left_over), ""

    def invite(self, name: str, role: Role) -> tuple[object, ...]:
        """Make or renew an account and show its one-time password."""
        rater, password = self._studio.invite_rater(_named(name), role)
        return self.values()[0], views.invitation_html(rater, password), ""

    def remove(self, name: str) -> tuple[object, ...]:
        """Close an account."""
        rater = self._studio.remove_rater(_named(name))
        return self.values()[0], views.removal_html(rater), ""


def _named(name: str) -> str:
    if not name.strip():
        raise DataError(say.NO_NAME)
    return name.strip()


class AccountLine:
    """A rater's own account: empty while the studio asks nobody to log in.

    Args:
        studio: the use cases behind it.
    """

    def __init__(self, studio: Studio) -> None:
        """Build the components inside the open blocks, and wire them."""
        self._studio = studio
        with gr.Row(visible=False, elem_id="account") as self.row:
            self.line = gr.HTML("", apply_default_css=False, elem_id="account-line")
            more = gr.Button(say.CHANGE_PASSWORD, elem_id="account-more", scale=0, size="sm")
        with gr.Row(visible=False, elem_id="account-form") as form:
            old = gr.Textbox(label=say.OLD_PASSWORD, type="password", max_lines=1, scale=0)
            new = gr.Textbox(label=say.NEW_PASSWORD, type="password", max_lines=1, scale=0)
            change = gr.Button(say.SET_PASSWORD, elem_id="account-change", scale=0)
        listen(more.click, lambda: gr.Row(visible=True), [], [form])
        self._form = form
        changed = listen(change.click, self.change, [old, new], [self.line, old, new, form])
        run_in_browser(changed.success, [], _OPEN)

    @property
    def outputs(self) -> list[Block]:
        """What ``values`` fills."""
        return [self.row, self.line, self._form]

    def values(self) -> tuple[object, ...]:
        """Return the row, shown where there is a login, its line, and the form for a password.

        That is open for who comes with a one-time password.
        """
        access = self._studio.access
        if not access.asks_for_login:
            return gr.Row(visible=False), "", gr.skip()
        me = access.account()
        line = views.account_html(me, access.what_to_do(me) if me.is_invited else "")
        return gr.Row(visible=True), line, gr.Row(visible=True) if me.is_invited else gr.skip()

    def change(self, old: str, new: str) -> tuple[object, ...]:
        """Change the password of who is logged in."""
        me = self._studio.set_password(old, new)
        return views.account_html(me, said=say.PASSWORD_SET), "", "", gr.Row(visible=False)
