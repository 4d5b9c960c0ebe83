"""
opentelemetry-api's global propagator. When its module is imported it looks for those of OTEL_PROPAGATORS among installed
packages, and raises when one is missing; b3 and jaeger are packages of their own there, and parts of this one here
(propagation.py). So it is imported without that variable, before a function can import it.
"""

import os

_given = os.environ.pop("OTEL_PROPAGATORS", None)
try:
    from opentelemetry.propagate import set_global_textmap
finally:
    if _given is not None:
        os.environ["OTEL_PROPAGATORS"] = _given

__all__ = ["set_global_textmap"]
