"""The function's own span: SERVER, below the caller's, with what the platform says of the invocation."""

import uuid
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from . import attributes as a
from .journal_writer import Common

# Of trigger, method and cold start, which the requests bring.
_MAX_COMMONS = 64


@dataclass(frozen=True)
class Identity:
    """What the platform knows of the function; from Fission's FunctionMetadata."""

    name: str
    version: str


class ServerSpans:
    def __init__(self, tracer, identity, instance_id):
        self._tracer = tracer
        self._identity = identity
        self._instance_id = instance_id
        self._commons = {}

    def start(self, environ, caller, first, more=None):
        """The span, and the ids of invocation and request. `caller` is the context to continue, `more` further attributes."""
        request_id = environ.get("HTTP_X_FISSION_REQUEST_ID", "")
        invocation_id = environ.get("HTTP_X_SPOOR_INVOCATION_ID") or request_id or str(uuid.uuid4())
        cold_start = environ.get("HTTP_X_SPOOR_COLDSTART")
        own = {a.FAAS_INVOCATION_ID: invocation_id, a.URL_PATH: environ["REQUEST_URI"].partition("?")[0]}
        if request_id:
            own[a.SPOOR_REQUEST_ID] = request_id
        if more:
            own.update(more)
        common = self._common(
            environ.get("HTTP_X_SPOOR_TRIGGER") or "http",
            environ["REQUEST_METHOD"],
            first if cold_start is None else cold_start == "true",
        )
        span = self._tracer.start_span(self._identity.name, caller, SpanKind.SERVER, own, common=common)
        return span, invocation_id, request_id or invocation_id

    def _common(self, trigger, method, is_cold):
        key = (trigger, method, is_cold)
        common = self._commons.get(key)
        if common is None:
            common = Common(
                {
                    a.FAAS_NAME: self._identity.name,
                    a.FAAS_VERSION: self._identity.version,
                    a.FAAS_INSTANCE: self._instance_id,
                    a.FAAS_TRIGGER: trigger,
                    a.FAAS_COLDSTART: is_cold,
                    a.HTTP_REQUEST_METHOD: method,
                }
            )
            if len(self._commons) < _MAX_COMMONS:
                self._commons[key] = common
        return common
