"""
What OpenTelemetry's environment variables say of propagators, sampler and limits. A wrong value is no reason to stop a
function: it is told in `warnings`, as the specification asks
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#parsing-empty-value).
"""

from dataclasses import dataclass, field

from . import propagation, sampler

_VALUE_LENGTH = 32_768
_COUNT = 128


@dataclass
class Limits:
    """Lengths in UTF-16 units, counts in pieces. The specification's, but for the value length: a record must fit a segment."""

    attribute_value_length: int = _VALUE_LENGTH
    attribute_count: int = _COUNT
    event_count: int = _COUNT
    link_count: int = _COUNT
    attribute_per_event_count: int = _COUNT
    attribute_per_link_count: int = _COUNT


@dataclass
class TracingEnv:
    propagators: list
    sampler: object
    limits: Limits
    warnings: list = field(default_factory=list)


def read_tracing_env(env):
    warnings = []

    def limit(default, *names):
        for name in names:
            text = env.get(name, "").strip()
            if text.isdecimal() and len(text) < 10:
                return int(text)
            if text:
                warnings.append(f"cannot use {name} [{text}]: expected a whole number, 0 or more")
        return default

    limits = Limits(
        attribute_value_length=min(
            _VALUE_LENGTH,
            limit(
                _VALUE_LENGTH, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"
            ),
        ),
        attribute_count=limit(_COUNT, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
        event_count=limit(_COUNT, "OTEL_SPAN_EVENT_COUNT_LIMIT"),
        link_count=limit(_COUNT, "OTEL_SPAN_LINK_COUNT_LIMIT"),
        attribute_per_event_count=limit(_COUNT, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
        attribute_per_link_count=limit(_COUNT, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
    )
    return TracingEnv(_read_propagators(env, warnings), _read_sampler(env, warnings), limits, warnings)


def _read_propagators(env, warnings):
    words = [word.strip().lower() for word in env.get("OTEL_PROPAGATORS", "").split(",") if word.strip()]
    if "none" in words:
        return []
    names = []
    for word in words:
        if word not in propagation.NAMES:
            known = ", ".join(propagation.NAMES)
            warnings.append(f"cannot use OTEL_PROPAGATORS [{word}]: expected a list of {known}")
        elif word not in names:
            names.append(word)
    return names or ["tracecontext", "baggage"]


def _read_sampler(env, warnings):
    name = env.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
    if name not in sampler.NAMES:
        known = ", ".join(sampler.NAMES)
        warnings.append(f"cannot use OTEL_TRACES_SAMPLER [{name}]: expected one of {known}")
        return sampler.create_sampler("parentbased_always_on")
    text = env.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if not name.endswith("traceidratio") or not text:
        return sampler.create_sampler(name)
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        warnings.append(f"cannot use OTEL_TRACES_SAMPLER_ARG [{text}]: expected a ratio between 0 and 1")
        ratio = 1.0
    return sampler.create_sampler(name, ratio)
