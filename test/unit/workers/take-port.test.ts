import { expect, test } from "bun:test";
import { takePort } from "../../../src/workers/take-port.ts";

const scene = (command: string) => ({
  app: "blog",
  kind: "web",
  command,
  tree: "/p/apps/blog",
  names: [],
  read: () => undefined,
  deletes: () => false,
});

test.each([
  ["uvicorn main:app", "uvicorn main:app --host $BIND_ADDRESS --port $PORT"],
  ["hypercorn main:app", "hypercorn main:app --bind $BIND_ADDRESS:$PORT"],
  [
    "gunicorn -k uvicorn.workers.UvicornWorker main:app",
    "gunicorn -k uvicorn.workers.UvicornWorker main:app --bind $BIND_ADDRESS:$PORT",
  ],
  ["npx next start", "npx next start --hostname $BIND_ADDRESS --port $PORT"],
  ["python3 -m http.server 8000", "python3 -m http.server $PORT --bind $BIND_ADDRESS"],
  ["python manage.py runserver", "python manage.py runserver $BIND_ADDRESS:$PORT"],
  ["php -S localhost:8000 -t public", "php -S $BIND_ADDRESS:$PORT -t public"],
])("a command gets its port by the options of its program: %s", (command, expected) => {
  expect(takePort(scene(command))).toBe(`Procfile: web: ${expected}`);
});

test.each(["uvicorn main:app --port 80", "gunicorn -b :80 app:app", "./own"])(
  "one that names a port, or is of no program that we know, is left: %s",
  (command) => {
    expect(takePort(scene(command))).toStartWith("take the port from the setting PORT");
  },
);
