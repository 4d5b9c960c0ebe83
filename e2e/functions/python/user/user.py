import sys

import yaml_like

document = """
- 0
- a: Hello
"""


def main():
    return repr(yaml_like.load(document)) + "\n"
