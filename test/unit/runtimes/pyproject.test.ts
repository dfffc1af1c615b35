import { expect, test } from "bun:test";
import { detectRuntime } from "../../../src/runtimes/index.ts";
import { poetry } from "../../../src/runtimes/poetry.ts";
import { elsewhere, isPythonOutput } from "../../../src/runtimes/pyproject.ts";
import { python } from "../../../src/runtimes/python.ts";
import { uv } from "../../../src/runtimes/uv.ts";
import { sourceOf } from "../../host/source.ts";

type Facts = Parameters<typeof sourceOf>[0];

const plain = { "pyproject.toml": '[project]\nname = "a-b"\n' };
const script = { "pyproject.toml": '[project]\nname = "a-b"\n[project.scripts]\nx = "y:z"\n' };
const linted = { "pyproject.toml": "[tool.ruff]\nline-length = 100\n" };
const poetrys = { "pyproject.toml": '[tool.poetry]\nname = "a"\n', "poetry.lock": "" };
const settings = { PWD: "/apps/a" };
const probes = ["python3 -c import venv, ensurepip"];
const answers = {
  "python3 -V": "Python 3.11.2",
  "uwsgi --plugin python3 --python-version": "3.11.2",
};

test.each<[string, Facts, string]>([
  ["Poetry", { files: plain, tools: ["python3", "poetry"] }, "Python (Poetry)"],
  ["uv", { files: plain, tools: ["python3", "uv"] }, "Python (uv)"],
  [
    "both, the original's order",
    { files: plain, tools: ["python3", "uv", "poetry"] },
    "Python (Poetry)",
  ],
  [
    "both, uv's lock file",
    { files: { ...plain, "uv.lock": "" }, tools: ["python3", "uv", "poetry"] },
    "Python (uv)",
  ],
  [
    "both, both lock files",
    { files: { ...plain, "uv.lock": "", "poetry.lock": "" }, tools: ["python3", "uv", "poetry"] },
    "Python (Poetry)",
  ],
  [
    "only Poetry, uv's lock file",
    { files: { ...plain, "uv.lock": "" }, tools: ["python3", "poetry"] },
    "Python (Poetry)",
  ],
  ["neither", { files: plain }, "Generic"],
  [
    "requirements.txt",
    { files: { ...plain, "requirements.txt": "" }, tools: ["python3", "uv"] },
    "Python",
  ],
  ["settings of a linter alone", { files: linted, tools: ["python3", "uv", "poetry"] }, "Generic"],
  ["uv's lock file alone", { files: { ...linted, "uv.lock": "" }, tools: ["uv"] }, "Python (uv)"],
  ["Poetry's table, which uv cannot read", { files: poetrys, tools: ["python3", "uv"] }, "Generic"],
  [
    "both tables, of which uv reads one",
    { files: { "pyproject.toml": `${plain["pyproject.toml"]}[tool.poetry]\n` }, tools: ["uv"] },
    "Python (uv)",
  ],
])("detectRuntime with %s", (_, facts, name) => {
  expect(detectRuntime(sourceOf(facts)).runtime?.name).toBe(name);
});

