"""
Spans that are alike but for their ids, their time and a few short texts, as the function's own are, one for each request: most
of what each of them starts with is made once, and only the rest for every one.
"""

# Texts of other lengths than these are written the general way.
_MAX_SHAPES = 64


class SpanForm:
    """`kind`: OTLP's number. `texts`: keys of the attributes that differ; they stand behind the common `attributes`."""

    def __init__(self, name, kind, scope, attributes, texts):
        self.name = name
        self.kind = kind
        self.scope = scope
        self.attributes = attributes
        self.texts = texts
        self.count = len(attributes) + len(texts)
        # Good for one segment of the journal, in which texts have these numbers.
        self.segment = 0
        self.name_id = 0
        self.scope_id = 0
        self._common = b""
        # By the lengths of the texts: all attributes' bytes, with %b where a text goes.
        self.shapes = {}

    def attributes_with(self, values):
        return {**self.attributes, **dict(zip(self.texts, values))}

    def begin_segment(self, segment, name_id, scope_id, common):
        """`common`: the bytes of `attributes` in it."""
        self.segment, self.name_id, self.scope_id = segment, name_id, scope_id
        self._common = common.replace(b"%", b"%%")
        self.shapes.clear()

    def add_shape(self, lengths, heads):
        """`heads`: what stands before each text, key and length."""
        if len(self.shapes) == _MAX_SHAPES:
            return
        shape = self._common
        for length, head in zip(lengths, heads):
            shape += head.replace(b"%", b"%%") + b"%b" + bytes(-length % 8)
        self.shapes[lengths] = shape
