"""Tracing of this process: a tracer provider for opentelemetry-api whose spans go to a journal. There is nothing to flush."""

import os

from opentelemetry import trace

from .clock import monotonic_ms
from .global_propagator import set_global_textmap
from .journal_file import JournalFile
from .journal_writer import JournalWriter
from .propagation import create_propagator
from .tracer import JournalSpan, JournalTracer, home_of


class Tracing(trace.TracerProvider):
    """`journal` is the path of the file to create; None: nothing is recorded, contexts are still handed on."""

    def __init__(self, journal, env):
        self.propagator = create_propagator(env.propagators)
        self.failure = None
        """Why it is off although a journal was asked for: a sentence. Nothing is raised, as it must not stop a function."""
        self._sampler = env.sampler
        self._limits = env.limits
        self._writer = None
        self._tracers = {}
        if journal is None:
            return
        try:
            file = JournalFile(journal)
        except OSError as error:
            self.failure = f"cannot trace into journal [{journal}]: {error.strerror or error}"
            return
        self._writer = JournalWriter(file, env.limits.attribute_value_length)
        self._writer.set_resource({})
        os.register_at_fork(after_in_child=self._writer.abandon)

    def get_tracer(
        self,
        instrumenting_module_name,
        instrumenting_library_version=None,
        schema_url=None,
        attributes=None,
    ):
        key = (instrumenting_module_name or "", instrumenting_library_version or "")
        tracer = self._tracers.get(key)
        if tracer is None:
            tracer = self._tracers[key] = JournalTracer(self._writer, self._limits, self._sampler, *key)
        return tracer

    def register_globals(self):
        """Makes it what opentelemetry-api's globals lead to."""
        trace.set_tracer_provider(self)
        set_global_textmap(self.propagator)

    def set_resource(self, attributes):
        if self._writer:
            self._writer.set_resource(attributes)

    def log(self, body, severity, source, attributes, context=None):
        """A log record of the span in `context`, by default the active one."""
        if not self._writer:
            return
        active = trace.get_current_span(context)
        if type(active) is not JournalSpan and active.is_recording():
            active = home_of(context) or active
        span = active.get_span_context()
        known = span.is_valid
        self._writer.log(
            span.trace_id.to_bytes(16, "big") if known else None,
            span.span_id.to_bytes(8, "big") if known else None,
            monotonic_ms(),
            severity,
            source,
            body,
            attributes,
        )

    def goodbye(self, attributes):
        if self._writer:
            self._writer.goodbye(attributes)
