"""The program: `python start.py [--port N] [--codepath PATH]`."""

import os
import sys

# A function's module is often called `main`, `server` or `settings`: only this one package of ours stands in its way, and
# only while it is imported.
_HERE = os.path.dirname(os.path.abspath(__file__))
if not sys.path or os.path.abspath(sys.path[0]) != _HERE:
    sys.path.insert(0, _HERE)
from spoor_environment.leave import leave  # noqa: E402
from spoor_environment.main import main  # noqa: E402

sys.path.remove(sys.path[0])

if __name__ == "__main__":
    leave(main(os.environ, sys.argv[1:]))
