"""The demo project: in every new data folder, so that the first click already works."""

from gem_backend.demo import PROJECT_FILE, PROJECT_NAME
from gem_backend.types import Project
from storage import exchange, projects
from storage.database import Database

GUIDELINES = (
    "Prefer the answer that uses the score in its current form, counts every finding that scores "
    "and no other, and draws the action from the right cut-off. These cases are synthetic."
)


def ensure_demo_project(db: Database) -> Project:
    """Return the demo project, made and filled on the first call."""
    found = projects.find_project(db, PROJECT_NAME)
    if found is not None:
        return found
    with db.transaction():
        project = projects.create_project(
            db, PROJECT_NAME, guidelines=GUIDELINES, project_id=projects.DEMO_PROJECT_ID
        )
        exchange.import_file(db, project.project_id, PROJECT_FILE, imported_by="studio")
    return project
