from flask import abort, request


def main():
    if request.args.get("abort"):
        abort(418)
    raise ValueError("asked to fail")
