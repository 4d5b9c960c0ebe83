"""The function's own span: SERVER, below the caller's, with what the platform says of the invocation."""

import uuid
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from . import attributes as a

# Of trigger, method and cold start, which the requests bring.
_MAX_FORMS = 64


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
        self._forms = {}

    def start(self, environ, caller, first, more=None):
        """The span, and the ids of invocation and request. `caller` is the context to continue, `more` further attributes."""
        request_id = environ.get("HTTP_X_FISSION_REQUEST_ID", "")
        invocation_id = environ.get("HTTP_X_SPOOR_INVOCATION_ID") or request_id or str(uuid.uuid4())
        cold_start = environ.get("HTTP_X_SPOOR_COLDSTART")
        path = environ["REQUEST_URI"].partition("?")[0]
        form = self._form(
            environ.get("HTTP_X_SPOOR_TRIGGER") or "http",
            environ["REQUEST_METHOD"],
            first if cold_start is None else cold_start == "true",
            request_id != "",
        )
        texts = (invocation_id, path, request_id) if request_id else (invocation_id, path)
        if more:
            attributes = {**form.attributes_with(texts), **more}
            span = self._tracer.start_span(self._identity.name, caller, SpanKind.SERVER, attributes)
        else:
            span = self._tracer.start_root(form, caller, texts)
        return span, invocation_id, request_id or invocation_id

    def _form(self, trigger, method, is_cold, has_request_id):
        key = (trigger, method, is_cold, has_request_id)
        form = self._forms.get(key)
        if form is None:
            texts = (a.FAAS_INVOCATION_ID, a.URL_PATH) + ((a.SPOOR_REQUEST_ID,) if has_request_id else ())
            form = self._tracer.form(
                self._identity.name,
                SpanKind.SERVER,
                {
                    a.FAAS_NAME: self._identity.name,
                    a.FAAS_VERSION: self._identity.version,
                    a.FAAS_INSTANCE: self._instance_id,
                    a.FAAS_TRIGGER: trigger,
                    a.FAAS_COLDSTART: is_cold,
                    a.HTTP_REQUEST_METHOD: method,
                },
                texts,
            )
            if len(self._forms) < _MAX_FORMS:
                self._forms[key] = form
        return form
