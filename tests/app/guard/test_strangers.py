"""Who may come to the stream and who has to go, in virtual time, with a good viewer watching throughout."""

import asyncio
import json
import logging

import pytest
from pydantic import SecretStr
from test_streaming import SECOND, Viewer, new_streaming
from virtual_time import run

TOKEN = SecretStr("correct horse battery staple")
AUTHENTICATE = json.dumps({"type": "authenticate", "token": TOKEN.get_secret_value()})
WRONG = json.dumps({"type": "authenticate", "token": "incorrect horse battery staple"})


def farewell(viewer):
    """The last words, and the code of the close."""
    last = viewer.messages[-1]
    assert (last["type"], last["recoverable"]) == ("error", False)
    return last["code"], viewer.close_code


def scope(*, origin=None, host="here", client=None, query=b""):
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    return {"headers": headers, "scheme": "ws", "client": client, "query_string": query, "path": "/ws"}


def undisturbed(good, seconds):
    """Whether a viewer of so many seconds had each result, on time, and nothing but results."""
    assert {message["type"] for message in good.messages[1:]} == {"result"}
    assert [round(result["at"] - 0.5 * n, 3) for n, result in enumerate(good.results, 1)] == [0.0] * (2 * seconds)
    assert good.results[-1]["dropped"]["results"] == good.results[-1]["dropped"]["audio"] == 0
    states = [result["fused"]["state"] for result in good.results]
    return states == ["face_only"] + ["ok"] * (2 * seconds - 1) or states[2:] == ["ok"] * (2 * seconds - 2)


def beside_a_good_viewer(seconds, misbehave, **settings):
    """Run `misbehave(streaming)` in the middle of a good viewer's stream; return what it returns."""

    async def visit():
        streaming = new_streaming(**settings)
        good = Viewer(streaming)
        talking = asyncio.create_task(good.talk(seconds))
        await asyncio.sleep(1.1)
        outcome = await misbehave(streaming)
        await talking
        await asyncio.sleep(0.01)
        assert streaming.viewers == 1
        await good.leave()
        assert undisturbed(good, seconds)
        return outcome

    return run(visit())


# --- who may come ---


def test_a_page_of_another_origin_is_told_so_before_anything_is_made_for_it():
    async def misbehave(streaming):
        page = Viewer(streaming, **scope(origin="https://elsewhere.example"))
        page.send(AUTHENTICATE)
        await page.end()
        assert [message["type"] for message in page.messages] == ["error"]
        return farewell(page)

    assert beside_a_good_viewer(5, misbehave) == ("origin_refused", 1008)


def test_a_page_of_an_allowed_origin_is_served():
    async def visit():
        streaming = new_streaming(allowed_origins=("https://elsewhere.example",))
        page = Viewer(streaming, **scope(origin="https://elsewhere.example"))
        await page.talk(1)
        await page.leave()
        return page.of_type("ready")

    assert run(visit())


def test_who_shows_the_token_is_served():
    async def visit():
        viewer = Viewer(new_streaming(api_token=TOKEN))
        await asyncio.sleep(3)
        assert [message["type"] for message in viewer.messages] == ["challenge"]
        viewer.send(AUTHENTICATE)
        viewer.send(AUTHENTICATE)  # once more does no harm
        await viewer.talk(2)
        await viewer.leave()
        return viewer

    viewer = run(visit())
    assert viewer.messages[0]["timeout"] == 10.0
    assert viewer.messages[1]["type"] == "ready"
    assert viewer.results[0]["t"] == 0.5
    assert not viewer.of_type("error")


@pytest.mark.parametrize(
    "first", [WRONG, "nonsense", '{"type": "configure"}', b"\x01\x00\x00\x00\x00\x00\x00", "x" * 100_000, "{" * 5000]
)
def test_who_shows_anything_else_has_to_go(first):
    async def visit():
        streaming = new_streaming(api_token=TOKEN)
        viewer = Viewer(streaming)
        viewer.send(first)
        await viewer.end()
        assert streaming.viewers == 0
        assert [message["type"] for message in viewer.messages] == ["challenge", "error"]
        return viewer

    viewer = run(visit())
    assert farewell(viewer) == ("unauthorized", 1008)
    assert TOKEN.get_secret_value() not in json.dumps(viewer.messages)


