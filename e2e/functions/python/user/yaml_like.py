def load(text):
    """As much of YAML as the example needs."""
    items = [line[2:] for line in text.strip().splitlines()]
    return [dict([item.split(": ")]) if ": " in item else int(item) for item in items]
