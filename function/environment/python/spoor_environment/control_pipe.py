"""The line to whoever started this process (docs/instance.md, "Control pipe")."""

import json
import os
import stat

from .settings import BadSetting


class ControlPipe:
    """Raises BadSetting when nothing of the kind is open at `fd`."""

    def __init__(self, fd):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            mode = 0
        if not stat.S_ISSOCK(mode) and not stat.S_ISFIFO(mode):
            raise BadSetting(f"cannot use SPOOR_CONTROL_FD [{fd}]: no pipe is open there")
        os.set_inheritable(fd, False)
        self.fd = fd

    def say(self, event):
        """Written at once: this may be the last thing the process does."""
        try:
            os.write(self.fd, json.dumps(event).encode() + b"\n")
        except OSError:
            pass  # Nobody there, or not reading: the journal and the exit code say it too.

    def is_closed(self):
        """To be asked when there is something to read."""
        try:
            return os.read(self.fd, 4096) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
