"""The `wasi:http` handler of the toolchain tests, for componentize-py."""

import json
import random
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import outgoing_handler
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingBody,
    IncomingRequest,
    Method_Get,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    OutgoingResponse,
    ResponseOutparam,
    Scheme_Https,
)

LARGEST_WRITE = 4096


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        status, value = answer(request)
        kind = ("content-type", b"application/json")
        response = OutgoingResponse(Fields.from_list([kind]))
        response.set_status_code(status)
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        text = json.dumps(value).encode()
        with body.write() as stream:
            for at in range(0, len(text), LARGEST_WRITE):
                stream.blocking_write_and_flush(text[at : at + LARGEST_WRITE])
        OutgoingBody.finish(body, None)


def answer(request: IncomingRequest) -> tuple[int, dict[str, Any]]:
    url = urlsplit(request.path_with_query() or "/")
    match (request.method(), url.path):
        case (Method_Get(), "/greeting"):
            return 200, {"greeting": f"Hello, {parse_qs(url.query)['name'][0]}"}
        case (Method_Post(), "/echo"):
            return 200, {"echo": json.loads(read(request.consume()))}
        case (Method_Get(), "/refusals"):
            return 200, {"http": refusal()}
        case (Method_Get(), "/surroundings"):
            return 200, surroundings()
    return 404, {}


def read(body: IncomingBody) -> bytes:
    read = bytearray()
    with body.stream() as stream:
        while True:
            try:
                read += stream.blocking_read(64 * 1024)
            except Err as end:
                if isinstance(end.value, StreamError_Closed):
                    return bytes(read)
                raise


def refusal() -> str:
    request = OutgoingRequest(Fields())
    request.set_scheme(Scheme_Https())
    request.set_authority("example.com")
    request.set_path_with_query("/")
    with outgoing_handler.handle(request, None) as future:
        with future.subscribe() as ready:
            ready.block()
        match future.get():
            case Ok(Err(code)):
                return f"refused: {type(code).__name__}"
            case unexpected:
                return str(unexpected)


def surroundings() -> dict[str, Any]:
    """What Python takes from WASI."""
    print("says something")
    started = time.monotonic()
    time.sleep(0.01)
    return {
        "random": random.SystemRandom().random(),
        "milliseconds": int(time.time() * 1000),
        "slept": time.monotonic() - started >= 0.01,
    }
