import os
from urllib.request import urlopen

from flask import request


def main():
    router = os.environ["SPOOR_ROUTER_URL"]
    with urlopen("%s/chain-back?name=%s" % (router, request.args["name"])) as answer:
        return "middle(%s)" % answer.read().decode()
