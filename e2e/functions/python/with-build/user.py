from generated import greeting


def main():
    return greeting.WORDS
