"""A server that is no bottleneck: nginx, which reads whole requests and acknowledges each; a null server without it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import SERVER, null_server, on_core

if TYPE_CHECKING:
    from collections.abc import Iterator

STUB = "stub (nginx is not installed)"
# What answers by itself does so before it has read the body. A mirrored request is read as a whole first.
CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_buffer_size 4m;
    client_max_body_size 64m;
    keepalive_requests 2147483647;
    keepalive_timeout 1h;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type application/json;
    server {
        listen 127.0.0.1:PORT;
        location / { mirror /read; empty_gif; error_page 405 =200 @acknowledged; }
        location = /read { internal; return 204; }
        location @acknowledged { return 200 '{"code":0,"message":"OK"}'; }
    }
}
"""


@dataclass(frozen=True)
class FastServer:
    """A running server, and what it is."""

    base_url: str
    name: str


@contextmanager
def fast_server() -> Iterator[FastServer]:
    """Run nginx, one worker on the last core, in a directory of its own; the null server where there is none."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        with null_server() as stub:
            yield FastServer(stub.base_url, STUB)
        return
    with tempfile.TemporaryDirectory() as folder:
        process, port = _started(program, Path(folder))
        try:
            yield FastServer(f"http://127.0.0.1:{port}", "nginx")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _started(program: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start nginx on a free port; on another one where somebody was faster."""
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        (folder / "nginx.conf").write_text(CONFIGURATION.replace("PORT", str(port)))
        words = [program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "stderr"]
        with on_core(SERVER):
            process = subprocess.Popen(words)
        while process.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                return process, port
            time.sleep(0.01)
    raise RuntimeError(f"nginx does not start: exit code {process.returncode}")
