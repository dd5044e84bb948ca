"""What stands before the page: who may ask, for what, and whose files are whose. Pure ASGI, around Gradio's app.

A visitor is a browser: it gets a cookie with the page, a random key that no script can read. A file that was uploaded
with one key, and a take that was made with it, are given out to the same key alone.
"""

import ipaddress
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from anyio import to_thread

from musicfusion.core.errors import MusicFusionError
from musicfusion.studio import takes
from musicfusion.studio.takes import Downloads, Visitor, Visitors
from musicfusion.studio.uploads import Uploads

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

COOKIE = "musicfusion"
POLICY = ("default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
          " img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self';"
          " object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {}")
API = "/gradio_api"
FILE, UPLOAD = f"{API}/file=", f"{API}/upload"
# What the page itself asks for, and gradio_client; nothing else of Gradio's can be reached.
OPEN = re.compile(
    rf"/|/config|/theme\.css|/favicon\.ico|/(assets|static)/[\w./-]+|{API}/(queue/(join|data)|cancel|reset|upload"
    r"|upload_progress|run/predict|component_server|startup-events|info|heartbeat/[\w-]+)")
STYLES = {".js": "text/javascript", ".css": "text/css"}


class Guard:
    """The middleware. See `__init__` for what it knows."""

    def __init__(self, app: Callable[..., Awaitable[None]], *, visitors: Visitors, uploads: Uploads, cookie: str,
                 hosts: Sequence[str], addresses: bool, frames: str, own: dict[str, bytes]):
        """Args: as follows.

        app: Gradio's.
        cookie: its name; ports of one machine share their cookies.
        hosts: names by which this machine may be called; addresses: whether any number of an address will do, too.
        frames: pages in which this one may be shown, as CSP names them: 'none', or their origins.
        own: files of the studio, by name: NAME.js, NAME.css.
        """
        self.app, self.visitors, self.uploads, self.own = app, visitors, uploads, own
        self.downloads = Downloads(uploads)
        self.hosts, self.addresses, self.framed = {host.lower() for host in hosts}, addresses, frames != "'none'"
        self.cookie = cookie
        self.headers = [(b"content-security-policy", POLICY.format(frames).encode()),
                        (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"),
                        (b"cross-origin-resource-policy", b"same-origin")]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        key = self.key(headers.get(b"cookie", ""))
        visitor = self.visitors.get(key)
        origin = headers.get(b"origin", "")
        guarded = self._guarded(send)
        if not self._is_host(headers.get(b"host", "")):
            await _answer(guarded, 421, "this is not the address of the studio")
        elif origin and origin.partition("://")[2] != headers.get(b"host", ""):
            await _answer(guarded, 403, "asked by another page")
        elif path.startswith("/studio/"):
            await self._own(path.removeprefix("/studio/"), visitor, guarded)
        elif path.startswith(FILE):
            allowed = visitor is not None and self.uploads.may_read(unquote(path.removeprefix(FILE)), key)
            await (self.app(scope, receive, guarded) if allowed else _answer(guarded, 403, "not yours"))
        elif not OPEN.fullmatch(path):
            await _answer(guarded, 404, "there is no such page")
        elif path == "/":
            await self.app(scope, receive, guarded if visitor else self._welcoming(guarded))
        elif path == UPLOAD:
            if visitor is None:
                await _answer(guarded, 403, "open the page first, with cookies")
            else:
                await self._upload(scope, receive, guarded, key)
        else:
            await self.app(scope, receive, guarded)

    def key(self, cookies: str) -> str:
        """A visitor's key in a Cookie header, "" where there is none."""
        try:
            return SimpleCookie(cookies)[self.cookie].value
        except (KeyError, CookieError):
            return ""

    def _is_host(self, host: str) -> bool:
        """Whether a Host header names this machine: else a foreign name leads here, and its page could read ours."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
            return name in self.hosts or (self.addresses and bool(ipaddress.ip_address(name)))
        except ValueError:
            return False

    def _guarded(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *self.headers]}
            await send(message)

        return with_headers

    def _welcoming(self, send: Send) -> Send:
        """The page gives a new visitor a key."""
        site = "SameSite=None; Secure; Partitioned" if self.framed else "SameSite=Lax"
        cookie = f"{self.cookie}={self.visitors.welcome()}; Path=/; HttpOnly; {site}".encode()

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), (b"set-cookie", cookie)]}
            await send(message)

        return with_cookie

    async def _upload(self, scope: Message, receive: Receive, send: Send, key: str) -> None:
        """Gradio stores the files; it is noted whose they are, and what nobody takes is removed at once."""
        started: list[Message] = []
        body = b""

        async def held(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                started.append(message)
            else:
                body += message.get("body", b"")

        await self.app(scope, receive, held)
        if started and started[0]["status"] == 200:
            try:
                for path in json.loads(body):
                    self.uploads.own(str(Path(path).resolve()), key)
            except MusicFusionError as error:
                await _answer(send, 415, str(error))
                return
        for message in started:
            await send(message)
        await send({"type": "http.response.body", "body": body})

    async def _own(self, path: str, visitor: Visitor | None, send: Send) -> None:
        """The studio's own files, and those of takes."""
        if path in self.own:
            await _answer(send, 200, self.own[path], STYLES[Path(path).suffix])
            return
        match path.split("/"):
            case ["takes", token, name] if visitor is not None and (take := visitor.of_token(token)) is not None:
                if name in take.sounds:
                    await _answer(send, 200, take.sounds[name], "image/jpeg" if name.endswith(".jpg") else "audio/ogg")
                    return
                try:
                    content = await to_thread.run_sync(self.downloads, take, name)
                except MusicFusionError as error:
                    await _answer(send, 404, self.uploads.public(str(error)))
                    return
                await _answer(send, 200, content, takes.KINDS[name], f"{take.name}.{name}")
            case _:
                await _answer(send, 404, "there is no such file")


async def _answer(send: Send, status: int, content: str | bytes, kind: str = "text/plain; charset=utf-8",
                  saved: str = "") -> None:
    """A whole answer. saved: the name under which a browser saves it; nothing in it comes from a visitor."""
    body = content.encode() if isinstance(content, str) else content
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()),
               (b"cache-control", b"private, max-age=600" if status == 200 and not saved else b"no-store")]
    if saved:
        headers.append((b"content-disposition", f'attachment; filename="{saved}"'.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
