"""Is this node alive, is it ready, what has it counted?"""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mien import clock
from mien.errors import MienError
from mien.services.pulse import Watch
from mien.web.metrics import Metrics
from mien.web.queue import IngestQueue
from mien.web.reader import Reader
from mien.web.routing import READ, Endpoint, Handler, MethodNotAllowed, Route


def health_routes(reader: Reader, queue: IngestQueue, metrics: Metrics) -> list[Route]:
    """Return `/livez`, `/readyz` and `/metrics`."""
    watch = Watch()

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        wrong = {}
        try:
            await reader.ask(lambda store: store.revision())
        except MienError as error:
            wrong["store"] = str(error)
        if not queue.ready:
            wrong["writer"] = "The writer is not running; it is being begun anew."
        return JSONResponse({"ready": not wrong, **wrong}, status_code=503 if wrong else 200)

    async def read_metrics(_: Request) -> Response:
        try:
            metrics.show(await reader.ask(lambda store: watch.look(store, now=clock.now())))
        except MienError:
            metrics.show(None)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    def route(path: str, handler: Handler) -> Route:
        return Route(path, Endpoint(handler, _explain, READ))

    return [route("/livez", livez), route("/readyz", readyz), route("/metrics", read_metrics)]


def _explain(error: MienError) -> Response:
    status = 405 if isinstance(error, MethodNotAllowed) else 500
    return PlainTextResponse(f"{error}\n", status)
