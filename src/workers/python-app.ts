import { printable } from "../text/text.ts";
import type { Scene } from "./cause.ts";

/** The module and the callable of `wsgi: app:app`, `gunicorn -w 2 app:app`, `uvicorn main:app`. */
export function target({ kind, command }: Scene): { module: string; callable: string } | undefined {
  const words =
    kind === "wsgi"
      ? [command]
      : command.split(/\s+/).filter((word) => /^[A-Za-z_][\w.]*:[A-Za-z_]/.test(word));
  const [module, callable = "application"] = words.at(-1)?.split(":") ?? [];
  return module ? { module, callable: callable.replace(/\(.*/, "") } : undefined;
}

/** The file of a module. */
export const fileOfModule = (module: string) => `${module.replaceAll(".", "/")}.py`;

/** The source of a module of the app, and its file. */
export function moduleOf(
  { read }: Scene,
  module: string,
): { file: string; source: string } | undefined {
  return [fileOfModule(module), `${module.replaceAll(".", "/")}/__init__.py`].flatMap((file) => {
    const source = read(file);
    return source === undefined ? [] : [{ file, source }];
  })[0];
}

const made =
  /^(\w+)[ \t]*(?::[^=\n]+)?=[ \t]*(?:[\w.]+\.)?(?:Flask|FastAPI|Bottle|default_app|Starlette|Quart|Sanic|Litestar|Robyn|App|API|Application|WSGIApplication|get_[aw]sgi_application|make_wsgi_app|create_app|make_app|build_app)\(/gm;
const factory = /^(?:async )?def (create_app|make_app|build_app|get_app)\(\s*\)/gm;
const function3 = /^(?:async )?def (\w+)\(\s*\w+\s*,\s*\w+\s*(?:,\s*\w+\s*)?\)/gm;

/** What of a Python file a server can run, as it stands behind the colon; the best first. */
export function callables(source: string): string[] {
  const namesOf = (pattern: RegExp) => [...source.matchAll(pattern)].map(([, name]) => name!);
  return [
    ...namesOf(made),
    ...namesOf(factory).map((name) => `${name}()`),
    ...namesOf(function3).filter((name) => /^app|^application/.test(name)),
    ...namesOf(function3),
    ...namesOf(/^(app|application|server|api)[ \t]*=[ \t]*[^=]/gm),
  ].filter((name, index, all) => all.indexOf(name) === index);
}

/** A file of the app's that has something to serve: `main:app`. */
export function servable(scene: Pick<Scene, "names" | "read">): string | undefined {
  const files = ["app.py", "main.py", "wsgi.py", "server.py", "application.py", ...scene.names];
  for (const file of files.filter((name) => /^\w+\.py$/.test(name)).slice(0, 30)) {
    const [callable] = callables(scene.read(file) ?? "");
    if (callable) return `${file.slice(0, -3)}:${callable}`;
  }
  return undefined;
}

/** The Procfile's line of the app with another target. */
export const lineWith = ({ kind, command }: Scene, was: string, now: string) =>
  `${kind}: ${printable(kind === "wsgi" ? now : command.replace(was, /[()]/.test(now) ? `'${now}'` : now))}`;

/** What is wrong with the name behind the colon; undefined when nothing is. */
export function wrongCallable(scene: Scene, name?: string): string | undefined {
  const wanted = target(scene);
  if (!wanted) return undefined;
  const callable = name ?? wanted.callable;
  const line = `(Procfile: ${scene.kind}: ${printable(scene.command)})`;
  const found = moduleOf(scene, wanted.module);
  if (!found) return undefined;
  const [has] = callables(found.source);
  if (has === callable) return undefined;
  return `${found.file} has no '${callable}' ${line}${has ? `; it has '${has}'` : ""}`;
}

/** The Procfile's line with the name that is there. */
export function rightCallable(scene: Scene): string {
  const wanted = target(scene);
  const [has] = callables((wanted && moduleOf(scene, wanted.module)?.source) ?? "");
  const other = has ? `${wanted?.module}:${has}` : servable(scene);
  return other
    ? `Procfile: ${lineWith(scene, `${wanted?.module}:${wanted?.callable}`, other)}`
    : `the name behind the colon is that of the app in the file: app = Flask(__name__) is app:app`;
}

/** The dotted name of a Django project's WSGI module. */
export function djangoModule({ names, read }: Pick<Scene, "names" | "read">): string {
  const named = /DJANGO_SETTINGS_MODULE["'],\s*["'](\w+)\./.exec(read("manage.py") ?? "")?.[1];
  const folder = names.find((name) => name.endsWith("/") && read(`${name}wsgi.py`) !== undefined);
  return `${named ?? folder?.slice(0, -1) ?? "NAME"}.wsgi`;
}
