import { expect, test } from "bun:test";
import { parseProcfile } from "../../../src/app/procfile.ts";
import { PikuError } from "../../../src/text/errors.ts";

test.each([
  ["wsgi app:app", "Procfile line 1: a colon is missing behind 'wsgi'", "`wsgi: app:app`"],
  [
    "# mine\nweb python3 app.py",
    "Procfile line 2: a colon is missing behind 'web'",
    "`web: python3 app.py`",
  ],
  ["web\tpython3 app.py", "Procfile line 1: a colon is missing", "`web: python3 app.py`"],
  ["static /", "a colon is missing behind 'static'", "`static: /`"],
  ["web = python3 app.py", "'=' stands where a colon should be", "`web: python3 app.py`"],
  ["web=python3 app.py", "'=' stands where a colon should be", "`web: python3 app.py`"],
  ["web; python3 app.py", "';' stands where a colon should be", "`web: python3 app.py`"],
  ["web：python3 app.py", "'：' stands where a colon should be", "`web: python3 app.py`"],
  ["Wsgi: app:app", "Procfile line 1: 'Wsgi' is written in small letters", "`wsgi: app:app`"],
  ["WEB: python3 app.py", "'WEB' is written in small letters", "`web: python3 app.py`"],
  ["Static: /", "'Static' is written in small letters", "`static: /`"],
  ['"web: python3 app.py"', "quotes do not belong", "`web: python3 app.py`"],
  ["- web: python3 app.py", "'-' does not belong", "`web: python3 app.py`"],
  ["python3 app.py", "the kind is missing", "`web: python3 app.py`"],
  ["npm start", "the kind is missing", "`web: npm start`"],
  [
    "web: python3 app.py worker: python3 bot.py",
    "two processes on one line: 'worker'",
    "`worker: python3 bot.py`",
  ],
  [
    "web: python3 app.py\\nworker: python3 bot.py",
    "two processes on one line: 'worker'",
    "`web: python3 app.py`",
  ],
  ["```\nweb: node .\n```", "Procfile line 1: this line is none", "take it out"],
])("%j", (content, message, hint) => {
  let said = "";
  try {
    parseProcfile(content);
  } catch (error) {
    if (error instanceof PikuError) said = `${error.message}\n${error.hint}`;
  }
  expect(said).toContain(message);
  expect(said).toContain(hint);
});

test.each([
  "web: gunicorn -b $BIND_ADDRESS:$PORT app:app",
  "web: A=1 B=2 node .",
  "web : node .",
  "Worker: python3 bot.py",
  "web: echo 'a worker: b'",
  'web: curl -H "X-A: b" http://x',
  "web: a key: value",
  "clock: sleep 1",
  "web_server: node .",
  "cron: */5 * * * * python3 job.py",
  "web: python3 -c 'print(1)'",
])("%j is as it should be", (content) => {
  expect(parseProcfile(content).warnings).toEqual([]);
});

test.each([
  ["web: gunicorn “app:app”", "the quotes are those of a text"],
  ["web: gunicorn –bind x app:app", "longer than a hyphen"],
])("%j is warned of", (content, warning) => {
  expect(parseProcfile(content).warnings.join()).toContain(warning);
});

test.each([
  `web: ${" ".repeat(60_000)}x`,
  `"a: ${"'".repeat(60_000)}x`,
  `web: ${"x ".repeat(30_000)}`,
])("a long line takes no time", (content) => {
  const began = performance.now();
  expect(() => parseProcfile(`${content}\n:`)).toThrow("Procfile line");
  expect(performance.now() - began).toBeLessThan(1000);
});
