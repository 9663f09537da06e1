import math
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.scaling.__main__ import _part, main
from scripts.scaling.plan import Assumptions, Part, need, table

SERVER = Part("server", cpu_ms=20.0, cores=2.0, memory_mb=300.0)


def assumptions(*parts: Part, **changed: float) -> Assumptions:
    return Assumptions(
        parts, **{"load": 0.5, "up_kbit": 500, "down_kbit": 16, "vcpu_hour": 0.04, "gb_out": 0.05, **changed}
    )


def test_the_needs_of_a_thousand_viewers_by_hand():
    found = need(1000, assumptions(SERVER))
    assert found.cores == pytest.approx(40)  # 1000 viewers, 20 ms a second each, half of a processor planned for
    assert found.replicas == {"server": 20}
    assert found.memory_gb == pytest.approx(6.0)
    assert (found.up_gbit, found.down_gbit) == pytest.approx((0.5, 0.016))
    assert found.hour == pytest.approx(40 * 0.04 + 0.016 / 8 * 3600 * 0.05)


@given(st.integers(1, 10**7), st.floats(0.1, 1000), st.floats(0.5, 64), st.floats(0.1, 1.0))
def test_replicas_always_hold_the_load_and_none_is_too_many(viewers, cpu_ms, cores, load):
    part = Part("model", cpu_ms, cores)
    found = need(viewers, assumptions(part, load=load))
    count = found.replicas["model"]
    assert count * cores >= found.cores * (1 - 1e-9)
    assert count == 1 or (count - 1) * cores < found.cores * (1 + 1e-9)
    assert found.hour >= math.ceil(found.cores - 1e-9) * 0.04


def test_parts_scale_apart():
    found = need(1000, assumptions(Part("ingress", 10.0), Part("face", 30.0)))
    assert found.replicas == {"ingress": 20, "face": 60}


def test_the_table_has_a_column_for_each_part_and_a_row_for_each_number():
    lines = table(need(viewers, assumptions(SERVER, Part("face", 5.0))) for viewers in (1, 1_000_000)).splitlines()
    assert len(lines) == 4
    assert lines[0].split(" | ")[2:4] == ["server", "face"]
    assert lines[-1].startswith("| 1,000,000 | 50,000 | 20,000 | 10,000 |")
    assert len({line.count("|") for line in lines}) == 1


def test_a_part_is_written_with_colons():
    assert _part("face:5:2:300") == Part("face", 5.0, 2.0, 300.0)
    assert _part("face:5") == Part("face", 5.0)
    with pytest.raises(Exception, match="NAME:CPU_MS"):
        _part("face")
    with pytest.raises(Exception, match="NAME:CPU_MS"):
        _part("face:much")


def test_what_cannot_be_measured_is_told_in_a_line(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = ["scaling", "cpu", "--port", str(port), "--of", "no process of this name"]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit, match="no process has a command line that matches no process of this name"):
            main()
    with pytest.raises(SystemExit, match=f"nothing to measure on port {port}: .*refused"):
        main()
