import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe } from "./probe.ts";
import { fails, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, onlyLong, stories } from "./story.ts";

/** Answers, and eats what its path says in megabytes: under uWSGI, and as a server of its own. */
const hungry = `import os

kept = []


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/eat/"):
        kept.append(b"x" * (int(path[5:]) << 20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"still here"]


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    if "EAT" in os.environ:
        kept.append(b"x" * (int(os.environ["EAT"]) << 20))
    make_server(os.environ["BIND_ADDRESS"], int(os.environ["PORT"]), app).serve_forever()
`;

const named = (name: string, kind: string, more = "") => ({
  Procfile: kind === "wsgi" ? "wsgi: app:app\n" : `${kind}: python3 app.py\n`,
  ENV: `NGINX_SERVER_NAME=${name}\n${more}`,
  "app.py": hungry,
});

/**
 * Where the kernel counts nothing for an app: each process has the limit by itself. With control
 * groups: test/machines/limits.test.ts.
 */
stories((board, story) => {
  const get = (host: string, page = "/") => board.get(page, { host }).status;
  const vassals = () => fs.readdirSync(`${board.pikuRoot}/uwsgi-enabled`);

  story("an app that needs more than PIKU_MEMORY gets no more, and logs and ps say so", () => {
    ok(board.push(board.repo(undefined, webProbe("neighbour.test")), "neighbour"));
    ok(board.push(board.repo(undefined, named("hungry.test", "wsgi")), "hungry"));
    const before = ok(board.ssh("ps", "hungry")).stdout;
    expect(before).toMatch(/\d+ MB {2}/);
    expect(before).not.toContain(" of ");
    expect(get("hungry.test", "/eat/200")).toBe(200);

    ok(board.ssh("config:set", "hungry", "PIKU_MEMORY=150M"));
    expect(get("hungry.test")).toBe(200);
    // What uWSGI makes of an exception before the first word of an answer.
    expect(get("hungry.test", "/eat/200")).toBe(502);
    expect([get("hungry.test"), get("neighbour.test")]).toEqual([200, 200]);
    expect(ok(board.ssh("ps", "hungry")).stdout).toMatch(/^wsgi\.1 .*\d+ of 150 MB/m);
    const [status] = JSON.parse(ok(board.ssh("ps", "hungry", "--json")).stdout);
    expect(status.memoryLimit).toBe(150 * 1024 * 1024);
    expect(ok(board.ssh("logs", "hungry", "--no-follow")).stdout).toMatch(
      /MemoryError[\s\S]*wsgi\.1 \| piku: more memory was needed than PIKU_MEMORY=150M\n$/,
    );
  });

  story("a push that needs more than its limit is refused, with the limit and what to type", () => {
    const repo = board.repo(undefined, named("web.test", "web", "PIKU_MEMORY_WEB=100M\n"));
    ok(board.push(repo, "web"));
    repo.commit("Eats", { ENV: "NGINX_SERVER_NAME=web.test\nPIKU_MEMORY_WEB=100M\nEAT=200\n" });
    const refused = fails(board.push(repo, "web")).output;
    expect(refused).toContain("it needs more memory than PIKU_MEMORY_WEB=100M allows (web.1");
    expect(refused).toContain("Hint: config:set web PIKU_MEMORY_WEB=…");
    expect(get("web.test")).toBe(200);
    repo.commit("In a build", {
      ENV: "NGINX_SERVER_NAME=web.test\nPIKU_MEMORY=100M\n",
      Procfile: `preflight: python3 -c "x = b'x' * (200 << 20)"\nweb: python3 app.py\n`,
    });
    expect(fails(board.push(repo, "web")).output).toContain(
      "it needs more memory than PIKU_MEMORY=100M allows (preflight",
    );
    repo.commit("With more for builds", {
      ENV: "NGINX_SERVER_NAME=web.test\nPIKU_MEMORY=100M\nPIKU_MEMORY_BUILD=300M\n",
    });
    ok(board.push(repo, "web"));
    const eat = ["run", "web", "--", "python3", "-c", "x = b'x' * (200 << 20)"];
    expect(fails(board.ssh(...eat)).output).toContain("MemoryError");
  });

  onlyLong(story)("the board's limits can be tightened by an app, and not be loosened", () => {
    ok(board.ssh("config:set", "--global", "PIKU_MEMORY=200M", "PIKU_MEMORY_BUILD=400M"));
    const limit = () =>
      JSON.parse(ok(board.ssh("ps", "neighbour", "--json")).stdout)[0].memoryLimit / 1024 / 1024;
    const more = ok(board.ssh("config:set", "neighbour", "PIKU_MEMORY=900M"));
    expect(more.output).toContain("the board allows less than PIKU_MEMORY=900M: 200M counts");
    expect(limit()).toBe(200);
    expect(ok(board.ssh("config:live", "neighbour")).stdout).toContain("PIKU_MEMORY=200M\n");
    ok(board.ssh("config:set", "neighbour", "PIKU_MEMORY=80M"));
    expect(limit()).toBe(80);
    ok(board.ssh("config:set", "neighbour", "PIKU_MEMORY="));
    expect(limit()).toBe(200);
    const eat = ["run", "neighbour", "--", "python3", "-c", "x = b'x' * (300 << 20)"];
    expect(fails(board.ssh(...eat)).output).toContain("MemoryError");
    ok(board.ssh("config:unset", "--global", "PIKU_MEMORY", "PIKU_MEMORY_BUILD"));
    ok(board.ssh("config:unset", "neighbour", "PIKU_MEMORY"));
    const [vassal] = vassals().filter((name) => name.startsWith("neighbour_"));
    expect(read(`${board.pikuRoot}/uwsgi-enabled/${vassal}`)).toContain("attach-daemon = exec sh ");
  });

  onlyLong(story)("what this board cannot keep is refused, with the line to change", () => {
    const refused = fails(board.ssh("config:set", "neighbour", "PIKU_CPU=25%")).output;
    expect(refused).toMatch(/PIKU_CPU=25% cannot be kept: the (server|service)/);
    expect(refused).toMatch(/Hint: on the server: (add|run|it) /);
    const java = board.repo(undefined, {
      ...named("java.test", "web", "PIKU_MEMORY=200M\n"),
      Procfile: "web: java -jar app.jar\n",
    });
    expect(fails(board.push(java, "java")).output).toContain(
      "PIKU_MEMORY=200M cannot be kept: Java reserves more than it uses",
    );
    expect(fails(board.ssh("config:set", "neighbour", "PIKU_MEMORY=80")).output).toContain(
      "PIKU_MEMORY: invalid size '80'",
    );
    expect(ok(board.ssh("config:set", "neighbour", "PIKU_MEMORY_WROKER=80M")).output).toContain(
      "PIKU_MEMORY_WROKER limits nothing",
    );
    ok(board.ssh("config:unset", "neighbour", "PIKU_MEMORY_WROKER"));
    expect(board.ssh("doctor").output).toMatch(
      /^wrong {2}limits .*PIKU_MEMORY goes for each process by itself: .*To do: (add|run|it) /m,
    );
    for (const app of ["hungry", "web"]) ok(board.ssh("destroy", app));
    expect(board.ssh("doctor").output).toMatch(/^ok +limits +none/m);
    expect(get("neighbour.test")).toBe(200);
  });
}, longOnAnyBoard);
