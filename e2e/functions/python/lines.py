from flask import Response


def main():
    def lines():
        for number in range(3):
            yield "line %d\n" % number

    return Response(lines(), mimetype="text/plain")