test.each<[string, typeof poetry, Facts, string[]]>([
  [
    "poetry",
    poetry,
    { files: { ...plain, "poetry.lock": "" } },
    ["python3 -m venv /e", "poetry install --no-interaction --no-root"],
  ],
  [
    "poetry without a lock file",
    poetry,
    { files: plain },
    [
      "python3 -m venv /e",
      'sh -c rm -f "$0" && exec "$@" poetry.lock poetry install --no-interaction --no-root',
    ],
  ],
  [
    "poetry with scripts of its own",
    poetry,
    { files: { ...script, "poetry.lock": "" } },
    ["python3 -m venv /e", "poetry install --no-interaction", "relocate"],
  ],
  [
    "poetry with a package of its own",
    poetry,
    { files: { ...plain, "a_b/__init__.py": "", "poetry.lock": "" } },
    ["python3 -m venv /e", "poetry install --no-interaction", "relocate"],
  ],
  ["uv", uv, { files: { ...plain, "uv.lock": "" } }, ["uv sync --frozen", "relocate"]],
  [
    "uv without a lock file",
    uv,
    { files: plain },
    ['sh -c rm -f "$0" && exec "$@" uv.lock uv sync', "relocate"],
  ],
  [
    "uv with a version",
    uv,
    { files: { ...plain, "uv.lock": "", ".python-version": "3.12\n" } },
    ["uv sync --frozen --python 3.12", "relocate"],
  ],
  [
    "uv with a setting over it",
    uv,
    {
      files: { ...plain, "uv.lock": "", ".python-version": "3.12\n" },
      settings: { ...settings, PYTHON_VERSION: "3.13" },
    },
    ["uv sync --frozen --python 3.13", "relocate"],
  ],
  [
    "uv for uWSGI",
    uv,
    { files: { ...plain, "uv.lock": "" }, workers: { wsgi: "a:b" } },
    ["uv sync --frozen --python 3.11", "relocate"],
  ],
])("installs with %s", (_, runtime, facts, lines) => {
  const steps = runtime.install!(sourceOf({ settings, probes, answers, ...facts }), "/e");
  const shown = steps.map(({ title, argv }) =>
    title === "Linking the app" ? "relocate" : argv.join(" "),
  );
  expect(shown).toEqual(lines);
});

test.each<[string, typeof poetry, Facts]>([
  [
    "pip",
    python,
    {
      settings: { PYTHON_VERSION: "3.12" },
      tools: ["python3.12"],
      answers: { ...answers, "python3.12 -V": "Python 3.12.1" },
    },
  ],
  [
    "Poetry",
    poetry,
    {
      settings: { PYTHON_VERSION: "3.12" },
      tools: ["python3.12"],
      answers: { ...answers, "python3.12 -V": "Python 3.12.1" },
    },
  ],
  ["uv", uv, { files: { ".python-version": "cpython@3.12" }, answers }],
])("%s refuses a Python that uWSGI has not, for wsgi only", (_, runtime, facts) => {
  expect(() => runtime.madeFrom!.facts(sourceOf({ ...facts, workers: { wsgi: "a:b" } }))).toThrow(
    "the app wants Python 3.12, but the server's uWSGI has Python 3.11",
  );
  expect(() =>
    runtime.madeFrom!.facts(sourceOf({ ...facts, workers: { web: "gunicorn a:b" } })),
  ).not.toThrow();
});

test.each([
  ['dependencies = ["flask"]', false],
  ['my-lib = { path = "../lib", develop = true }', true],
  ["lib = { workspace = true }", true],
  ['dependencies = ["lib @ file:///x"]', true],
  ['dynamic = ["dependencies"]', true],
  ['dynamic = ["version"]', false],
  ['readme = "README.md"', false],
])("%s leads elsewhere: %p", (text, leads) => {
  expect([...text.matchAll(elsewhere.by)].length > 0).toBe(leads);
});

test.each([
  ["static/app.css", true],
  ["uv.lock", false],
  ["poetry.lock", false],
  ["src/a.egg-info/PKG-INFO", false],
  ["a/__pycache__/b.pyc", false],
])("of what installing makes %s goes live: %p", (name, live) => {
  expect(isPythonOutput(name)).toBe(live);
});

test.each<[string, Facts, string[]]>([
  ["Poetry's table", { files: poetrys }, ["Python (Poetry)"]],
  ["a project of nobody's", { files: plain }, ["Python (uv)"]],
  ["uv's lock file", { files: { ...plain, "uv.lock": "" } }, ["Python (uv)"]],
])("what is lacking for %s", (_, facts, names) => {
  expect(detectRuntime(sourceOf(facts)).lacking.map(({ name }) => name)).toEqual(names);
});
