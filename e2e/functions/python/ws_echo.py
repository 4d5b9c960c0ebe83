def main(ws, clients):
    while not ws.closed:
        message = ws.receive()
        if message is not None:
            ws.send("echo " + message)
