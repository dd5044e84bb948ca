"""The studio by gradio_client, without a browser: a script fuses two files, and reads back what came of them."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from musicfusion.codecs import midi
from musicfusion.systems import declarations

gradio_client = pytest.importorskip("gradio_client")

TUNES = {"left": "X:1\nM:4/4\nL:1/4\nK:C\nE E F G|G F E D|C C D E|E2 D2|",
         "right": "X:1\nM:4/4\nL:1/4\nK:C\nC E G E|F A c A|G F E D|C4|"}


def ask(studio, path: str, cookie: str = ""):
    """A request: (status, its cookie, body)."""
    connection = http.client.HTTPConnection(urlsplit(studio.address).netloc, timeout=60)
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    answer = connection.getresponse()
    found = answer.status, (answer.getheader("set-cookie") or "").partition(";")[0], answer.read()
    connection.close()
    return found


@pytest.fixture(scope="module")
def visitor(studio, tmp_path_factory):
    """A visitor's cookie, and a client that bears it."""
    status, cookie, _ = ask(studio, "/")
    assert status == 200 and cookie
    client = gradio_client.Client(studio.address, headers={"Cookie": cookie}, verbose=False, analytics_enabled=False,
                                  download_files=tmp_path_factory.mktemp("client"))
    yield cookie, client
    client.close()


def fused(client, files, seed=0, **controls):
    """What the page is told in the end: the line under the button, and the takes."""
    declared = declarations()["connective_fusion"]
    values = [controls.get(name, control.default) for name, control in declared.controls.items()]
    values = [f"{value:g}" if declared.controls[name].many and not isinstance(value, str) else value
              for name, value in zip(declared.controls, values, strict=True)]
    status, _, _, takes, _ = client.predict(
        "connective-fusion-lite", seed, *(gradio_client.handle_file(files[name]) for name in declared.inputs), *values,
        api_name="/connective_fusion")
    return tuple(json.loads(part["props"]["data"]) if "data" in part.get("props", {}) else None
                 for part in (status, takes))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tunes")
    for name, tune in TUNES.items():
        (folder / f"{name}.abc").write_text(tune)
    return {name: folder / f"{name}.abc" for name in TUNES}


def test_a_script_fuses_two_files_and_reads_the_song_back(studio, visitor, files, tmp_path):
    cookie, client = visitor
    said, takes = fused(client, files, seed=3)
    assert said["kind"] == "done" and "seed 3" in takes[0]["settings"]
    address = next(one["href"] for one in takes[0]["downloads"] if one["file"].endswith(".mid"))
    status, _, content = ask(studio, f"/{address}", cookie)
    assert status == 200
    (tmp_path / "fused.mid").write_bytes(content)
    assert midi.read(tmp_path / "fused.mid").length >= 16
    assert ask(studio, f"/{address}")[0] == 404  # another visitor's


def test_a_file_that_is_no_music_is_one_line_to_a_script(visitor, files, tmp_path):
    (tmp_path / "left.abc").write_bytes(b"no music at all")
    said, takes = fused(visitor[1], files | {"left": tmp_path / "left.abc"})
    assert said["kind"] == "error" and "\n" not in said["words"] and str(tmp_path) not in said["words"]
    assert takes is None


def test_a_script_without_the_cookie_is_told_so(studio, files):
    with pytest.raises(Exception, match=r"403|open the page first"):
        client = gradio_client.Client(studio.address, verbose=False, analytics_enabled=False)
        fused(client, files)


def test_what_a_script_is_told_of_the_page_names_no_folder_of_this_machine(studio):
    for path in ("/config", "/gradio_api/info"):
        status, _, body = ask(studio, path)
        assert status == 200 and str(studio.folder).encode() not in body and b"/home/" not in body
    assert sorted(json.loads(body)["named_endpoints"]) == sorted(f"/{name}" for name in declarations())
