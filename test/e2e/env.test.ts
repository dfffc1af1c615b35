import { expect } from "bun:test";
import { webProbe } from "./probe.ts";
import { ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

const pem = "-----BEGIN KEY-----\nMIIabc=\nit's/==\n-----END KEY-----";

const lines = `# What real apps have in their .env files.
export T_A="b"  # why
T_JSON={"a": [1, "x y"]}
T_BLANKS=two words
T_IM='I'"'"'m'
T_PEM="${pem}"
T_ONE="a\\nb"
T_LITERAL='$T_A \${T_A}'
T_DEFAULT=\${T_NOPE:-none}/\${T_A:-x}
T_C=$T_A
T_D=e
T_C=$T_D
spring.jpa.ddl-auto=none
spring.url="it's $T_A"
`;

const expected: Record<string, string> = {
  T_A: "b",
  T_JSON: '{"a": [1, "x y"]}',
  T_BLANKS: "two words",
  T_IM: "I'm",
  T_PEM: pem,
  T_ONE: "a\nb",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it stays as it is.
  T_LITERAL: "$T_A ${T_A}",
  T_DEFAULT: "none/b",
  T_C: "e",
  "spring.jpa.ddl-auto": "none",
  "spring.url": "it's b",
};

stories((board, story) => {
  const get = (path: string, host: string) => board.get(path, { host }).body;
  const gets = (host: string) =>
    Object.fromEntries(Object.keys(expected).map((key) => [key, get(`/env/${key}`, host)]));
  const files = (name: string, procfile: string, env = "") => ({
    ...webProbe(`${name}.test`),
    Procfile: procfile,
    ENV: `NGINX_SERVER_NAME=${name}.test\n${env}`,
  });
  const web = "web: exec python3 app.py\n";

  story(
    "A7, A10, E: the same lines are the same values in ENV and through config:import, in each kind of process",
    () => {
      const release = 'release: env -0 | grep -az "^spring" | tr "\\0" "\\n"\n';
      const { output } = ok(
        board.push(board.repo(undefined, files("daemon", `${web}${release}`, lines)), "daemon"),
      );
      expect(output).toContain("spring.url=it's b");
      ok(
        board.push(
          board.repo(undefined, files("compound", "web: cd . && python3 app.py\n", lines)),
          "compound",
        ),
      );
      ok(board.push(board.repo(undefined, files("inside", "wsgi: app:app\n", lines)), "inside"));
      ok(board.push(board.repo(undefined, files("imports", web)), "imports"));
      ok(board.sshRaw("config:import imports", { input: lines }));
      for (const name of ["daemon", "compound", "inside", "imports"])
        expect([name, gets(`${name}.test`)]).toEqual([name, expected]);
      expect(ok(board.sshRaw("run daemon -- env | grep ^spring.jpa")).stdout).toBe(
        "spring.jpa.ddl-auto=none\n",
      );
    },
  );

  story("values of several lines come back from the server, and go on over its commands", () => {
    expect(ok(board.ssh("config:get", "imports", "T_PEM")).stdout).toBe(`${pem}\n`);
    expect(ok(board.ssh("config", "imports")).stdout).toContain(
      `T_PEM=${pem.replaceAll("\n", "\\n")}\n`,
    );
    const exported = ok(board.ssh("config:export", "imports")).stdout;
    ok(board.sshRaw("config:import copy", { input: exported }));
    const kept = (name: string) => read(`${board.pikuRoot}/envs/${name}/ENV`);
    expect(kept("copy")).toBe(kept("imports"));
    ok(board.ssh("restart", "imports"));
    ok(board.ssh("config:set", "imports", "T_NEW=a\nb"));
    ok(board.ssh("rollback", "imports"));
    expect([gets("imports.test"), get("/env/T_NEW", "imports.test")]).toEqual([expected, ""]);
  });

  story("config:set says that the quotes of a value did not reach the server", () => {
    const warned = board.sshRaw(`config:set imports --no-restart T_R={"a":1} T_S='{"a":1}'`);
    expect(ok(warned).output).toContain("Warning: T_R: the quotes did not reach the server");
    expect(warned.output).not.toContain("T_S:");
  });

  story("a push warns of what other programs read differently, with file and line", () => {
    const repo = board.repo(undefined, files("doubt", web, "B=`id`\n"));
    expect(ok(board.push(repo, "doubt")).output).toContain(
      "Warning: ENV line 2: the backticks belong to the value of B; quotes are ' and \"",
    );
  });
}, longOnAnyBoard);
