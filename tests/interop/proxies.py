"""The proxies of examples/proxies, each with the very file that users copy."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.process import eventually, free_port
from tests.support.server import ROOT

__all__ = ["PROXIES", "Front", "in_front_of", "unpacked"]

UNPACKED = ROOT / "build" / "interop" / "debian"
"""Where the Makefile unpacks what it need not install."""

CERTIFICATE = "/etc/ssl/private/progress.pem"


class Front(NamedTuple):
    """A proxy that runs."""

    proxy: str
    port: int
    secure_port: int
    authority: Path
    """The certificate by which it is known."""


def unpacked(name: str) -> str:
    """The program of that name.

    Raises:
        FileNotFoundError: there is none; that is an error, and nothing is skipped.
    """
    folders = [f"{UNPACKED}/usr/sbin", f"{UNPACKED}/usr/bin", os.defpath, "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise FileNotFoundError(f"no {name} here: `make interop` gets it")
    return found


@contextmanager
def in_front_of(upstream: int, proxy: str, folder: Path) -> Iterator[Front]:
    """Run a proxy before the server on that port, until the block is left."""
    certificate = _certificate(folder)
    front = Front(proxy, free_port(), free_port(), certificate)
    name, command = PROXIES[proxy]
    content = (ROOT / "examples" / "proxies" / name).read_text("utf-8")
    for written, meant in {
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        ":8080": f":{front.port}",
        ":8443": f":{front.secure_port}",
        f"*:{front.port}": f"127.0.0.1:{front.port}",
        f"*:{front.secure_port}": f"127.0.0.1:{front.secure_port}",
        CERTIFICATE: str(certificate),
    }.items():
        assert written in content or written.startswith("*"), f"no {written} in {name}"
        content = content.replace(written, meant)
    (folder / name).write_text(content, "utf-8")
    with _running(command(folder, folder / name), folder) as process:
        eventually(lambda: _is_ready(front) or process.poll() is not None)
        assert process.poll() is None, f"{proxy} does not run"
        yield front


def _is_ready(front: Front) -> bool:
    return _accepts(front.port) and _accepts(front.secure_port)


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    libraries = os.pathsep.join(str(path) for path in (UNPACKED / "usr" / "lib").glob("*-linux-*"))
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder))
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries, **homes}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    except BaseException:
        sys.stderr.write(log.read_text(errors="replace"))  # pytest shows it with the failure
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers, too
        process.wait()


def _nginx(folder: Path, file: Path) -> list[str]:
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    around = f"""\
daemon off; master_process off; error_log stderr; pid {folder}/pid;
events {{}}
http {{ access_log off; {paths} include {file}; }}
"""
    return [unpacked("nginx"), "-e", "stderr", "-p", str(folder), "-c", _written(folder, around)]


def _haproxy(folder: Path, file: Path) -> list[str]:
    return [unpacked("haproxy"), "-db", "-f", str(file)]


def _caddy(folder: Path, file: Path) -> list[str]:
    around = f"{{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}}\nimport {file}\n"
    config = _written(folder, around)
    return [unpacked("caddy"), "run", "--adapter", "caddyfile", "--config", config]


def _apache(folder: Path, file: Path) -> list[str]:
    modules = (
        "mpm_event authz_core headers http2 macro proxy proxy_http reqtimeout setenvif "
        "socache_shmcb ssl deflate filter"
    )
    program = unpacked("apache2")
    where = Path(program).parents[1] / "lib" / "apache2" / "modules"
    loads = "".join(f"LoadModule {m}_module {where}/mod_{m}.so\n" for m in modules.split())
    user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
    around = f"""\
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog /dev/stderr
{loads}{user}Include {file}
"""
    return [program, "-DFOREGROUND", "-f", _written(folder, around)]


PROXIES: dict[str, tuple[str, Callable[[Path, Path], list[str]]]] = {
    "nginx": ("nginx.conf", _nginx),
    "haproxy": ("haproxy.cfg", _haproxy),
    "caddy": ("Caddyfile", _caddy),
    "apache": ("apache.conf", _apache),
}
"""The file of each, and what starts it: some need a frame around what users add to theirs."""


def _written(folder: Path, content: str) -> str:
    path = folder / "around.conf"
    path.write_text(content, "utf-8")
    return str(path)


def _certificate(folder: Path) -> Path:
    """Made as the files say it."""
    key, certificate, both = (folder / name for name in ("key.pem", "certificate.pem", "both.pem"))
    options = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    options += ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", *options]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
