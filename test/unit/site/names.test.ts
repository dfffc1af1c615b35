import { expect, test } from "bun:test";
import { appOf } from "../../../src/app/app.ts";
import { derivedNameWarnings } from "../../../src/site/names.ts";
import { appBelow } from "../workers/example.ts";

const told = (name: string, own?: string) => {
  const app = appOf(appBelow("/p").paths, name);
  const derived = { NGINX_SERVER_NAME: `${name}.local` };
  try {
    return derivedNameWarnings(app, derived, { NGINX_SERVER_NAME: own ?? `${name}.local` });
  } catch (error) {
    const { message, hint } = error as { message: string; hint: string };
    return [message, hint];
  }
};

test.each<[string, string[]]>([
  ["blog", []],
  ["Blog2", []],
  ["a.b-c", []],
  [
    "a-b-",
    [
      "app 'a-b-' cannot be served at a-b-.local: no part of a host name ends with '-'",
      "give the app another name, or: config:set a-b- NGINX_SERVER_NAME=a-b.local",
    ],
  ],
  [
    "My_App",
    [
      "a host name has no '_', so some programs refuse my_app.local; for another: config:set My_App NGINX_SERVER_NAME=my-app.local",
    ],
  ],
  [
    "a-.-b_",
    [
      "app 'a-.-b_' cannot be served at a-.-b_.local: no part of a host name ends with '-'",
      "give the app another name, or: config:set a-.-b_ NGINX_SERVER_NAME=a.b.local",
    ],
  ],
])("the name below PIKU_DOMAIN of app %s", (name, expected) => {
  expect(told(name)).toEqual(expected);
  expect(told(name, "own.example.com")).toEqual([]);
});
