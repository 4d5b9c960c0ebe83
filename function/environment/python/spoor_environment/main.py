"""
The Python environment: a program that waits, generic and warm, to be specialized with one function.

    read settings → start tracing → listen → "listening" on the control pipe
    SIGTERM, SIGINT, control pipe closed → finish what is in flight → exit 0
"""

import os
import sys

from . import attributes as a
from .capture_output import Capture
from .control_pipe import ControlPipe
from .environment import Environment
from .http_server import HTTPServer
from .invocation import active_invocation
from .kafka_clients import trace_kafka_clients
from .outgoing_calls import trace_outgoing_calls
from .settings import BadSetting, hide_own_settings, read_settings
from .threads import carry_context_to_threads
from .tracing import Tracing
from .tracing_env import read_tracing_env

_WRONG_USAGE = 2


def main(env, args):
    """The exit code."""
    try:
        settings = read_settings(env, args)
        control = None if settings.control_fd is None else ControlPipe(settings.control_fd)
    except BadSetting as error:
        print(error, file=sys.stderr)
        return _WRONG_USAGE
    tracing_env = read_tracing_env(env)
    tracing = Tracing(settings.journal, tracing_env)
    # Tracing is a guest here: the function runs all the same.
    for warning in [*tracing_env.warnings, *([tracing.failure] if tracing.failure else [])]:
        print(warning, file=sys.stderr)
    hide_own_settings(env)
    tracing.register_globals()

    def say_goodbye(code):
        tracing.goodbye({a.SPOOR_END_EXIT_CODE: code})
        if environment.open and control:
            control.say({"event": "goodbye", "reason": "exit", "message": f"sys.exit({code})"})

    def on_exit(error):
        code = _code_of(error)
        say_goodbye(code)
        # Past the drain, whatever the code: this request itself is in flight.
        server.stop(_Exit(code))

    server = HTTPServer(
        lambda *args: environment(*args),
        upgrade=lambda *args: environment.upgrade(*args),
        on_failure=lambda *args: environment.answer_failure(*args),
    )
    environment = Environment(settings, tracing, on_exit, server.run_in_main_thread)
    environment.on_specialized = lambda: trace_outgoing_calls(tracing)
    log_output(tracing, settings.mark_output)
    carry_context_to_threads(active_invocation)
    trace_kafka_clients(tracing)
    os._exit = _speaking_exit(os._exit, say_goodbye)

    try:
        server.listen(settings.socket_path, settings.port)
    except OSError as error:
        where = settings.socket_path or settings.port
        print(f"cannot listen on [{where}]: {error.strerror}", file=sys.stderr)
        return 1
    environment.restore()
    if control:
        control.say({"event": "listening", "pid": os.getpid()})
    code = server.serve(control, on_stop=environment.close_websockets)
    if isinstance(code, _Exit):
        return code.code
    environment.forget()
    tracing.goodbye({a.SPOOR_END_EXIT_CODE: code})
    return code


def log_output(tracing, mark):
    """What the function prints becomes log records that carry the ids of the span and the invocation it was printed in."""

    def on_line(body, stream, severity, source):
        invocation = active_invocation()
        attributes = {a.LOG_IOSTREAM: stream}
        if invocation is not None:
            attributes[a.FAAS_INVOCATION_ID] = invocation.id
        tracing.log(body, severity, source, attributes)

    Capture(on_line, mark).install(is_invoked=lambda: active_invocation() is not None)


class _Exit:
    """An exit that the function asked for: nothing is waited for."""

    def __init__(self, code):
        self.code = code


def _code_of(error):
    """As Python has it for SystemExit: None is 0, a number is itself, everything else is printed and 1."""
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _speaking_exit(exit_now, say_goodbye):
    pid = os.getpid()

    def _exit(status):
        # Not for a forked child, whose end is not ours.
        if os.getpid() == pid:
            say_goodbye(status)
        exit_now(status)

    return _exit
