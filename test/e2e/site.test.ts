import { expect } from "bun:test";
import { createHash } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import { webProbe, wsgiProbe } from "./probe.ts";
import { fails, ok } from "./sandbox.ts";
import { anyBoard, stories } from "./story.ts";

/** Answers a websocket handshake and sends back what it gets. */
const echoServer = `import base64, hashlib, os, socket, threading


def serve(client):
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        head += client.recv(4096)
    lines = head.decode().split("\\r\\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
    if headers.get("upgrade") != "websocket" or "upgrade" not in headers.get("connection", "").lower():
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nplain")
        return client.close()
    key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    client.sendall(f"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: {accept}\\r\\n\\r\\n".encode())
    while data := client.recv(4096):
        client.sendall(data)


listener = socket.create_server((os.environ["BIND_ADDRESS"], int(os.environ["PORT"])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
`;

stories((board, story) => {
  for (const [kind, probe] of [
    ["web", webProbe],
    ["wsgi", wsgiProbe],
  ] as const)
    story(`http and https, headers and gzip for a ${kind} app`, () => {
      const host = `headers-${kind}.test`;
      ok(board.push(board.repo(undefined, probe(host)), `headers-${kind}`));
      const plain = board.get("/headers?a=b%20c", { host });
      expect(plain.headers["x-deployed-by"]).toBe("Piku");
      expect(plain.body).toMatch(
        new RegExp(`^(HTTP_)?X_FORWARDED_FOR=${board.clientAddress}$`, "m"),
      );
      expect(plain.body).toMatch(new RegExp(`^HTTP_HOST=${host}`, "m"));
      expect(plain.body).toContain("QUERY_STRING=a=b%20c");
      const secure = board.get("/headers", { host, https: true });
      expect(secure.status).toBe(200);
      if (kind === "web") expect(secure.body).toMatch(/X_FORWARDED_PROTO=https/);
      const zipped = board.get("/long", { host, headers: { "Accept-Encoding": "gzip" } });
      expect(zipped.headers["content-encoding"]).toBe("gzip");
      const shown = board.run([
        "openssl",
        "s_client",
        "-connect",
        `${board.address}:${board.httpsPort}`,
        "-servername",
        host,
      ]);
      const names = ["openssl", "x509", "-noout", "-ext", "subjectAltName"];
      expect(ok(board.run(names, { input: ok(shown).stdout })).stdout).toContain(`DNS:${host}`);
    });

  story("NGINX_HTTPS_ONLY redirects", () => {
    const files = webProbe("only.test");
    ok(
      board.push(
        board.repo(undefined, { ...files, ENV: `${files.ENV}NGINX_HTTPS_ONLY=true\n` }),
        "only",
      ),
    );
    const answer = board.get("/page?x=1", { host: "only.test" });
    expect(answer.status).toBe(301);
    expect(answer.headers.location).toMatch(/^https:\/\/only\.test(:\d+)?\/page\?x=1$/);
    expect(board.get("/", { host: "only.test", https: true }).body).toBe("one");
  });

  story("several server names, with a comma or a blank between", () => {
    ok(
      board.push(
        board.repo(undefined, {
          ...webProbe("x"),
          ENV: "NGINX_SERVER_NAME=a.test,b.test c.test\n",
        }),
        "many",
      ),
    );
    for (const host of ["a.test", "b.test", "c.test"])
      expect(board.get("/", { host }).body).toBe("one");
    ok(board.ssh("config:set", "many", "NGINX_SERVER_NAME=d.test"));
    expect(board.get("/", { host: "d.test" }).body).toBe("one");
    expect(board.get("/", { host: "a.test" }).status).toBe(404);
  });

  story("a websocket goes through", async () => {
    ok(
      board.push(
        board.repo(undefined, { ...webProbe("socket.test"), "app.py": echoServer }),
        "socket",
      ),
    );
    const key = "dGhlIHNhbXBsZSBub25jZQ==";
    const accept = createHash("sha1")
      .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    const received = await new Promise<string>((resolve, reject) => {
      const client = net.connect(board.httpPort, board.address);
      let text = "";
      client.setTimeout(5000, () => reject(new Error(`nothing more after: ${text}`)));
      client.on("error", reject);
      client.on("data", (data) => {
        text += data;
        if (text.endsWith("\r\n\r\n")) client.write("there and back");
        if (text.includes("there and back") || text.includes("plain")) {
          client.destroy();
          resolve(text);
        }
      });
      const lines = [
        "GET /chat HTTP/1.1",
        "Host: socket.test",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Key: ${key}`,
        "Sec-WebSocket-Version: 13",
      ];
      client.write(`${lines.join("\r\n")}\r\n\r\n`);
    });
    expect(received).toContain("101 Switching Protocols");
    expect(received).toContain(accept);
    expect(received).toContain("there and back");
    expect(board.get("/", { host: "socket.test" }).body).toBe("plain");
  });

  story("static files: nothing outside, no dotfiles, no git, no settings", () => {
    const app = board.repo(undefined, {
      ...webProbe("files.test"),
      ENV: "NGINX_SERVER_NAME=files.test\nNGINX_STATIC_PATHS=/static:public,/more/:public/sub\nSECRET=do-not-show\n",
      "public/file.txt": "a file\n",
      "public/sub/deep.txt": "deep\n",
      "public/.secret": "do-not-show\n",
      "public/.git-like/config": "do-not-show\n",
      "public/.well-known/thing": "well known\n",
    });
    fs.symlinkSync("file.txt", `${app.folder}/public/same.txt`);
    app.commit("A link to a neighbour");
    ok(board.push(app, "files"));
    // A link that leads out of the app is refused with the push, and names itself.
    for (const [link, to] of [
      ["passwd", "/etc/passwd"],
      ["root", "/"],
      ["above", "../../../../ENV"],
    ] as const) {
      fs.symlinkSync(to, `${app.folder}/public/${link}`);
      app.commit("A link out");
      expect(fails(board.push(app, "files"), 1).output).toContain(`public/${link}`);
      app.commit("No link", { [`public/${link}`]: null });
    }
    const get = (url: string) => board.get(url, { host: "files.test" });
    expect(get("/static/file.txt").body).toBe("a file\n");
    expect(get("/static/same.txt").body).toBe("a file\n");
    expect(get("/more/deep.txt").body).toBe("deep\n");
    expect(get("/").body).toBe("one");
    const bad = [
      "/static../ENV",
      "/static/../ENV",
      "/static/%2e%2e/ENV",
      "/static../public/file.txt",
      "/static../.git/config",
      "/more../ENV",
      "/more/../../ENV",
      "/.git/config",
      "/.git/HEAD",
      "/static/.secret",
      "/static/.git-like/config",
      "/static/passwd",
      "/static/root/etc/passwd",
      "/ENV",
      "/Procfile",
    ];
    for (const url of bad) {
      const { status, body } = get(url);
      expect(`${url}: ${body}`).not.toMatch(
        /do-not-show|SECRET|root:x|\[core\]|refs\/heads|a file/,
      );
      // What is not below a static path goes to the app, which knows no such page and says so in
      // its own way.
      if (url.startsWith("/static/") && !url.includes("..") && !url.includes("%2e"))
        expect(`${url}: ${status}`).toMatch(/: 40[34]$/);
    }
    expect(get("/.git/config").status).toBeOneOf([403, 404]);
  });

  story("a static site of the whole tree does not serve its settings or its history", () => {
    const app = board.repo(undefined, {
      Procfile: "static: /\n",
      ENV: "NGINX_SERVER_NAME=tree.test\nSECRET=do-not-show\n",
      "index.html": "the front page\n",
    });
    const push = board.push(app, "tree");
    if (push.status !== 0) return expect(push.output).toMatch(/static/);
    expect(board.get("/", { host: "tree.test" }).body).toBe("the front page\n");
    for (const url of ["/ENV", "/Procfile", "/.git/config", "/.git/HEAD", "/.gitignore"])
      expect(`${url}: ${board.get(url, { host: "tree.test" }).status}`).toMatch(/: 40[34]$/);
  });
}, anyBoard);
