"""The handler of the toolchain tests, for componentize-py.

Built with the whole of wit/extension, as existing extensions are: it imports
every interface, and tells what the ones without a grant answer.
"""

import json
import os
import random
import time
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

import wit_world
from componentize_py_types import Err
from wit_world.imports import (
    clients,
    context,
    http,
    invoicing,
    logging,
    scheduler,
    secrets,
    services,
    storage,
    types,
    ui_proxy,
    user,
    user_v2,
)


class WitWorld(wit_world.WitWorld):
    def handler(self, request: types.ExecuteRequest) -> types.ExecuteResponse:
        url = urlsplit(request.http.url)
        endpoint = ENDPOINTS.get(f"{request.http.method} {url.path}")
        if endpoint is None:
            return types.ExecuteResponse(404, [], None)
        answer = json.dumps(endpoint(url.query, request.http.body or b""))
        kind = types.HttpHeader("content-type", "application/json")
        return types.ExecuteResponse(200, [kind], answer.encode())


def greeting(query: str, _body: bytes) -> dict[str, Any]:
    [name] = parse_qs(query).get("name", ["nobody"])
    logging.log_info(f"greets {name}")
    return {"greeting": f"Hello, {name}", "extension": context.get_context().extension_id}


def echo(_query: str, body: bytes) -> dict[str, Any]:
    return {"echo": json.loads(body)}


def refusals(_query: str, _body: bytes) -> dict[str, Any]:
    """What each host function says to an install that may not use it."""
    request = types.HttpRequest("GET", "https://example.com/", [], None)
    invoice = types.CreateManualInvoiceInput("c", [], None, None, None)
    every = types.ClientsListInput(None, None, None, None)
    return {
        "secrets": refusal(lambda: secrets.get("key")),
        "http": refusal(lambda: http.fetch(request)),
        "storage": refusal(lambda: storage.get("space", "key")),
        "ui-proxy": refusal(lambda: ui_proxy.call_route("/route", None)),
        "user": refusal(user.get_user),
        "user-v2": refusal(user_v2.get_user),
        "scheduler": refusal(scheduler.list_schedules),
        "invoicing": invoicing.create_manual_invoice(invoice).success,
        "clients": refusal(lambda: clients.list_clients(every)),
        "services": refusal(lambda: services.get_service("s")),
    }


def refusal(call: Callable[[], object]) -> str:
    try:
        call()
    except Err as error:
        return error.value.name.lower().replace("_", "-")
    return "nothing"


def surroundings(_query: str, _body: bytes) -> dict[str, Any]:
    """What Python takes from WASI, where it was built with it."""
    print("says something")
    started = time.monotonic()
    time.sleep(0.01)
    return {
        "random": random.SystemRandom().random(),
        "milliseconds": int(time.time() * 1000),
        "slept": time.monotonic() - started >= 0.01,
        "environment": dict(os.environ),
        "file": what_happens(lambda: open("/etc/passwd").read()),
    }


def what_happens(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "nothing"


ENDPOINTS: dict[str, Callable[[str, bytes], dict[str, Any]]] = {
    "GET /greeting": greeting,
    "POST /echo": echo,
    "GET /refusals": refusals,
    "GET /surroundings": surroundings,
}
