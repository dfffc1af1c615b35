import { expect, test } from "bun:test";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import { python } from "../../../src/runtimes/python.ts";
import { sourceOf } from "../../host/source.ts";

const requirements = { "requirements.txt": "flask\n" };

test.each<[string, Parameters<typeof sourceOf>[0], string, string[]]>([
  ["requirements.txt", { files: requirements }, "Python", []],
  [
    "requirements.txt in front of everything else",
    { files: requirements, workers: { static: "/" } },
    "Python",
    [],
  ],
  ["only static", { workers: { static: "/" } }, "Static", []],
  ["static and another", { workers: { static: "/", worker: "a" } }, "Generic", []],
  ["only a Procfile", { files: { Procfile: "" } }, "Generic", []],
  ["only cron", { workers: { cron: "@daily a" } }, "Generic", []],
  ["requirements in a folder", { files: { "sub/requirements.txt": "x" } }, "Generic", []],
  ["no python3", { files: requirements, tools: [] }, "Generic", ["Python"]],
  [
    "no python3, static",
    { files: requirements, tools: [], workers: { static: "/" } },
    "Static",
    ["Python"],
  ],
])("detectRuntime: %s", (_, facts, name, lacking) => {
  const found = detectRuntime(sourceOf(facts));
  expect([found.runtime?.name, found.lacking.map((one) => one.name)]).toEqual([name, lacking]);
});

test("python's folder is made anew for another Python", () => {
  const source = sourceOf({
    files: requirements,
    settings: { PYTHON_VERSION: "3.11" },
    tools: ["python3.11"],
  });
  expect(python.madeFrom!.facts(source)).toEqual(["answer to python3.11 -V"]);
});

test.each([
  ["3.99", "python3.99 is not installed on the server"],
  ["3.11.2", "PYTHON_VERSION: invalid version '3.11.2'"],
  ["latest", "PYTHON_VERSION: invalid version 'latest'"],
  ["3; id", "PYTHON_VERSION: invalid version '3; id'"],
])("PYTHON_VERSION=%s is refused", (value, message) => {
  expect(() => python.madeFrom!.facts(sourceOf({ settings: { PYTHON_VERSION: value } }))).toThrow(
    message,
  );
});

const venv = "Creating virtualenv";
const pip = {
  title: "Running pip",
  argv: [
    "/e/bin/python",
    "-m",
    "pip",
    "install",
    "--disable-pip-version-check",
    "--no-input",
    "-r",
    "requirements.txt",
  ],
};

test.each<[string, Parameters<typeof sourceOf>[0], { title: string; argv: string[] }[]]>([
  [
    "with venv",
    { files: requirements, probes: ["python3 -c import venv, ensurepip"] },
    [{ title: venv, argv: ["python3", "-m", "venv", "/e"] }, pip],
  ],
  [
    "with nothing to install",
    { files: { "requirements.txt": "\n  # none\n" }, probes: ["python3 -c import venv"] },
    [{ title: venv, argv: ["python3", "-m", "venv", "--without-pip", "/e"] }],
  ],
  [
    "with virtualenv, where there is no ensurepip",
    { files: requirements, probes: ["python3 -c import venv"], tools: ["python3", "virtualenv"] },
    [{ title: venv, argv: ["virtualenv", "--quiet", "--python=python3", "/e"] }, pip],
  ],
  [
    "with another Python",
    {
      files: requirements,
      settings: { PYTHON_VERSION: "3.11" },
      tools: ["python3.11"],
      probes: ["python3.11 -c import venv, ensurepip"],
    },
    [{ title: venv, argv: ["python3.11", "-m", "venv", "/e"] }, pip],
  ],
])("python installs %s", (_, facts, steps) => {
  expect(python.install!(sourceOf(facts), "/e")).toEqual(steps);
});

test("python without venv or virtualenv", () => {
  expect(() => python.install!(sourceOf({ files: requirements }), "/e")).toThrow(
    expect.objectContaining({
      message: "python3 cannot make a virtualenv",
      hint: "on the server: sudo apt install python3-venv",
    }),
  );
});

test("python's settings", () => {
  expect(python.settings("/e", {}, sourceOf({}))).toEqual({
    PYTHONUNBUFFERED: "1",
    PYTHONIOENCODING: "UTF_8:replace",
    VIRTUAL_ENV: "/e",
  });
});
