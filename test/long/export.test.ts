/**
 * Exported apps run by podman: their images are built, and their objects played. The image of
 * Debian that a Dockerfile begins with is made here, since no registry is asked.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import fs from "node:fs";
import { eventually, ok } from "../e2e/sandbox.ts";
import { skipped, stories, unlessLong } from "../e2e/story.ts";

const why = () => {
  if (process.getuid?.() !== 0) return "only root may make images here";
  const missing = ["podman", "runc", "catatonit", "debootstrap"].filter((tool) => !Bun.which(tool));
  return missing.length > 0 ? `there is no ${missing.join(", ")}` : undefined;
};

const reason = why();
if (reason) skipped("exported apps run by podman", reason);
else
  stories((board, story) => {
    const folder = fs.mkdtempSync("/tmp/piku-podman-");
    const env = {
      CONTAINERS_STORAGE_CONF: `${folder}/storage.conf`,
      CONTAINERS_CONF: `${folder}/containers.conf`,
      BUILDAH_ISOLATION: "chroot",
    };
    const how = () => ({ env: { ...board.clientEnv(), ...env }, limit: 300 });
    const podman = (...words: string[]) => board.run(["podman", ...words], how());
    const answer = () => board.run(["curl", "-s", "-m", "3", "127.0.0.1:8000/"]).stdout;

    beforeAll(() => {
      fs.writeFileSync(
        env.CONTAINERS_STORAGE_CONF,
        `[storage]\ndriver="overlay"\nrunroot="${folder}/run"\ngraphroot="${folder}/graph"\n`,
      );
      fs.writeFileSync(
        env.CONTAINERS_CONF,
        '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=4096:4096"]\n[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\n',
      );
      const release = fs.readFileSync("/etc/os-release", "utf8");
      const suite = /^VERSION_CODENAME=(\w+)/m.exec(release)![1]!;
      ok(board.run(["debootstrap", "--variant=minbase", suite, `${folder}/debian`], how()));
      const image = `docker.io/library/debian:${suite}-slim`;
      ok(
        board.run(
          ["sh", "-c", 'tar -C "$0" -c . | podman import - "$1"', `${folder}/debian`, image],
          how(),
        ),
      );
    }, 600_000);

    afterAll(() => {
      for (const what of [
        ["pod", "rm", "-af"],
        ["rm", "-af"],
        ["rmi", "-af"],
        ["volume", "rm", "-af"],
      ])
        podman(...what);
      board.run(["sh", "-c", 'umount "$0"/graph/overlay 2>/dev/null; rm -rf "$0"', folder]);
    }, 120_000);

    const build = (app: string) =>
      ok(
        board.run(
          [
            "sh",
            "-c",
            `ssh board export ${app} | podman build --network host -t localhost/${app}:1 -`,
          ],
          how(),
        ),
      );

    story("an image of plain files answers", () => {
      ok(board.push(board.repo("static"), "files"));
      build("files");
      ok(podman("run", "-d", "--network", "host", "--name", "files", "localhost/files:1"));
      eventually(() => expect(answer()).toContain("Hello from a file"));
      ok(podman("rm", "-f", "files"));
    });

    story(
      "web, worker and volume are played, with settings; a container ends when it is told to",
      () => {
        ok(board.push(board.repo("web-worker-cron"), "trio"));
        build("trio");
        const written = ok(board.ssh("export", "trio", "--kubernetes", "localhost/trio:1")).stdout;
        // podman 4.3 takes no Secret as an environment, so it gets the same as a ConfigMap.
        const played = written
          .replace('"kind": "Secret"', '"kind": "ConfigMap"')
          .replace('"type": "Opaque",', "")
          .replace('"stringData"', '"data"')
          .replaceAll("secretRef", "configMapRef");
        fs.writeFileSync(`${folder}/trio.yaml`, played);
        ok(podman("kube", "play", `${folder}/trio.yaml`));
        eventually(() => expect(answer()).toBe("Hello from web\n"), 30);
        const names = ok(podman("ps", "--format", "{{.Names}}")).stdout;
        expect(names).toContain("trio-worker");
        const began = performance.now();
        ok(podman("pod", "stop", "-t", "30", "trio-web-pod-0"));
        expect(performance.now() - began).toBeLessThan(15_000);
      },
    );
  }, unlessLong);
