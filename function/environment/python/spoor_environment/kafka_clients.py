"""
Records that a function produces with a Kafka client of its own, `kafka-python` or `confluent-kafka`, carry its trace on, below a
PRODUCER span each, with no code of the function's. The span ends when the brokers have answered, which confluent-kafka tells only
to who polls or flushes. A record that brings its own `traceparent` is left alone.
"""

import functools
import sys
from importlib.machinery import PathFinder

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from . import attributes as a
from .tracer import is_suppressed, text_of, type_of


def trace_kafka_clients(tracing):
    """Call it once, before the function is loaded. Costs a look into a dictionary for each import."""
    sys.meta_path.insert(0, _Finder(tracing))


class _Finder:
    """Changes a client when it is imported. A client that is not as we know it stays as it is."""

    def __init__(self, tracing):
        self._tracing = tracing

    def find_spec(self, name, path=None, target=None):
        change = _CLIENTS.get(name)
        spec = change and PathFinder.find_spec(name, path, target)
        if not spec or not spec.loader:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            try:
                change(module, _Sends(self._tracing))
            except Exception as error:  # noqa: BLE001 - tracing is a guest here
                print(f"cannot trace what {name} sends: {error}", file=sys.stderr)

        spec.loader.exec_module = exec_module
        return spec


def _change_kafka_python(module, sends):
    producer = module.KafkaProducer
    send = producer.send

    @functools.wraps(send)
    def traced(self, topic, value=None, key=None, headers=None, *args, **kwargs):
        sent = sends.begin(topic, value, key, headers) if headers is None or isinstance(headers, list) else None
        if sent is None:
            return send(self, topic, value, key, headers, *args, **kwargs)
        try:
            future = send(self, topic, value, key, [*(headers or []), *sent.context], *args, **kwargs)
        except BaseException as error:
            sent.failed(error)
            raise
        future.add_callback(lambda metadata: sent.done(metadata.partition, metadata.offset))
        future.add_errback(sent.failed)
        return future

    producer.send = traced


# In the order in which they may be given without their names.
_PRODUCE = ("topic", "value", "key", "partition", "callback", "on_delivery", "timestamp", "headers")
_SERIALIZING_PRODUCE = ("topic", "key", "value", "partition", "on_delivery", "timestamp", "headers")


def _change_confluent(module, sends):
    # A type of C takes no new method; a subclass under its name does.
    class Producer(module.Producer):
        produce = _traced_produce(module.Producer.produce, _PRODUCE, sends)

    Producer.__module__, Producer.__qualname__ = "confluent_kafka", "Producer"
    module.Producer = Producer
    serializing = module.SerializingProducer
    serializing.produce = _traced_produce(serializing.produce, _SERIALIZING_PRODUCE, sends)


def _traced_produce(produce, names, sends):
    @functools.wraps(produce)
    def traced(self, *args, **kwargs):
        given = {**dict(zip(names, args)), **kwargs}
        sent = sends.begin(given.get("topic"), given.get("value"), given.get("key"), given.get("headers"))
        if sent is None or len(args) > len(names):
            return produce(self, *args, **kwargs)
        headers = given.get("headers") or []
        given["headers"] = [*(headers.items() if isinstance(headers, dict) else headers), *sent.context]
        tell = given.pop("callback", None) or given.get("on_delivery")

        def on_delivery(error, message):
            if error is None:
                sent.done(message.partition(), message.offset())
            else:
                sent.failed(error)
            if tell:
                tell(error, message)

        given["on_delivery"] = on_delivery
        try:
            return produce(self, **given)
        except BaseException as error:
            sent.failed(error)
            raise

    return traced


_CLIENTS = {"kafka.producer.kafka": _change_kafka_python, "confluent_kafka": _change_confluent}


class _Sends:
    def __init__(self, tracing):
        self._tracer = tracing.get_tracer("spoor.environment.python.kafka", "1")
        self._propagator = tracing.propagator

    def begin(self, topic, value, key, headers):
        """None when nobody is traced, or the record has a context of its own."""
        active = context_api.get_current()
        if is_suppressed(active) or not trace.get_current_span(active).get_span_context().is_valid:
            return None
        pairs = headers.items() if isinstance(headers, dict) else headers or []
        if any(pair[0] == "traceparent" for pair in pairs):
            return None
        span = self._tracer.start_span(
            f"send {topic}",
            active,
            SpanKind.PRODUCER,
            {
                a.MESSAGING_SYSTEM: "kafka",
                a.MESSAGING_OPERATION_NAME: "send",
                a.MESSAGING_OPERATION_TYPE: "send",
                a.MESSAGING_DESTINATION_NAME: str(topic),
                a.MESSAGING_MESSAGE_BODY_SIZE: _size_of(value),
                a.MESSAGING_KAFKA_MESSAGE_KEY: _key_text(key),
            },
        )
        headers = {}
        self._propagator.inject(headers, trace.set_span_in_context(span, active))
        return _Sent(span, [(name, text.encode()) for name, text in headers.items()])


class _Sent:
    """A record under way. Its end comes in whatever thread the client tells it."""

    def __init__(self, span, context):
        self._span = span
        self.context = context

    def done(self, partition, offset):
        self._span.set_attribute(a.MESSAGING_DESTINATION_PARTITION_ID, str(partition))
        if offset is not None and offset >= 0:
            self._span.set_attribute(a.MESSAGING_KAFKA_OFFSET, offset)
        self._span.end()

    def failed(self, error):
        if isinstance(error, BaseException):
            self._span.record_exception(error)
        self._span.set_attribute(a.ERROR_TYPE, type_of(error))
        self._span.set_status(StatusCode.ERROR, text_of(error))
        self._span.end()


def _size_of(value):
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    return len(value) if isinstance(value, (bytes, bytearray, memoryview)) else None


def _key_text(key):
    if isinstance(key, bytes):
        return key.decode(errors="replace")
    return key if isinstance(key, str) else None
