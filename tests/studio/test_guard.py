"""Who may ask the studio, for what, and whose files are whose."""

import asyncio
import json
from http.cookies import SimpleCookie

import pytest

from musicfusion.core.contracts import Input
from musicfusion.studio import guard as module
from musicfusion.studio.guard import Guard
from musicfusion.studio.takes import Visitors
from musicfusion.studio.uploads import Uploads, suffixes

HOST = "127.0.0.1:7860"
COOKIE = "musicfusion-7860"


class Answer:
    """What came back."""

    def __init__(self, messages):
        self.status = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])


class Gradio:
    """Stands for Gradio's app: notes what reaches it; an upload gives the paths in `stored`."""

    def __init__(self):
        self.reached, self.stored = [], []

    async def __call__(self, scope, receive, send):
        self.reached.append(scope["path"])
        body = json.dumps(self.stored).encode() if scope["path"] == module.UPLOAD else b"page"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": body})


class Site:
    """A guarded app, and requests to it."""

    def __init__(self, **settings):
        self.app = Gradio()
        self.visitors = Visitors()
        self.uploads = Uploads(suffixes(Input(about="notes")))
        settings = {"hosts": ["127.0.0.1", "localhost"], "addresses": False, "frames": "'none'"} | settings
        self.guard = Guard(self.app, visitors=self.visitors, uploads=self.uploads, cookie=COOKIE,
                           own={"studio.js": b"1"}, **settings)

    def ask(self, path, *, method="GET", key="", host=HOST, **headers):
        sent = {"host": host, **headers} | ({"cookie": f"{COOKIE}={key}"} if key else {})
        scope = {"type": "http", "method": method, "path": path, "query_string": b"",
                 "headers": [(name.encode(), value.encode()) for name, value in sent.items()]}
        messages = []

        async def receive():
            return {"type": "http.request", "body": b""}

        async def send(message):
            messages.append(message)

        asyncio.run(self.guard(scope, receive, send))
        return Answer(messages)

    def welcome(self) -> str:
        """Opens the page as a new browser does; its key."""
        return SimpleCookie(self.ask("/").headers["set-cookie"])[COOKIE].value

    def upload(self, name, key):
        path = self.uploads.folder / ("0a" * 32) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"MThd")
        self.app.stored = [str(path)]
        return path, self.ask(module.UPLOAD, method="POST", key=key)


@pytest.fixture
def site():
    found = Site()
    yield found
    found.uploads.remove()


def test_the_page_comes_with_a_policy_and_a_key_that_no_script_can_read(site):
    answer = site.ask("/")
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert len(cookie.value) > 40 and cookie["httponly"] and cookie["samesite"] == "Lax"
    assert "set-cookie" not in site.ask("/", key=cookie.value).headers
    assert site.ask("/", key="invented").headers["set-cookie"]  # only keys that were given out are taken


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:7860", "192.168.1.7:7860", "", "[::1"])
def test_a_foreign_name_for_this_machine_is_refused(site, host):
    assert site.ask("/", host=host).status == 421
    assert not site.app.reached


@pytest.mark.parametrize("host", [HOST, "localhost:7860", "LOCALHOST", "127.0.0.1"])
def test_the_names_of_this_machine_are_accepted(site, host):
    assert site.ask("/", host=host).status == 200


def test_where_all_addresses_are_listened_at_any_number_is_accepted_and_no_foreign_name():
    site = Site(addresses=True)
    assert site.ask("/", host="192.168.1.7:7860").status == 200
    assert site.ask("/", host="evil.example").status == 421
    site.uploads.remove()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_what_another_page_asks_is_refused(site, origin):
    key = site.welcome()
    assert site.ask("/gradio_api/queue/join", method="POST", key=key, origin=origin).status == 403
    assert site.ask("/gradio_api/queue/join", method="POST", key=key, origin=f"http://{HOST}").status == 200
    assert site.app.reached == ["/", "/gradio_api/queue/join"]


@pytest.mark.parametrize("path", [
    "/docs", "/openapi.json", "/monitoring", "/gradio_api/proxy=http://example.org", "/gradio_api/file/etc/passwd",
    "/gradio_api/stream/x", "/gradio_api/call/fuse", "/login", "/static/../config?",
    "/gradio_api/deep_link", "/gradio_api/queue/join/more"])
def test_nothing_of_gradio_is_reached_that_the_page_does_not_use(site, path):
    assert site.ask(path, key=site.welcome()).status == 404
    assert site.app.reached == ["/"]


@pytest.mark.parametrize("path", ["http://example.org/a.mid", "https://example.org", "/etc/passwd", "../../etc/passwd"])
def test_the_server_fetches_no_address_and_no_other_file(site, path):
    assert site.ask(module.FILE + path, key=site.welcome()).status == 403
    assert site.app.reached == ["/"]


def test_an_upload_can_be_fetched_by_the_browser_that_sent_it_alone(site):
    a, b = site.welcome(), site.welcome()
    path, answer = site.upload("a.mid", a)
    assert answer.status == 200 and json.loads(answer.body) == [str(path)]
    assert site.ask(module.FILE + str(path), key=a).status == 200
    for other in (b, "", "invented"):
        assert site.ask(module.FILE + str(path), key=other).status == 403


def test_an_upload_without_the_page_or_of_a_kind_that_nobody_takes_leaves_nothing(site):
    assert site.upload("a.mid", "")[1].status == 403
    path, answer = site.upload("a.exe", site.welcome())
    assert answer.status == 415 and b"a.exe: accepted are .mid" in answer.body
    assert not path.exists()


def test_scripts_of_the_studio_are_given_out_and_nothing_beside_them(site):
    assert site.ask("/studio/studio.js").body == b"1"
    for path in ("studio.css", "../serve.py", "takes", "takes/token/1.ogg", "takes/a/b/c", ""):
        assert site.ask(f"/studio/{path}", key=site.welcome()).status == 404


def test_in_a_frame_the_cookie_is_sent_too():
    site = Site(frames="https://huggingface.co")
    answer = site.ask("/")
    assert "frame-ancestors https://huggingface.co" in answer.headers["content-security-policy"]
    assert "SameSite=None; Secure; Partitioned" in answer.headers["set-cookie"]
    site.uploads.remove()


def test_a_websocket_is_closed(site):
    messages = []

    async def send(message):
        messages.append(message)

    asyncio.run(site.guard({"type": "websocket", "path": "/", "headers": []}, None, send))
    assert messages == [{"type": "websocket.close", "code": 1008}] and not site.app.reached
