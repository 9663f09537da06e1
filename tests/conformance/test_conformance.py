"""The stream serves clients that this project did not write; `python -m tests.conformance` prints a table of it."""

from collections.abc import Iterator

import pytest

from tests.conformance.trial import CLIENT_LIST, KINDS, Case, Client, Kind, Outcome, cases, run_all, stage
from tests.deploy.proxying import missing as missing_proxy

pytestmark = pytest.mark.e2e

HERE = tuple(client for client in CLIENT_LIST if client.version() is not None)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, Outcome]]:
    """Of all cases, tried some at once."""
    possible = [case for case in cases(HERE) if not case.through_nginx or missing_proxy() is None]
    with stage(tmp_path_factory.mktemp("clients")) as run:
        yield run_all(run, possible)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.command)
@pytest.mark.parametrize("client", CLIENT_LIST, ids=lambda client: client.name)
def test_a_client_gets_results_about_what_it_sends(client: Client, kind: Kind, request: pytest.FixtureRequest) -> None:
    if client not in HERE:
        pytest.skip(f"{client.name} is not installed here")
    outcomes: dict[Case, Outcome] = request.getfixturevalue("outcomes")
    own = {case: outcome for case, outcome in outcomes.items() if (case.client, case.kind) == (client, kind)}
    assert len(own) >= len(client.offers)
    assert {str(case): found for case, outcome in own.items() if (found := outcome.faults(case))} == {}


@pytest.mark.skipif(missing_proxy() is not None, reason=str(missing_proxy()))
def test_most_clients_go_through_nginx_too(outcomes: dict[Case, Outcome]) -> None:
    for kind in KINDS:
        assert sum(case.through_nginx for case in outcomes if case.kind is kind) >= 4


def test_a_client_that_is_told_otherwise_is_found() -> None:
    case, unwilling = (Case(CLIENT_LIST[0], kind, through_nginx=False, deflate=True) for kind in KINDS)
    ready, result = (
        {"type": "ready"},
        {"type": "result", "fused": {"state": "ok", "probs": {"happy": 1.0}}, "used": {"audio": 3}},
    )
    good = {"messages": [ready, result], "closed": {"code": 1000, "extensions": "permessage-deflate"}}
    assert Outcome(**good).faults(case) == []
    for bad in (
        {"messages": [ready]},
        {"messages": [result]},
        {"messages": [ready, {"type": "error"}, result]},
        {"messages": [ready, {**result, "fused": {"state": "ok", "probs": {"happy": 0.5}}}]},
        {"closed": {"code": 1006, "extensions": "permessage-deflate"}},
        {"closed": {"code": 1000, "extensions": ""}},
        {"status": 1},
    ):
        assert len(Outcome(**{**good, **bad}).faults(case)) == 1, bad
    assert len(Outcome(**good).faults(unwilling)) == 1
    assert Outcome(**{**good, "closed": {"code": 1000, "extensions": ""}}).faults(unwilling) == []
