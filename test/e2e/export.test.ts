import { expect } from "bun:test";
import { webProbe, wsgiProbe } from "./probe.ts";
import { fails, ok } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";

/** An app written down for another engine. */
stories((board, story) => {
  const exported = (...words: string[]) => ok(board.ssh("export", ...words));
  const members = (tar: string) => board.run(["tar", "-tf", tar]).stdout.split("\n");
  const save = (name: string, ...words: string[]) => {
    const file = `${board.folder}/${name}.tar`;
    ok(board.run(["sh", "-c", `ssh board export ${words.join(" ")} >${file}`]));
    return file;
  };

  story(
    "an app with a web process, a worker, a cron line and a release, as Kubernetes' objects",
    () => {
      ok(board.push(board.repo("web-worker-cron"), "trio"));
      ok(board.ssh("config:set", "trio", "SECRET=two words", "NGINX_CACHE_PREFIXES=/x"));
      const { stdout, stderr } = exported("trio", "--kubernetes", "registry/trio:1");
      const objects = stdout
        .split("---\n")
        .filter(Boolean)
        .map((one) => JSON.parse(one));
      expect(objects.map(({ kind }) => kind)).toEqual([
        "Secret",
        "PersistentVolumeClaim",
        "Job",
        "Deployment",
        "Deployment",
        "CronJob",
        "Service",
        "Ingress",
      ]);
      expect(objects[0].stringData).toMatchObject({
        GREETING: "Hello from web",
        SECRET: "two words",
      });
      expect(stderr).toContain("Note: NGINX_CACHE_PREFIXES does nothing there");
      expect(exported("trio", "--kubernetes", "registry/trio:1").stdout).toBe(stdout);
    },
  );

  story("the same for one larger machine", () => {
    const { stdout, stderr } = exported("trio", "--compose", "registry/trio:1");
    expect(Object.keys(JSON.parse(stdout).services)).toEqual(["release", "web", "worker", "cron"]);
    expect(stderr).toContain("* * * * * docker compose run --rm cron");
  });

  story(
    "an image's files: the live tree without git's, and a Dockerfile with what the board has",
    () => {
      const file = save("trio", "trio");
      const names = members(file);
      const tree = `${board.pikuRoot}/apps/trio`.slice(1);
      expect(names).toContain("Dockerfile");
      expect(names).toContain(`${tree}/web.py`);
      expect(names.filter((name) => name.includes("/.git/"))).toEqual([]);
      const dockerfile = ok(board.run(["tar", "-xOf", file, "Dockerfile"])).stdout;
      expect(dockerfile).toMatch(/^FROM (debian|ubuntu):/m);
      expect(dockerfile).toMatch(/install .* python3 tini /);
      expect(dockerfile).not.toContain("two words");
    },
  );

  story("from the source: the commit alone, and a stage that builds it", () => {
    ok(board.run(["sh", "-c", `ssh board run trio -- touch made-by-the-app`]));
    const file = save("source", "trio", "--from-source");
    const names = members(file).join("\n");
    expect(names).toContain("/web.py");
    expect(names).not.toContain("made-by-the-app");
    expect(ok(board.run(["tar", "-xOf", file, "Dockerfile"])).stdout).toContain(" AS build\n");
  });

  story("plain files are served by nginx there", () => {
    ok(board.push(board.repo("static"), "files"));
    const file = save("files", "files");
    const site = ok(board.run(["tar", "-xOf", file, ".piku-export/static.conf"])).stdout;
    expect(site).toContain(`alias "${board.pikuRoot}/apps/files/public/"`);
  });

  story("an app whose Python is a link to another's folder exported that folder", () => {
    const files = { ...wsgiProbe("thief.test"), "requirements.txt": "" };
    ok(board.push(board.repo(undefined, files), "thief"));
    const line =
      'mkdir -p "$DATA_ROOT/../other/bin" && touch "$DATA_ROOT/../other/secret" && cp /bin/true "$DATA_ROOT/../other/bin/python" && ln -sf "$DATA_ROOT/../other/bin/python" "$VIRTUAL_ENV/bin/python"';
    ok(board.ssh("run", "thief", "--", "sh", "-c", line));
    expect(members(save("thief", "thief")).filter((name) => name.endsWith("/secret"))).toEqual([]);
  });

  story("what cannot be exported is refused with the next step", () => {
    expect(fails(board.ssh("export", "nobody"), 1).output).toContain("app 'nobody' not found");
    const both = fails(board.ssh("export", "trio", "--kubernetes", "a", "--compose", "b"), 2);
    expect(both.output).toContain("export it twice");
    fails(
      board.push(board.repo(undefined, { ...webProbe("x.test"), "app.py": "raise\n" }), "failed"),
    );
    expect(fails(board.ssh("export", "failed")).output).toContain("failed");
  });
}, unlessLong);
