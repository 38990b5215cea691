"""What can be wrong with what is sent to us."""


class MalformedExport(ValueError):
    """The body is no OTLP message. The text says what is wrong with it; a client must not send it again."""
