"""Many clients load, replace, drop and ask for one id at once, on every wire: what they see is what one after the other would have seen."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from faults.clients import Talker
from faults.history import Operation, explain
from faults.versions import NAME, config, task, versioned

PAUSES_S = {"drop": 1.5, "unload": 1.5}
"""How long a client waits at most before it does this: a drop that always comes at once lets no load come to its end."""


@pytest.fixture
def server(spawn, tmp_path):
    """A server that may load versions of one skill, and what the tasks for them are."""
    made = versioned(spawn, tmp_path)
    yield made
    assert made.get("/v2/health/live").status == 200
    assert Web(made).reload(7) == "ok"
    assert made.predict(NAME, {"wait": [0]}).json["result"] == {"version": [7]}
    made.signal()
    assert made.wait() == 0
    assert made.complaints() == []
    assert "unknown reason" not in made.log.read_text()


class Web:
    """A client of 0Mind's own dialect and of the protocol's."""

    def __init__(self, server):
        self.answers = {200: "ok", 404: "missing"}
        self.instead = {}
        self.server = server

    def load(self, version):
        answer = self.server.load(task(version))
        if answer.status == 409:
            return {103: "conflict", 6: "cancelled"}[answer.error["code"]]
        return self.answers[answer.status]

    def reload(self, version):
        answer = self.server.post(f"/v2/repository/models/{NAME}/load", {"parameters": {"config": json.dumps(config(version))}})
        if answer.status == 400:
            assert "was dropped" in answer.json["error"], answer
            return "cancelled"
        return self.answers[answer.status]

    def drop(self):
        return self.answers[self.server.post(f"/model/drop?id={NAME}").status]

    def unload(self):
        return self.answers[self.server.post(f"/v2/repository/models/{NAME}/unload").status]

    def ready(self):
        return {200: "ok", 400: "missing"}[self.server.get(f"/v2/models/{NAME}/ready").status]

    def predict(self):
        answer = self.server.predict(NAME, {"wait": [0]})
        return answer.json["result"]["version"][0] if answer.status == 200 else self.answers[answer.status]

    def close(self):
        """Nothing is kept."""


class Rpc:
    """A client of gRPC, which knows no other ways to load and to drop."""

    def __init__(self, server):
        self.instead = {"load": "reload", "drop": "unload"}
        self.client = triton.InferenceServerClient(server.address)
        self.wait = triton.InferInput("wait", [1], "FP32").set_data_from_numpy(np.zeros(1, np.float32))

    def reload(self, version):
        return self._told(lambda: self.client.load_model(NAME, config=json.dumps(config(version))))

    def unload(self):
        return self._told(lambda: self.client.unload_model(NAME))

    def ready(self):
        return "ok" if self.client.is_model_ready(NAME) else "missing"

    def predict(self):
        return self._told(lambda: int(self.client.infer(NAME, [self.wait]).as_numpy("version")[0]))

    def _told(self, call):
        try:
            result = call()
        except InferenceServerException as error:
            return {"StatusCode.NOT_FOUND": "missing", "StatusCode.ABORTED": "cancelled"}[error.status()]
        return "ok" if result is None else result

    def close(self):
        self.client.close()


def race(server, clients, count, seed):
    """What so many clients did, and were told, in so many operations each. Whatever is not documented fails."""
    versions = itertools.count(1)
    done, faults = [], []

    def live(number):
        dice = random.Random(f"{seed} {number}")  # noqa: S311 - no secret
        client = (Rpc if number % 4 == 3 else Web)(server)
        wanted = dice.choices(["predict", "ready", "load", "reload", "drop", "unload"], [60, 6, 12, 10, 6, 6], k=count)
        try:
            for want in wanted:
                kind = client.instead.get(want, want)
                time.sleep(dice.random() * PAUSES_S.get(kind, 0.03))
                made = Operation(number, kind, time.monotonic(), version=next(versions) if kind in ("load", "reload") else None)
                made.result = getattr(client, kind)(*([made.version] if made.version else []))
                made.end = time.monotonic()
                done.append(made)
        except BaseException as error:
            faults.append((number, repr(error)))
        finally:
            client.close()

    threads = [threading.Thread(target=live, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    return done


@pytest.mark.proves("G8", "F10")
def test_g8_what_racing_clients_see_of_one_id_has_an_order(server, size):
    server.load(task(0))
    server.drop(NAME)  # from now on its name is known
    clients, count = size((8, 64), (32, 1024))
    operations = race(server, clients, count, seed=6)
    kinds = {(operation.kind, operation.result if isinstance(operation.result, str) else "version") for operation in operations}
    assert {("load", "ok"), ("reload", "ok"), ("drop", "ok"), ("unload", "ok"), ("predict", "version"), ("predict", "missing")} <= kinds
    assert explain(operations) is None


def histories():
    """What nobody may see."""
    load = Operation(0, "load", 0, 1, "ok", 1)
    yield "a version before its load", [Operation(1, "predict", 0, 0.5, 1), Operation(0, "load", 1, 2, "ok", 1)]
    yield "a miss after a load", [load, Operation(1, "predict", 2, 3, "missing")]
    yield "the old one after the new", [load, Operation(1, "reload", 2, 3, "ok", 2), Operation(0, "predict", 4, 5, 1)]
    yield "an answer after a drop", [load, Operation(1, "drop", 2, 3, "ok"), Operation(0, "predict", 4, 5, 1)]
    yield "two loads that both won", [load, Operation(1, "load", 0, 1, "ok", 2)]
    yield "a conflict with nothing", [Operation(0, "load", 0, 1, "conflict", 1)]
    yield "a load that was given up for nobody", [Operation(0, "load", 0, 1, "cancelled", 1)]
    yield (
        "there and back",
        [
            load,
            Operation(1, "reload", 2, 9, "ok", 2),
            Operation(0, "predict", 3, 4, 2),
            Operation(0, "predict", 5, 6, 1),
        ],
    )


@pytest.mark.parametrize(("name", "operations"), list(histories()))
def test_the_search_finds_what_cannot_be(name, operations):
    assert explain(operations) is not None


def test_the_search_finds_an_order_where_there_is_one():
    operations = [
        Operation(0, "load", 0, 5, "ok", 1),
        Operation(1, "load", 1, 2, "conflict", 2),
        Operation(2, "predict", 1, 8, 1),
        Operation(1, "reload", 6, 9, "ok", 3),
        Operation(0, "drop", 10, 12, "ok"),
        Operation(2, "predict", 9, 11, "missing"),
        Operation(3, "load", 9.5, 10.5, "conflict", 4),
        Operation(3, "load", 11, 13, "cancelled", 5),
        Operation(2, "drop", 12, 13, "ok"),
    ]
    assert explain(operations) is None


@pytest.mark.proves("F10")
def test_f10_of_racing_loads_exactly_one_wins_and_the_others_are_told(server):
    results = []
    threads = [threading.Thread(target=lambda v=v: results.append((server.load(task(v)), v))) for v in range(1, 9)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 30
    ((_, winner),) = [one for one in results if one[0].status == 200]
    assert {(answer.status, answer.error["code"]) for answer, version in results if version != winner} == {(409, 103)}
    assert server.predict(NAME, {"wait": [0]}).json["result"] == {"version": [winner]}


@pytest.mark.proves("F9")
@pytest.mark.parametrize("way", ["drop", "unload"])
def test_f9_a_drop_lets_what_runs_finish_and_turns_new_requests_away_at_once(server, way):
    server.load(task(1))

    async def main():
        talkers = [Talker(server.address) for _ in range(3)]
        running = asyncio.create_task(talkers[0].ask(f"/model/predict?id={NAME}", {"wait": [1.5]}))
        await asyncio.sleep(0.4)
        route = f"/model/drop?id={NAME}" if way == "drop" else f"/v2/repository/models/{NAME}/unload"
        dropping = asyncio.create_task(talkers[1].ask(route, {}))
        await asyncio.sleep(0.2)
        status, _, seconds = await talkers[2].ask(f"/model/predict?id={NAME}", {"wait": [0]})
        assert (status, running.done()) == (404, False)
        assert seconds < 0.5
        assert (await running)[:2] == (200, (await running)[1])
        assert (await running)[1]["result"] == {"version": [1]}
        status, _, seconds = await dropping
        assert status == 200
        assert seconds < (5 if way == "drop" else 0.5)
        for talker in talkers:
            talker.close()

    asyncio.run(main())
