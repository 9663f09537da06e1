"""Write the page as a folder that any static host serves: the models run in the visitor's browser, there is no server.

python -m scripts.export_site DIR

Needs `npm ci --omit=dev`. The settings of the environment and of `.env` hold, as far as they concern one viewer.
"""

import argparse
import json
import shutil
from pathlib import Path

from app import settings
from app.device import STATIC, DeviceError, DeviceSite
from app.settings import ROOT, Settings


def export_site(folder: Path, chosen: Settings) -> int:
    """Write the site into a folder that is empty or not there yet.

    Returns:
        How many bytes a browser fetches of it for the models at most.

    Raises:
        FileExistsError: There is something in the folder.
        DeviceError: Something that the models need is missing.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    site = DeviceSite(chosen, alone=True)
    manifest = json.dumps(site.manifest(), indent=1).encode()
    contents = {f"device/{file.url}": file.content for file in site.files()}
    contents |= {path or "index.html": content for path, content in site.page().items()}
    for path, content in {**contents, "device/manifest.json": manifest}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    shutil.copyfile(STATIC / "sw.js", folder / "sw.js")
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    return max(
        sum(len(file.content) for file in site.files() if file.runtime in (None, runtime))
        for runtime in ("gpu", "wasm")
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to; empty, or not there yet")
    folder: Path = parser.parse_args().folder
    try:
        size = export_site(folder, settings.load())
    except (DeviceError, OSError) as fault:
        raise SystemExit(f"Nothing exported: {fault}") from None
    print(f"{folder}: a browser fetches {size / 1e6:.1f} MB for the models, once. Try it:")
    print(f"python -m http.server --directory {folder} 8080")


if __name__ == "__main__":
    main()
