/** Kinds that run inside uWSGI by a plugin other than Python's. */
import { expect } from "bun:test";
import fs from "node:fs";
import { fails, ok } from "./sandbox.ts";
import { skipped, stories } from "./story.ts";

const hasPlugin = (name: string) => fs.existsSync(`/usr/lib/uwsgi/plugins/${name}_plugin.so`);

stories((board, story) => {
  const php = "a php app is served, changed, and neither its settings nor its source can be asked for";
  if (!hasPlugin("php")) skipped(php, "uwsgi-plugin-php is not installed");
  else
    story(php, () => {
      const app = board.repo("php");
      ok(board.push(app, "php"));
      expect(board.get("/", { host: "php.test" }).body).toBe("Hello from PHP\n");
      app.commit("Second", {
        "public/index.php": '<?php echo "second";',
        "public/a.txt": "a file\n",
        "public/.x": "hidden",
      });
      ok(board.push(app, "php"));
      expect(board.get("/", { host: "php.test" }).body).toBe("second");
      expect(board.get("/index.php", { host: "php.test" }).body).toBe("second");
      expect(board.get("/a.txt", { host: "php.test" }).body).toBe("a file\n");
      for (const url of ["/.x", "/../ENV", "/..%2fENV", "/.git/config"])
        expect(board.get(url, { host: "php.test" }).body).not.toMatch(/hidden|GREETING|repositoryformat/);
      app.commit("Everything", { Procfile: "php: /\n", "index.php": "<?php echo 'root';" });
      ok(board.push(app, "php"));
      expect(board.get("/", { host: "php.test" }).body).toBe("root");
      for (const url of ["/ENV", "/Procfile", "/.git/config"])
        expect(board.get(url, { host: "php.test" }).status).toBe(404);
      app.commit("Out", { Procfile: "php: ../..\n" });
      expect(fails(board.push(app, "php"), 1).output).toContain("../..");
      expect(board.get("/", { host: "php.test" }).body).toBe("root");
    });

  const rack = "a rack app is served, and a broken one is refused";
  if (!hasPlugin("rack")) skipped(rack, "uwsgi-plugin-rack-ruby3.1 is not installed");
  else
    story(rack, () => {
      const app = board.repo("ruby-rack");
      ok(board.push(app, "rack"));
      expect(board.get("/", { host: "rack.test" }).body).toBe("Hello from Rack\n");
      app.commit("Broken", { "config.ru": "run )\n" });
      fails(board.push(app, "rack"), 1);
      expect(board.get("/", { host: "rack.test" }).body).toBe("Hello from Rack\n");
    });
});