def test_who_says_nothing_has_to_go_after_a_while():
    async def visit():
        viewer = Viewer(new_streaming(api_token=TOKEN, authentication_timeout=5))
        await viewer.end()
        return viewer

    viewer = run(visit())
    assert farewell(viewer) == ("unauthorized", 1008)
    assert viewer.messages[-1]["at"] == 5.0


def test_who_leaves_without_a_word_leaves_nothing_behind():
    async def visit():
        viewer = Viewer(new_streaming(api_token=TOKEN))
        await asyncio.sleep(1)
        await viewer.leave()

    run(visit())


def test_a_ticket_lets_one_viewer_in():
    async def visit():
        streaming = new_streaming(api_token=TOKEN)
        query = f"ticket={streaming.access.issue_ticket()}".encode()
        first = Viewer(streaming, **scope(query=query))
        await first.talk(1)
        second = Viewer(streaming, **scope(query=query))
        await second.end()
        await first.leave()
        return first, second

    first, second = run(visit())
    assert first.messages[0]["type"] == "ready"
    assert [message["type"] for message in second.messages] == ["error"]
    assert farewell(second) == ("unauthorized", 1008)


def test_of_many_who_come_at_once_with_one_ticket_one_is_let_in():
    async def visit():
        streaming = new_streaming(api_token=TOKEN)
        query = f"ticket={streaming.access.issue_ticket()}".encode()
        crowd = [Viewer(streaming, **scope(query=query)) for _ in range(20)]
        await asyncio.sleep(1)
        served = [viewer for viewer in crowd if viewer.of_type("ready")]
        refused = {farewell(viewer) for viewer in crowd if viewer not in served}
        assert (len(served), refused, streaming.viewers) == (1, {("unauthorized", 1008)}, 1)
        await served[0].leave()

    run(visit())


def test_a_ticket_is_good_for_its_time_however_often_the_house_was_full():
    async def visit():
        streaming = new_streaming(api_token=TOKEN, max_viewers=1)
        first, second = (f"ticket={streaming.access.issue_ticket()}".encode() for _ in range(2))
        inside = Viewer(streaming, **scope(query=first))
        await asyncio.sleep(1)
        words = []
        for _ in range(6):
            outside = Viewer(streaming, **scope(query=second))
            await outside.end()
            words.append(farewell(outside)[0])
            await asyncio.sleep(6)
        await inside.leave()
        return words

    assert run(visit()) == ["full"] * 5 + ["unauthorized"]


def test_those_who_say_nothing_take_no_place_and_are_not_without_number():
    async def visit():
        streaming = new_streaming(api_token=TOKEN, max_viewers=3)
        silent = [Viewer(streaming) for _ in range(4)]
        await asyncio.sleep(1)
        assert farewell(silent[0]) == ("full", 1013)  # the first of them, when the last came
        assert silent[0].messages[-1]["at"] == 0.0
        silent[1].send(AUTHENTICATE)
        await asyncio.sleep(1)
        assert silent[1].of_type("ready")
        await asyncio.gather(silent[1].leave(), *(viewer.end() for viewer in silent[2:]))
        assert {farewell(viewer) for viewer in silent[2:]} == {("unauthorized", 1008)}

    run(visit())


@pytest.mark.parametrize("network", ["192.0.2.{}", "2001:db8:0:{}::1"])
def test_few_addresses_do_not_keep_others_from_the_door(network):
    """Five come as often as they may, and say nothing; whoever has the token has all the time to show it."""

    async def knock(streaming, address):
        silent = []
        for port in range(200):
            silent.append(Viewer(streaming, **scope(client=(address, port))))
            await asyncio.sleep(0.05)
        await asyncio.gather(*(viewer.end() for viewer in silent))

    async def visit():
        streaming = new_streaming(api_token=TOKEN)
        crowd = [asyncio.create_task(knock(streaming, network.format(number))) for number in range(5)]
        await asyncio.sleep(5)
        for _ in range(10):
            good = Viewer(streaming, **scope(client=("198.51.100.1", 1)))
            await asyncio.sleep(1)
            assert [message["type"] for message in good.messages] == ["challenge"]
            good.send(AUTHENTICATE)
            await asyncio.sleep(0.1)
            assert good.messages[1]["type"] == "ready"
            await good.leave()
        await asyncio.gather(*crowd)

    run(visit())


