"""A parent and a child with everything a span can have, sent by OpenTelemetry's own exporter: send.py http|grpc URL [gzip].

Prints a line of JSON: the ids as hex, and the child's times in ns.
"""

import json
import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

LINKED = SpanContext(0xABCD, 0xEF, is_remote=True, trace_flags=TraceFlags(1))
DURATION_NS = 25_000_001


def exporter(protocol, url, gzip):
    if protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        return OTLPSpanExporter(endpoint=url, insecure=True, compression=compression)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=url, compression=Compression.Gzip if gzip else Compression.NoCompression)


provider = TracerProvider(resource=Resource.create({"service.name": "python-sender", "replica": 3}))
provider.add_span_processor(BatchSpanProcessor(exporter(sys.argv[1], sys.argv[2], "gzip" in sys.argv[3:])))
tracer = provider.get_tracer("receivers", "1.2")
parent = tracer.start_span("POST /greetings", kind=SpanKind.SERVER)
child = tracer.start_span(
    "send greetings",
    context=trace.set_span_in_context(parent),
    kind=SpanKind.PRODUCER,
    attributes={
        "text": "ünï",
        "int": 2**53 + 1,
        "double": 1.5,
        "bool": True,
        "texts": ["a", "b"],
        "numbers": [1, 2],
    },
    links=[Link(LINKED, {"why": "batch"})],
)
child.add_event("retry", {"attempt": 2}, timestamp=child.start_time + 5)
child.set_status(Status(StatusCode.ERROR, "no broker"))
child.end(child.start_time + DURATION_NS)
parent.end()
provider.shutdown()
print(
    json.dumps(
        {
            "traceId": f"{child.context.trace_id:032x}",
            "parentId": f"{parent.context.span_id:016x}",
            "childId": f"{child.context.span_id:016x}",
            "start": str(child.start_time),
        }
    )
)
