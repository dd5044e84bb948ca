"""Starts the studio, waits, and leaves nothing behind."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from musicfusion.core.errors import MusicFusionError
from musicfusion.studio import models
from musicfusion.studio.takes import Visitors
from musicfusion.studio.uploads import Uploads, suffixes

LOCAL = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::", "")


def serve(*, host: str = "127.0.0.1", port: int = 7860, weights: Sequence[str] = (), names: Sequence[str] = (),
          frames: str = "'none'", say: Callable[[str], None] = print) -> None:
    """Serves the page until it is interrupted or terminated.

    Args:
        host: the address that is listened at; with another than this machine's own, others can use the page.
        port: 0 for any that is free.
        weights: weights or workdirs beside those that ship, as `musicfusion.load` takes them. What is on a Hub is
            downloaded before the page is there; nothing is after that.
        names: further names by which a browser may call this machine.
        frames: pages in which this one may be shown, as CSP names them.
        say: is called with the address once the page is there.

    Raises:
        MusicFusionError: Gradio is not installed, the port is in use, the weights are unknown.
    """
    from musicfusion.systems import declarations

    declared = declarations()
    offered = models.offered(declared, weights)
    port = _free(host, port)
    uploads = Uploads(sorted({suffix for d in declared.values() for one in d.inputs.values()
                              for suffix in suffixes(one)}))
    try:
        _gradio(uploads)
        from starlette.middleware import Middleware

        from musicfusion.studio import app
        from musicfusion.studio.guard import COOKIE, Guard

        visitors, shelf, cookie = Visitors(), models.Shelf(), f"{COOKIE}-{port}"
        page = app.build(app.Studio(visitors=visitors, uploads=uploads, shelf=shelf, offered=offered, cookie=cookie))
        everywhere = host in EVERYWHERE
        guard = Middleware(
            Guard, visitors=visitors, uploads=uploads, cookie=cookie, own=app.files(), frames=frames,
            addresses=everywhere, hosts=[*LOCAL, *names, socket.gethostname() if everywhere else host])
        stopped = threading.Event()
        _on_signals(stopped)
        page.queue(default_concurrency_limit=4, max_size=32, api_open=False)
        page.launch(
            server_name=host or None, server_port=port, share=False, inbrowser=False, quiet=True, show_error=False,
            prevent_thread_lock=True, footer_links=[], run_history=False, enable_monitoring=False, ssr_mode=False,
            pwa=False, mcp_server=False, max_file_size="200mb", allowed_paths=[], theme=app.theme(),
            head='<link rel="stylesheet" href="studio/studio.css"><script src="studio/studio.js"></script>',
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None, "middleware": [guard]})
        shown = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
        say(f"musicfusion studio: http://{shown}:{port}  (Ctrl+C ends it)")
        first = app.ordered(offered)[0].name
        threading.Thread(target=_warm, args=(shelf, offered[first][0]), daemon=True).start()
        stopped.wait()
        uploads.remove()  # at once: closing waits for open connections
        page.close(verbose=False)
    finally:
        uploads.remove()


def _gradio(uploads: Uploads) -> None:
    """Imports Gradio, set to ask nothing outside, and to keep its files in the private folder."""
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": str(uploads.folder)}
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError:
        raise MusicFusionError("the studio needs Gradio: pip install 'musicfusion[studio]'") from None


def _free(host: str, port: int) -> int:
    """The port, or one that is free for 0. MusicFusionError if it cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
            return tried.getsockname()[1]
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MusicFusionError(f"--port={port} at --host={host}: cannot be used ({reason}): give another --port, or 0"
                               " for any that is free") from None


def _on_signals(stopped: threading.Event) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)


def _warm(shelf: models.Shelf, name: str) -> None:
    """Makes the first model ready while the visitor looks at the page; errors wait until it is used."""
    try:
        shelf(name)
    except MusicFusionError:
        return
