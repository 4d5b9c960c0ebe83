"""Works in steps, each a span, and notes what it did in a file that outlives it; then ends as the request asks for."""

import os
import sys
import time

from flask import request
from opentelemetry import trace

tracer = trace.get_tracer("kill-pack")


def main():
    truth, way = request.args["truth"], request.args["way"]
    file = os.open(truth, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(line):
        os.write(file, f"{line}\n".encode())

    say(f"pid {os.getpid()}")
    until = time.monotonic() + int(request.args["ms"]) / 1000
    i = 0
    while i < int(request.args["steps"]) or time.monotonic() < until:
        span = tracer.start_span(f"step {i}", attributes={"step.number": i})
        say(f"started step {i}")
        time.sleep(0.001)
        span.end()
        say(f"ended step {i}")
        i += 1
    if way == "SIGTERM":
        return "in peace"
    tracer.start_span("last")
    say("started last")
    if way == "exit":
        sys.exit(3)
    if way == "exit at once":
        os._exit(3)
    if way == "exception":
        raise RuntimeError("nobody catches this")
    while way == "timeout":
        pass
    time.sleep(60)
