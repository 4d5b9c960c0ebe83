from flask import request

from orders import prices


def total():
    return {"total": sum(prices.of(name) for name in request.args.getlist("item"))}
