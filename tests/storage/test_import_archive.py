"""A folder in an archive comes in like the folder, an archive that means harm does not."""

import json
import tempfile
import zipfile
from pathlib import Path

import pytest

from storage.errors import ImportFileError
from storage.exchange import import_file
from storage.import_preview import preview
from storage.pairs import training_pairs
from storage.projects import list_prompts

ROW = json.dumps({"prompt": "Q", "chosen": "yes", "rejected": "no"})


@pytest.fixture(autouse=True)
def unpacked_here(tmp_path, monkeypatch):
    """Where archives are unpacked; empty again after every test."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def pack(tmp_path):
    def write(*members, name="rows.zip", **options):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", **options) as archive:
            for member, text in members:
                archive.writestr(member, text)
        return path

    return write


def test_folder_in_an_archive_comes_in_with_its_splits(db, project_id, pack):
    path = pack(("set/README.md", "# Set"), ("set/test.jsonl", ROW), ("__MACOSX/._test", "x"))
    seen = preview(path)
    assert (seen.format, len(seen.rows)) == ("preference pairs", 1)
    assert import_file(db, project_id, path).imported == 1
    assert [pair.split for pair in training_pairs(db, project_id)] == ["held_out"]


@pytest.mark.parametrize(
    "name", ["../out.jsonl", "a/../../out.jsonl", "/out.jsonl", "..\\out.jsonl", "C:\\out.jsonl"]
)
def test_name_that_leads_outside_is_refused(db, project_id, pack, tmp_path, name):
    with pytest.raises(ImportFileError, match="leads outside"):
        import_file(db, project_id, pack(("good.jsonl", ROW), (name, ROW)))
    assert not list(tmp_path.rglob("out.jsonl"))
    assert list_prompts(db, project_id) == []


def test_archive_of_too_many_files_is_refused(db, project_id, pack, monkeypatch):
    monkeypatch.setattr("storage.import_archive.MAX_MEMBERS", 2)
    with pytest.raises(ImportFileError, match="more than 2 files"):
        import_file(db, project_id, pack(*((f"{n}.jsonl", ROW) for n in range(3))))


def test_archive_that_grows_too_large_is_refused(db, project_id, pack, monkeypatch):
    monkeypatch.setattr("storage.import_archive.MAX_UNPACKED_BYTES", 1000)
    bomb = pack(("a.jsonl", ROW), ("b.jsonl", " " * 1000), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ImportFileError, match="holds more than"):
        import_file(db, project_id, bomb)


def test_archive_that_lies_about_its_size_is_refused(db, project_id, pack, monkeypatch):
    monkeypatch.setattr("storage.import_archive.MAX_UNPACKED_BYTES", 1000)
    path = pack(("a.jsonl", ROW + " " * 5000), compression=zipfile.ZIP_DEFLATED)
    size = (len(ROW) + 5000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(ImportFileError):
        import_file(db, project_id, path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and nothing more", ROW.encode()])
def test_what_is_no_archive_is_refused(db, project_id, tmp_path, data):
    (tmp_path / "rows.zip").write_bytes(data)
    with pytest.raises(ImportFileError, match=r"The archive rows\.zip is damaged, or not a zip"):
        import_file(db, project_id, tmp_path / "rows.zip")


def test_cut_archive_is_refused(db, project_id, pack):
    path = pack(("a.jsonl", ROW * 100))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"yes"', b'"yea"', 1))
    with pytest.raises(ImportFileError, match="is damaged"):
        import_file(db, project_id, path)


def test_locked_archive_is_refused(db, project_id, pack):
    path = pack(("a.jsonl", ROW))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ImportFileError, match="password"):
        import_file(db, project_id, path)


def test_archive_without_rows_is_refused(db, project_id, pack):
    with pytest.raises(ImportFileError, match="has no parquet, Arrow or JSON Lines file"):
        import_file(db, project_id, pack(("notes.txt", "x")))


def test_link_in_an_archive_is_a_file_of_its_text(db, project_id, pack, tmp_path):
    secret = tmp_path / "secret.jsonl"
    secret.write_text(ROW)
    link = zipfile.ZipInfo("link.jsonl")
    link.external_attr = 0o120777 << 16
    report = import_file(db, project_id, pack(("a.jsonl", ROW), (link, str(secret))))
    assert (report.imported, report.num_skipped) == (1, 1)


def test_folder_called_zip_is_a_folder(db, project_id, tmp_path):
    folder = Path(tmp_path / "set.zip")
    folder.mkdir()
    (folder / "rows.jsonl").write_text(ROW)
    assert import_file(db, project_id, folder).imported == 1
