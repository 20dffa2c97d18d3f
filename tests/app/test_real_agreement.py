"""Real labels of three raters each, imported: the agreement that is known of them."""

import time

import pytest

from app.studio import Studio
from app.views.agreement import agreement_html
from storage.exchange import import_file


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kappa", "num_cases"),
    [("pandalm/testset-v1.json", "0.86", 837), ("kqa/NLI_medical_annotator.csv", "0.72", 399)],
)
def test_the_page_shows_the_kappa_of_an_imported_file(tmp_path, real_data, name, kappa, num_cases):
    """Pairs that stand in a file twice are one case: 837 of PandaLM's 999 rows."""
    with Studio(tmp_path / "data", device="cpu") as studio:
        project_id = studio.create_project("Real").project_id
        import_file(studio._db, project_id, real_data / name)
        for _ in range(600):  # of many labels the figures come in the background
            if (view := studio.agreement(project_id)) is not None:
                break
            time.sleep(0.1)
    assert (f"{view.fleiss.estimate.value:.2f}", view.fleiss.n) == (kappa, num_cases)
    shown = agreement_html(view)
    assert f">{kappa}<" in shown
    assert f">{num_cases}<" in shown
