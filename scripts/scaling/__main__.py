"""What a viewer costs, and what so many viewers need.

python -m scripts.scaling table --part server:23 [--price 0.04] ...       the needs, from what was measured
python -m scripts.scaling cpu --port 8000 --of "ray::ProxyActor" ...      what a running server needs for each viewer
python -m scripts.scaling line --url http://localhost:8000/               what the page sends and gets

`cpu` and `line` ask a server that runs already (with ADMISSION_LOAD=0, so that it lets viewers in however busy it is);
`cpu` reads /proc: Linux only. Both need requirements-dev.txt.
"""

import argparse
import sys

from scripts.scaling import plan

VIEWERS = (1, 100, 1_000, 10_000, 100_000, 1_000_000)


def main() -> None:
    """Parse the command line, measure or calculate, print."""
    options = _parser().parse_args()
    if options.command == "table":
        given = plan.Assumptions(options.part, options.load, options.up, options.down, options.price, options.gb_price)
        print(plan.table(plan.need(viewers, given) for viewers in options.viewers))
    elif options.command == "cpu":
        if not sys.platform.startswith("linux"):
            sys.exit("this reads /proc: it runs on Linux only")
        from scripts.scaling.cpu import NoProcessError, measure

        try:
            print(measure(options.port, options.of, options.viewers, options.seconds))
        except (NoProcessError, OSError) as fault:
            sys.exit(f"nothing to measure on port {options.port}: {fault}")
    else:
        from scripts.scaling.line import measure as listen

        print(listen(options.url, options.seconds))


def _part(text: str) -> plan.Part:
    name, *figures = text.split(":")
    try:
        return plan.Part(name, *map(float, figures))
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError("NAME:CPU_MS[:CORES[:MB]]") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table", help="what so many viewers need")
    table.add_argument("--part", type=_part, action="append", required=True, metavar="NAME:CPU_MS[:CORES[:MB]]",
                       help="a kind of process: ms for each viewer and second, cores that one fills, MB")  # fmt: skip
    table.add_argument("--viewers", type=int, nargs="+", default=VIEWERS, metavar="N", help="at the same time")
    table.add_argument("--load", type=float, default=0.6, help="share of a processor's time to plan for")
    table.add_argument("--up", type=float, default=0.0, metavar="KBIT", help="kbit/s that a viewer sends")
    table.add_argument("--down", type=float, default=0.0, metavar="KBIT", help="kbit/s that a viewer gets")
    table.add_argument("--price", type=float, default=0.04, help="$ for a vCPU and hour")
    table.add_argument("--gb-price", type=float, default=0.05, help="$ for a GB that goes out")
    cpu = commands.add_parser("cpu", help="processor time for each viewer of a running server")
    cpu.add_argument("--port", type=int, default=8000, help="of the server, on this machine")
    cpu.add_argument("--of", nargs="+", required=True, metavar="REGEX", help="of the processes' command lines")
    cpu.add_argument("--viewers", type=int, default=4, metavar="N", help="how many come")
    cpu.add_argument("--seconds", type=float, default=20, help="that are measured, with nobody and with all")
    line = commands.add_parser("line", help="bytes that the page sends and gets, in a real browser")
    line.add_argument("--url", default="http://localhost:8000/", help="the page of a running server")
    line.add_argument("--seconds", type=float, default=20, help="that are measured")
    return parser


if __name__ == "__main__":
    main()