# --- who has to go ---


def test_one_address_has_so_many_viewers():
    async def misbehave(streaming):
        crowd = [Viewer(streaming, **scope(client=("192.0.2.1", port))) for port in range(5)]
        neighbour = Viewer(streaming, **scope(client=("192.0.2.2", 1)))
        await asyncio.sleep(1)
        served = [viewer for viewer in crowd if viewer.of_type("ready")]
        refused = [farewell(viewer) for viewer in crowd if viewer not in served]
        assert neighbour.of_type("ready")
        await asyncio.gather(served[0].leave(), neighbour.leave())
        again = Viewer(streaming, **scope(client=("192.0.2.1", 9)))
        await asyncio.sleep(1)
        assert again.of_type("ready")
        await asyncio.gather(again.leave(), *(viewer.leave() for viewer in served[1:]))
        return refused

    refused = beside_a_good_viewer(8, misbehave, max_viewers_per_address=2)
    assert refused == [("address_full", 1013)] * 3


FLOODS = [
    ("nonsense", "invalid_json"),
    ('{"type": "configure"}', "too_fast"),
    (b"\x01" + bytes(4) + SECOND.tobytes(), "too_fast"),
    (b"\x02" + bytes(4) + b"\xff\xd8" + bytes(60_000), "too_fast"),
]


@pytest.mark.parametrize(("message", "code"), FLOODS)
def test_a_flood_is_refused_message_by_message_then_ended_and_its_place_is_free(message, code):
    async def misbehave(streaming):
        flooder = Viewer(streaming)
        for _ in range(3000):
            flooder.send(message)
        await flooder.end()
        return flooder

    flooder = beside_a_good_viewer(8, misbehave)
    assert farewell(flooder) == ("abuse", 1008)
    errors = flooder.of_type("error")[:-1]
    assert {(error["code"], error["recoverable"]) for error in errors} == {(code, True)}
    assert len(errors) == 100
    assert flooder.messages[-1]["at"] < 1.2  # all of it at one moment


def test_a_flood_that_reads_nothing_blocks_itself_until_it_is_idle_and_its_place_is_free():
    async def misbehave(streaming):
        flooder = Viewer(streaming)
        await asyncio.sleep(0.1)
        flooder.reads.clear()
        for _ in range(10_000):
            flooder.send("nonsense")
        await asyncio.sleep(5)
        assert streaming.viewers == 1
        flooder.reads.set()
        await flooder.end()
        return flooder

    assert farewell(beside_a_good_viewer(10, misbehave, idle_timeout=3)) == ("idle", 1008)


def test_a_fault_now_and_then_is_forgiven_for_ever():
    async def visit():
        viewer = Viewer(new_streaming(idle_timeout=0))
        for _ in range(600):
            viewer.send("nonsense")
            await asyncio.sleep(1)
        await viewer.leave()
        return viewer

    viewer = run(visit())
    assert len(viewer.of_type("error")) == 600
    assert viewer.close_code is None


def test_who_sends_nothing_for_long_has_to_go():
    async def misbehave(streaming):
        idle = Viewer(streaming)
        await idle.talk(2)
        for _ in range(12):
            idle.send('{"type": "configure"}')
            await asyncio.sleep(1)
        await idle.end()
        return idle

    idle = beside_a_good_viewer(20, misbehave, idle_timeout=10)
    assert farewell(idle) == ("idle", 1008)
    assert 11 <= idle.messages[-1]["at"] - 1.1 <= 12.5


def test_a_session_ends_when_its_time_is_over():
    async def visit():
        viewer = Viewer(new_streaming(session_length=30))
        await viewer.talk(31)
        await viewer.end()
        return viewer

    viewer = run(visit())
    assert farewell(viewer) == ("session_over", 1008)
    assert viewer.messages[-1]["at"] == 30.0


def test_nothing_of_strangers_is_logged(caplog):
    async def visit():
        streaming = new_streaming(api_token=TOKEN)
        with caplog.at_level(logging.DEBUG, "app"):
            for query in (b"", b"ticket=made-up"):
                stranger = Viewer(streaming, **scope(client=("192.0.2.1", 4711), query=query))
                stranger.send(WRONG)
                await stranger.end()

    run(visit())
    for secret in ("192.0.2.1", "made-up", "horse"):
        assert secret not in caplog.text
