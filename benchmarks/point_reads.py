"""The reference for reads over PostgreSQL: one statement on a thread of a pool, behind the server Mien uses, too."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from psycopg_pool import ConnectionPool
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.reference import serve
from mien.core.message import Identifier, identifier_key

THREADS = 8
"""As many as Mien has by default; as many connections."""
_TRAITS = "SELECT traits FROM profiles WHERE profile_id = (SELECT profile_id FROM identifiers WHERE key = %s)"


def main(url: str, size: int, port: int) -> None:
    """Serve until terminated; of what was read the first bytes are the body."""
    threads = ThreadPoolExecutor(THREADS)
    pool = ConnectionPool(url, min_size=THREADS, max_size=THREADS, kwargs={"autocommit": True}, open=True)

    def read(key: bytes) -> bytes | None:
        with pool.connection() as connection:
            row = connection.execute(_TRAITS, (key,), binary=True).fetchone()
        return None if row is None else row[0]

    async def traits(request: Request) -> Response:
        kind, _, value = request.path_params["identifier"].partition(":")
        key = identifier_key("bench", Identifier("users", kind, value))
        document = await asyncio.get_running_loop().run_in_executor(threads, read, key)
        if document is None:
            return Response(status_code=404)
        return Response(document[:size], media_type="application/json")

    serve(traits, port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
