from flask import request


def main():
    body = {
        "method": request.method,
        "args": request.args.to_dict(),
        "json": request.get_json(silent=True),
        "path": request.path,
    }
    return body, 202, {"X-Answered-By": "python"}
