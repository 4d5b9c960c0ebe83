"""Head sampling as OpenTelemetry names it: https://opentelemetry.io/docs/languages/sdk-configuration/general/#otel_traces_sampler"""

NAMES = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)


def create_sampler(name, ratio=1.0):
    """A function of the parent's W3C flags (None: no parent) and the trace id's 16 bytes: whether to record."""
    root = name.removeprefix("parentbased_")
    if root == "traceidratio" and ratio < 1:
        decide = _trace_id_ratio(ratio)
    else:
        decide = _never if root == "always_off" else _always
    if name == root:
        return lambda _flags, trace: decide(trace)
    return lambda flags, trace: decide(trace) if flags is None else flags & 1 == 1


def _always(_trace):
    return True


def _never(_trace):
    return False


def _trace_id_ratio(ratio):
    """The same fold as our Node twin and opentelemetry-js, so that the processes of one trace agree about it."""
    bound = int(ratio * 0xFFFFFFFF)

    def decide(trace):
        folded = 0
        for at in (0, 4, 8, 12):
            folded ^= int.from_bytes(trace[at : at + 4], "big")
        return folded < bound

    return decide
