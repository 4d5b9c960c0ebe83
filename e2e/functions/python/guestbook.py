from flask import request


def main():
    return request.headers["X-Fission-Params-Name"] + "/" + request.headers["X-Fission-Params-Id"]
