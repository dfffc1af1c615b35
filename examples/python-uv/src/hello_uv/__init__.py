import os

from bottle import Bottle, run

app = Bottle()


@app.get("/")
def hello():
    return "Hello from uv\n"


def main():
    run(app, host=os.environ["BIND_ADDRESS"], port=int(os.environ["PORT"]))
