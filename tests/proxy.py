"""What stands between Mien and PostgreSQL, and does what networks do."""

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tests.postgres import Cluster

COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""How a server says that it committed."""


class Proxy:
    """Forwards connections to a cluster, through a socket in a folder of its own."""

    def __init__(self, cluster: Cluster, schema_url: str) -> None:
        self._target = str(cluster.folder / ".s.PGSQL.5432")
        self._folder = Path(tempfile.mkdtemp(prefix="mien-proxy-"))
        self.url = schema_url.replace(str(cluster.folder), str(self._folder))
        self.cuts_left = 0
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / ".s.PGSQL.5432"))
        self._listener.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Take what is sent, and forward nothing."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Forward again, first of all what was kept back."""
        self._flowing.set()

    def cut_answers_to_commit(self, times: int) -> None:
        """Cut connections that took messages in, so often, when the server has committed and says so."""
        self.cuts_left = times

    def close(self) -> None:
        """Take no connection any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thaw()
        shutil.rmtree(self._folder)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                _Conversation(self, client, self._target, self._flowing)


class _Conversation:
    """One connection: what goes there, and what comes back."""

    def __init__(self, proxy: Proxy, client: socket.socket, target: str, flowing: threading.Event) -> None:
        self._proxy = proxy
        self._client = client
        self._server = socket.socket(socket.AF_UNIX)
        self._flowing = flowing
        self._writes = False
        with suppress(OSError):
            self._server.connect(target)
            for work in (self._there, self._back):
                threading.Thread(target=work, daemon=True).start()
            return
        self._end()

    def _there(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(1 << 16):
                self._writes = self._writes or b"INSERT INTO seen" in data
                self._flowing.wait()
                self._server.sendall(data)
        self._end()

    def _back(self) -> None:
        seen = b""
        with suppress(OSError):
            while data := self._server.recv(1 << 16):
                seen = seen[1 - len(COMMITTED) :] + data
                if self._writes and COMMITTED in seen and self._proxy.cuts_left:
                    self._proxy.cuts_left -= 1
                    break
                self._flowing.wait()
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for side in (self._client, self._server):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
