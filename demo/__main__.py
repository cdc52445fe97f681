"""`make demo`: start Mien, replay real purchases, and show how to ask about a customer."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.replay import purchases, replay

FOLDER = Path(os.environ.get("MIEN_DEMO_FOLDER", ".mien"))
PORT = int(os.environ.get("MIEN_PORT", "8800"))
HOST = f"http://127.0.0.1:{PORT}"
CUSTOMER = "1901"
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demo until Ctrl-C."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            sys.exit(f"Something else is listening on port {PORT}. Choose another: MIEN_PORT=8801 make demo")
    FOLDER.mkdir(exist_ok=True)
    store, marker = FOLDER / "demo.db", FOLDER / "demo.loaded"
    if not store.exists():
        marker.unlink(missing_ok=True)
    command = [sys.executable, "-m", "mien", "serve", "--port", str(PORT), "--store", f"sqlite:///{store}"]
    server = subprocess.Popen([*command, "--apply", str(Path(__file__).parent / "space.yaml")])
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        wait_until_ready(server)
        load(marker)
        show()
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait(15)


def wait_until_ready(server: "subprocess.Popen[bytes]") -> None:
    """Return when the server answers; end the program when it has ended."""
    while True:
        if server.poll() is not None:
            sys.exit("Mien ended at its start; the reason stands above.")
        try:
            urllib.request.urlopen(f"{HOST}/readyz", timeout=1)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)


def load(marker: Path) -> None:
    """Replay the data, unless a run before this one did."""
    if marker.exists():
        console.print("The purchases are there already.")
        return
    columns = TextColumn("Replaying purchases"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=sum(1 for _ in purchases()))
        messages = replay(HOST, progress=lambda count: progress.advance(task, count))
    marker.touch()
    console.print(f"{messages:,} messages taken in, each durable before it was acknowledged.")


def show() -> None:
    """Print calls to paste."""
    base = f"{HOST}/v1/spaces/demo/collections/users/profiles"
    console.print(f"\nThe biggest spender is customer {CUSTOMER}. In another terminal:\n")
    for path in ("traits", "events?limit=3", "external_ids", "metadata", "links"):
        console.print(f"  curl -s -u tok_demo_read_only: '{base}/user_id:{CUSTOMER}/{path}'")
    console.print("\nThe same customer in GrowthLoop's words, and why they are in an audience:\n")
    console.print(f"  curl -s -H 'Authorization: Bearer gl_demo_read_only' {HOST}/v1/entities/customers/{CUSTOMER}")
    command = f"{Path(sys.executable).parent / 'mien'} audience why demo big_spenders user_id:{CUSTOMER}"
    console.print(f"  {command} --store sqlite:///{FOLDER / 'demo.db'}")
    console.print("\nThe account of those who began in January 1997, and everybody by recent activity:\n")
    account = f"{HOST}/v1/spaces/demo/collections/accounts/profiles/group_id:joined-1997-01"
    console.print(f"  curl -s -u tok_demo_read_only: '{account}/traits'")
    console.print(f"  curl -s -u tok_demo_read_only: '{base}?limit=5'")
    console.print("\nSend something yourself, and read it at once:\n")
    body = '{"userId":"1901","traits":{"favourite":"jazz"}}'
    console.print(f"  curl -s -u wk_demo_shop: {HOST}/v1/identify -d '{body}'")
    console.print(
        f"  curl -s -u tok_demo_read_only: '{base}/user_id:{CUSTOMER}/traits?include=favourite&verbose=true'"
    )
    console.print("\nServing until Ctrl-C.")


if __name__ == "__main__":
    sys.exit(main())
