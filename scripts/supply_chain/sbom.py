"""Print a bill of materials: all that a lock file and the page's one pin, as CycloneDX 1.6 in JSON.

python -m scripts.supply_chain.sbom [requirements-serve.lock] > sbom.json

Made of files in the repository alone: the locks, and docs/licences.md. The same files give the same bill.
"""

import argparse
import base64
import json
import tomllib
from typing import Any
from urllib.parse import quote

from app.settings import ROOT
from scripts.supply_chain import LOCKS, Npm, hashes, pins, served
from scripts.supply_chain.licences import listed


def bill(lock: str) -> dict[str, Any]:
    """Return the bill for one of `LOCKS`; who needs whom is not in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    licences, files = listed(), hashes(lock)
    components = [
        *(_of_pypi(name, version, licences[name], files[name]) for name, version in sorted(pins(lock).items())),
        *map(_of_npm, served()),
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "bom-ref": project["name"],
                "type": "application",
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
    }


def _of_pypi(name: str, version: str, licence: str, sha256: list[str]) -> dict[str, Any]:
    # The hashes are of files of which one gets installed, and none is the package's own.
    files = {
        "type": "distribution",
        "url": f"https://pypi.org/simple/{name}/",
        "hashes": [{"alg": "SHA-256", "content": each} for each in sha256],
    }
    # What packages write is a name as often as an SPDX expression.
    said = {"license": {"name": licence}}
    return _component(f"pkg:pypi/{name}@{quote(version)}", name, version, said) | {"externalReferences": [files]}


def _of_npm(package: Npm) -> dict[str, Any]:
    purl = f"pkg:npm/{quote(package.name)}@{quote(package.version)}"
    content = base64.b64decode(package.integrity).hex()
    return _component(purl, package.name, package.version, {"expression": package.licence}) | {
        "hashes": [{"alg": "SHA-512", "content": content}]
    }


def _component(purl: str, name: str, version: str, licence: dict[str, Any]) -> dict[str, Any]:
    return {
        "bom-ref": purl,
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [licence],
    }


def main() -> None:
    """Parse the command line, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", nargs="?", default=LOCKS[0], choices=LOCKS)
    print(json.dumps(bill(parser.parse_args().lock), indent=1))


if __name__ == "__main__":
    main()
