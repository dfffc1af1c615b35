/** Frameworks as their own templates are, from npm. */
import { expect } from "bun:test";
import { type Files, ok } from "../e2e/sandbox.ts";
import { stories, unlessLong } from "../e2e/story.ts";

/** What `create-next-app` makes, without its styles. */
const next: Files = {
  Procfile: "web: exec next start -H $BIND_ADDRESS -p $PORT\n",
  ENV: "NGINX_SERVER_NAME=next.test\nNEXT_TELEMETRY_DISABLED=1\n",
  "package.json": JSON.stringify({
    private: true,
    scripts: { dev: "next dev", build: "next build", start: "next start" },
    dependencies: { next: "16.0.3", react: "19.2.0", "react-dom": "19.2.0" },
    devDependencies: { "@types/node": "20.19.25", "@types/react": "19.2.6", typescript: "5.9.3" },
  }),
  "app/layout.tsx":
    "export default function Root({ children }: { children: React.ReactNode }) {\n  return <html><body>{children}</body></html>;\n}\n",
  "app/page.tsx": "export default function Page() {\n  return <h1>Hello from Next</h1>;\n}\n",
};

/** What `sv create` makes, with the adapter for Node. */
const svelte: Files = {
  Procfile: "web: HOST=$BIND_ADDRESS exec node build\n",
  ENV: "NGINX_SERVER_NAME=svelte.test\n",
  "package.json": JSON.stringify({
    private: true,
    type: "module",
    scripts: { dev: "vite dev", build: "vite build", prepare: "svelte-kit sync || echo ''" },
    devDependencies: {
      "@sveltejs/adapter-node": "5.4.0",
      "@sveltejs/kit": "2.49.0",
      "@sveltejs/vite-plugin-svelte": "6.2.1",
      svelte: "5.45.2",
      vite: "7.2.4",
    },
  }),
  "svelte.config.js":
    'import adapter from "@sveltejs/adapter-node";\nexport default { kit: { adapter: adapter() } };\n',
  "vite.config.js":
    'import { sveltekit } from "@sveltejs/kit/vite";\nexport default { plugins: [sveltekit()] };\n',
  "src/app.html":
    "<!doctype html><html><head>%sveltekit.head%</head><body><div>%sveltekit.body%</div></body></html>\n",
  "src/routes/+page.svelte": "<h1>Hello from Svelte</h1>\n",
};

stories((board, story) => {
  for (const [name, files, page] of [
    ["next", next, "app/page.tsx"],
    ["svelte", svelte, "src/routes/+page.svelte"],
  ] as const)
    story(
      `${name}: its template is built and answers; a second push installs nothing`,
      async () => {
        const app = board.repo(undefined, files);
        const first = ok(await board.pushing(app, name));
        const served = () => board.get("/", { host: `${name}.test` });
        expect(served()).toMatchObject({
          status: 200,
          body: expect.stringContaining("Hello from"),
        });
        app.commit("Second", { [page]: String(files[page]).replace("Hello", "Goodbye") });
        const second = ok(await board.pushing(app, name));
        expect(second.output).not.toContain("Running npm install");
        expect(served().body).toContain("Goodbye from");
        console.log(`${name}: ${Math.round(first.ms)} ms, again ${Math.round(second.ms)} ms`);
      },
    );
}, unlessLong);
