"""Files for browsers, from memory: what one costs is the same for who asks once and for who never stops asking."""

import stat
from functools import lru_cache
from pathlib import Path

from fastapi import HTTPException, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope


class Files(StaticFiles):
    """A folder's files. Their names have no hashes: a browser asks each time, and is told "not modified".

    Starlette looks for a file and reads it in threads, whose turns cost the streams several times what the work does.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file that has not changed since it was read, as it was read.

        Raises:
            HTTPException: There is no such file, or it cannot be read; or this is no way to ask for one.
        """
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        try:
            found, status = self.lookup_path(path)
            if status is None or not stat.S_ISREG(status.st_mode):
                raise HTTPException(404)
            response = self.file_response(found, status, scope)
            if isinstance(response, FileResponse):
                content = _content(found, status.st_mtime_ns, status.st_size)
                kept = {name: response.headers[name] for name in ("etag", "last-modified")}
                response = Response(content, media_type=response.media_type, headers=kept)
        except (OSError, ValueError):  # a name that no file can have
            raise HTTPException(404) from None
        response.headers["Cache-Control"] = "no-cache"
        return response


@lru_cache(maxsize=256)
def _content(path: str, _changed: int, _size: int) -> bytes:
    return Path(path).read_bytes()
