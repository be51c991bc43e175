"""Django's SQLite, for a file that may be moved, removed or put back under a running server.

A connection goes on writing to the file that it opened, wherever that is now. Tokens would be issued whose record is in
a file that nobody will ever read (law 4). And SQLite makes a new, empty database where it finds none; whoever has
opened that one would answer 503 for ever, and its log would be taken for that of the file that is put back.
"""

import os
from typing import Any
from urllib.parse import quote

from django.db.backends.sqlite3 import base

from authz.conf import conf

Identity = tuple[int, int] | None


class DatabaseWrapper(base.DatabaseWrapper):
    _opened: Identity = None

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        # `manage.py migrate` makes a database; a process that serves never does.
        if conf.run_directory is not None:
            parameters["database"] = f"file:{quote(str(self.settings_dict['NAME']))}?mode=rw"
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection(conn_params)
        self._opened = self._there()
        return made

    def close_if_unusable_or_obsolete(self) -> None:
        """Asked before each request."""
        if self.connection is not None and not self.in_atomic_block and self._opened != self._there():
            self.close()
        super().close_if_unusable_or_obsolete()

    def _there(self) -> Identity:
        """The file that stands where the database is."""
        try:
            found = os.stat(self.settings_dict["NAME"])  # noqa: PTH116  a third of the time
        except OSError:
            return None
        return found.st_dev, found.st_ino
