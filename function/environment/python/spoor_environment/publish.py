"""`g.publish(topic, value, key=None, headers=None)`: a record goes to the platform's internal listener (docs/instance.md)."""

import http.client
import json
from urllib.parse import quote, urlsplit

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from . import attributes as a
from .tracer import suppressed, type_of

_TIMEOUT_S = 30
_MAX_ANSWER_BYTES = 64 * 1024


class PublishError(Exception):
    """Why a record is not in its topic."""


def open_publisher(internal_url, tracer, propagator):
    """
    Below a PRODUCER span whose context goes with the record. Returns `{topic, partition, offset, timestamp}` once it is
    durable. Raises PublishError, and TypeError for a value that is neither text, bytes nor JSON.
    """

    def publish(topic, value, key=None, headers=None):
        if internal_url is None:
            raise PublishError(
                f"cannot publish to topic [{topic}]: this environment knows no platform; SPOOR_INTERNAL_URL names it"
            )
        data, content_type = _encode(topic, value)
        active = context_api.get_current()
        span = tracer.start_span(
            f"send {topic}",
            active,
            SpanKind.PRODUCER,
            {
                a.MESSAGING_SYSTEM: "spoor",
                a.MESSAGING_OPERATION_NAME: "send",
                a.MESSAGING_OPERATION_TYPE: "send",
                a.MESSAGING_DESTINATION_NAME: topic,
                a.MESSAGING_MESSAGE_BODY_SIZE: len(data),
                a.MESSAGING_KAFKA_MESSAGE_KEY: key,
            },
        )
        carrier = trace.set_span_in_context(span, active)
        lines = {"Content-Type": content_type, "X-Spoor-Producer": "span"}
        if key is not None:
            lines["X-Record-Key"] = str(key)
        for name, each in (headers or {}).items():
            lines[f"X-Record-Header-{name}"] = str(each)
        propagator.inject(lines, carrier)
        # Our request to the queue is no call of the function's: it gets no CLIENT span.
        token = context_api.attach(suppressed(carrier))
        try:
            published = _post(internal_url, f"/topics/{quote(topic, safe='')}", lines, data)
            span.set_attributes(
                {
                    a.MESSAGING_SYSTEM: str(published.get("system", "spoor")),
                    a.MESSAGING_DESTINATION_PARTITION_ID: str(published["partition"]),
                    a.MESSAGING_KAFKA_OFFSET: int(published["offset"]),
                }
            )
            return published
        except (OSError, http.client.HTTPException, ValueError, KeyError, PublishError) as cause:
            error = PublishError(f"cannot publish to topic [{topic}]: {cause}")
            span.record_exception(error)
            span.set_attribute(a.ERROR_TYPE, type_of(cause))
            span.set_status(StatusCode.ERROR, str(error))
            raise error from cause
        finally:
            context_api.detach(token)
            span.end()

    return publish


def _encode(topic, value):
    if isinstance(value, str):
        return value.encode(), "text/plain; charset=utf-8"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), "application/octet-stream"
    if value is None:
        raise TypeError(f"cannot publish None to topic [{topic}]: give a string, bytes or a value for JSON")
    try:
        return json.dumps(value).encode(), "application/json"
    except (TypeError, ValueError) as error:
        raise TypeError(f"cannot publish to topic [{topic}]: {error}") from error


def _post(url, path, lines, data):
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    try:
        # As UTF-8: header fields are bytes, and the receiver takes them as they are.
        encoded = {name: value.encode() for name, value in lines.items()}
        connection.request("POST", parts.path + path, data, encoded)
        answer = connection.getresponse()
        body = answer.read(_MAX_ANSWER_BYTES)
        if answer.status != 200:
            raise PublishError(f"the queue answered {answer.status}: {body[:500].decode(errors='replace')}")
        return json.loads(body)
    finally:
        connection.close()
