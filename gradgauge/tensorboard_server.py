"""TensorBoard with pages of the profiler that open without the internet: `python -m gradgauge.tensorboard_server`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable
from importlib.resources import files
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PLUGIN = "pytorch_profiler"
ROUTES = f"/data/plugin/{PLUGIN}"

CHARTS = '<script src="https://www.gstatic.com/charts/loader.js"></script>'
CHARTS_IF_REACHED = """<script>
(() => {
  const absent = new Proxy(function () {}, {
    get: () => absent,
    apply: () => absent,
    construct: (_, [place]) => {
      if (place instanceof Element) place.textContent = "Charts come from www.gstatic.com, which was not reached.";
      return absent;
    },
  });
  const reach = (...wanted) => new Promise((reached, failed) => {
    const script = document.createElement("script");
    script.src = "https://www.gstatic.com/charts/loader.js";
    script.onload = () => google.charts.load(...wanted).then(reached, failed);
    script.onerror = failed;
    setTimeout(failed, 5000);  // a firewall may not even refuse
    delete window.google;  // the loader refuses to be loaded beside itself
    document.head.append(script);
  });
  window.google = {charts: {load: (...wanted) => reach(...wanted).catch(() => {
    window.google = {visualization: absent};
  })}};
})();
</script>"""
POLYFILL = '/webcomponentsjs/0.7.24/webcomponents.min.js"'
POLYFILL_IF_REACHED = f"""{POLYFILL} onerror="window.addEventListener('DOMContentLoaded', () => {{
  document.body.textContent = 'The trace viewer needs cdnjs.cloudflare.com, which was not reached. '
    + 'chrome://tracing and ui.perfetto.dev open the same files.';
}})\""""


def do_without_internet(application: WSGIApplication) -> WSGIApplication:
    """Return TensorBoard's application with pages of the profiler that open where the internet is not reached.

    As shipped (torch-tb-profiler 0.4.3) they wait for Google's charts before they show anything. Here tables are shown
    either way, and a sentence stands where a chart or the trace's viewer would.
    """
    static = files("torch_tb_profiler") / "static"
    pages = {
        f"{ROUTES}/{name}": (static / name).read_text(encoding="utf-8").replace(shipped, ours).encode()
        for name, shipped, ours in (
            ("index.html", CHARTS, CHARTS_IF_REACHED),
            ("trace_embedding.html", POLYFILL, POLYFILL_IF_REACHED),
        )
    }

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        page = pages.get(environ["PATH_INFO"])
        if page is None:
            return application(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))])
        return [page]

    return answer


def main() -> None:
    """Run TensorBoard on the command line's arguments, until it is told to end or stdin does."""
    from absl import app
    from tensorboard import default, main_lib, program

    def serve_pages(application: WSGIApplication, flags: Any) -> Any:
        return program.create_port_scanning_werkzeug_server(do_without_internet(application), flags)

    # So that it ends, with what it started, where whoever started it is killed.
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    main_lib.global_init()
    board = program.TensorBoard(default.get_plugins(), server_class=serve_pages)
    app.run(board.main, flags_parser=board.configure)


def _end_with_stdin() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
