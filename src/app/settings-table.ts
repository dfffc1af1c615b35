import {
  address,
  boolean,
  choice,
  directories,
  domain,
  firstPort,
  type Kind,
  line,
  list,
  number,
  ownFile,
  passwordHash,
  percent,
  port,
  seconds,
  serverNames,
  size,
  spanOfTime,
} from "./setting-kinds.ts";

/** Where a setting counts: in an app's ENV, in the board's (`~/.piku/ENV`), or in either. */
type Scope = "app" | "board" | "both";

/** What piku knows of a setting. */
export interface Row<T> {
  kind: Kind<T>;
  scope: Scope;
  /** What it does, in Markdown, for the reference page. */
  says: string;
}

const row =
  (scope: Scope) =>
  <T>(kind: Kind<T>, says: string): Row<T> => ({ kind, scope, says });
/** Of one app alone. */
const app = row("app");
/** Of an app, or of all apps of a board. */
const both = row("both");
/** Of the board itself. */
const board = row("board");

const site = {
  NGINX_SERVER_NAME: app(
    serverNames(),
    "The app's names, with commas between them. An app without a name has no site; an empty value keeps it from getting one below `PIKU_DOMAIN`.",
  ),
  NGINX_DEFAULT: app(
    boolean(false),
    "This app answers for names that no site has, so it can be reached by the board's address. One app at a time; on a shared nginx not beside a default site of the server's own.",
  ),
  NGINX_REDIRECT_FROM: app(
    serverNames(),
    "Other names, from which visitors are redirected to the first of `NGINX_SERVER_NAME`.",
  ),
  NGINX_HTTPS_ONLY: both(boolean(false), "Redirect http to https."),
  PIKU_PASSWORD: both(
    passwordHash(),
    "Visitors must give this password; the user's name is the app's, or `piku`. `config:set` keeps a hash of it only, and the app does not get it. For the whole board it also closes the board's page, and an empty value opens one app. Challenges of a certificate authority are answered without. Not on a shared nginx.",
  ),
  NGINX_STATIC_PATHS: app(
    list({ noun: "mapping", title: "mappings", hint: "write /url:folder, such as /static:public" }),
    "`/url:folder,/url2:folder2`: directories that nginx serves by itself. They belong to the app, its dependencies or its data; others must be in `PIKU_FOLDERS`.",
  ),
  NGINX_CATCH_ALL: both(
    line("path", "write a path, such as /index.html or /index.php", /^(?!.*\.\.)\/?[\w.~/-]+$/),
    "The file of the static folder that is served for paths that do not exist, such as `/index.html`. With `php`: the script that runs for them, such as `/index.php`.",
  ),
  NGINX_MAX_BODY_SIZE: both(
    line("size", "write a size, such as 50m; 0 is no limit", /^\d{1,9}[kmg]?$/i, "20m"),
    "How large a request to the app may be, such as an upload; visitors see `413` otherwise. PHP has limits of its own, in `php.ini`: `upload_max_filesize` (2M) and `post_max_size` (8M).",
  ),
  NGINX_CLOUDFLARE_ACL: both(
    boolean(false),
    "Let in only Cloudflare, the board itself and the address that the last deploy came from.",
  ),
  NGINX_INCLUDE_FILE: app(
    ownFile(),
    "A file of the app with directives for nginx's server block. `$NAME` becomes the value of a setting; a server name of another app is refused.",
  ),
  NGINX_ALLOW_GIT_FOLDERS: both(boolean(false), "Serve `.git`, which is otherwise hidden."),
  NGINX_LOG: both(
    boolean(false),
    "Log this app's requests to `logs/APP/` instead of nginx's global logs; rotated above 1 MB.",
  ),
};

const cache = {
  NGINX_CACHE_PREFIXES: both(
    list({
      noun: "path prefix",
      title: "path prefixes",
      hint: "write paths with commas between them, such as /thumbnails,/sitemap.xml",
      isValid: (item) => /^[\w.~%+@/-]+$/.test(item.trim()),
      clean: (item) => item.trim().replace(/^\/+/, ""),
    }),
    "`/url,/url2`: nginx caches what the app answers below these paths. Without it nothing is cached. A deploy does not empty the cache, `destroy` removes it.",
  ),
  NGINX_CACHE_TIME: both(seconds(3600), "How long good answers are cached."),
  NGINX_CACHE_REDIRECTS: both(seconds(3600), "How long redirects are cached."),
  NGINX_CACHE_ANY: both(seconds(3600), "How long all other answers but errors are cached."),
  NGINX_CACHE_CONTROL: both(seconds(3600), "How long browsers may keep a cached answer."),
  NGINX_CACHE_EXPIRY: both(seconds(86_400), "What nobody asks for that long is removed."),
  NGINX_CACHE_SIZE: both(
    number(1, { noun: "number of gigabytes", example: 2 }),
    "How large the cache may become; at least 1.",
  ),
  NGINX_CACHE_PATH: app(
    line("directory", "write an absolute path, or leave it out", /^\//),
    "The directory of the cache instead of `cache/APP/nginx`: below `cache/APP`, or in `PIKU_FOLDERS`. It must be empty: nginx removes what it does not know.",
  ),
};

const certificateSettings = {
  ACME_ROOT_CA: both(
    line(
      "authority",
      "write the name of an authority, such as letsencrypt.org, or the https address of its directory",
      /^(https?:\/\/[!-~]+|(?!-)[\w.-]+)$/,
      "letsencrypt.org",
    ),
    "The authority that certificates come from: its name, or the address of its directory.",
  ),
  ACME_ROOT: both(line("directory", ""), "Where acme.sh is installed, instead of `~/.acme.sh`."),
};

const addressSettings = {
  PORT: app(
    port(),
    "A port of your choice for `web`. A fixed port means a short gap at each deploy.",
  ),
  BIND_ADDRESS: both(
    line("address", "write 127.0.0.1 or 0.0.0.0", /^[\w.:[\]-]+$/, "127.0.0.1"),
    "The address that `web` listens on.",
  ),
  NGINX_IPV4_ADDRESS: both(
    address("0.0.0.0", /^\d{1,3}(\.\d{1,3}){3}$/),
    "The IPv4 address that the site listens on. Refused while other apps listen everywhere: nginx would no longer ask them for what comes to this address.",
  ),
  NGINX_IPV6_ADDRESS: both(
    address("[::]", /^\[[0-9a-fA-F:.]+\]$/),
    "The IPv6 address that the site listens on, in brackets.",
  ),
  DISABLE_IPV6: both(boolean(false), "Listen on IPv4 only."),
};

const uwsgi = {
  UWSGI_PROCESSES: both(number(2), "Processes of each worker inside uWSGI."),
  UWSGI_THREADS: both(number(4), "Threads of each process of a `wsgi` or `jwsgi` worker."),
  UWSGI_ENABLE_THREADS: both(boolean(true, true), "Let Python start threads of its own."),
  UWSGI_GEVENT: both(
    number(0, { example: 100 }),
    "Requests at a time in each process of a `wsgi` worker, by gevent instead of threads (`uwsgi-plugin-gevent-python3`).",
  ),
  UWSGI_ASYNCIO: both(
    number(0, { example: 100 }),
    "The same, by asyncio (on Debian 12 `uwsgi-plugin-asyncio-python3`).",
  ),
  UWSGI_LISTEN: both(number(48), "How many connections may wait to be accepted."),
  UWSGI_MAX_REQUESTS: both(
    number(1024),
    "Recycle a uWSGI process after this many requests. With threads only where it is set: uWSGI 2.0 may then stop answering for up to `PIKU_GRACE` seconds, so set `UWSGI_THREADS=1` with it.",
  ),
  UWSGI_IDLE: both(
    number(0, { noun: "number of seconds" }),
    "Seconds without a request after which a worker inside uWSGI stops its processes; the next request starts them again. 0: never.",
  ),
  PIKU_IDLE: both(
    spanOfTime(),
    "`15m`, `2h`, `false`: when nobody has asked for that long, a worker that nginx asks leaves memory; the next request starts it, and waits for that ([what sleeps](../guides/limits.md#apps-that-sleep)). Takes the place of `UWSGI_IDLE`.",
  ),
  UWSGI_LOG_MAXSIZE: both(
    number(1_048_576, { noun: "number of bytes" }),
    "Rotate a log of a process when it is this large.",
  ),
  UWSGI_LOG_X_FORWARDED_FOR: both(
    boolean(false, true),
    "Log the address in `X-Forwarded-For` instead of the one that connects.",
  ),
  UWSGI_INCLUDE_FILE: app(ownFile(), "A file of the app with lines `option = value` for uWSGI."),
};

const deploys = {
  PIKU_BRANCH: both(
    line("branch", "write a branch's name, such as main", /^[^\s~^:?*[\\]+$/),
    "The one branch that a push deploys; git takes others, and `deploy APP BRANCH` deploys them. Unless set, the branch pushed last is live.",
  ),
  PIKU_HEALTHCHECK: both(
    line(
      "path",
      "write a path of the app that answers quickly, such as /health, or false",
      /^(\/[!-~]*|false)$/,
    ),
    "A path that must answer 2xx or 3xx before a new worker is healthy. Without it a `web` process must answer `GET /` with any status; `false`: it is enough that it listens.",
  ),
  PIKU_HEALTHCHECK_TIMEOUT: both(
    seconds(60),
    "How long a new worker may take to become healthy. One that has it set is also waited for when it listens on another port first.",
  ),
  PIKU_GRACE: both(seconds(30), "How long an old worker may take for its last requests."),
  PIKU_OVERLAP: both(
    boolean(true),
    "Start the new processes beside the old ones. `false` stops the old ones first, for boards without the memory for both.",
  ),
  PIKU_AUTO_RESTART: both(
    boolean(true),
    "`false`: a push, `deploy` or `config:set` goes live and leaves the running workers as they are, until `restart`.",
  ),
  AUTO_RESTART: both(boolean(true), "The old name of `PIKU_AUTO_RESTART`."),
};

const isolationSettings = {
  PIKU_ISOLATION: both(
    boolean(false, true),
    "`true`: the app's processes and builds see nothing of other apps and of piku: no files, settings, sockets or processes. In the board's ENV it holds for all apps, whatever theirs say.",
  ),
};

const limitSettings = {
  PIKU_MEMORY: both(
    size(),
    "The most memory of the app, such as `200M`; what needs more is ended. `PIKU_MEMORY_WORKER` is for each process of one kind, `_BUILD`, `_RELEASE` and `_RUN` for what piku runs besides ([limits](../guides/limits.md)). An app can only have less than the board says.",
  ),
  PIKU_PROCESSES: both(
    number(undefined, { noun: "number of processes", min: 1, example: 50 }),
    "The most processes of the app, threads included; of one kind likewise.",
  ),
  PIKU_CPU: both(
    percent(),
    "The share of the server's processors that the app may use, such as `25%`; on one with four, that is one of them. Of one kind likewise. It needs control groups.",
  ),
};

const runtimeSettings = {
  PYTHON_VERSION: both(
    line("version", "write it as 3 or 3.11", /^[\w.+@-]+$/),
    "The version of Python, such as `3.11`. It must be installed, except with uv.",
  ),
  NODE_VERSION: both(
    line("version", "write it as 20.11.1", /^v?(\d+(\.\d+){0,2}|lts|latest)$/),
    "The version of Node, such as `20.11.1`, `lts` or `latest`. Where the board has another one, nodeenv gets it.",
  ),
  NODE_PACKAGE_MANAGER: both(
    line("package manager", ""),
    "`npm`, `yarn`, `pnpm` or `bun`, with options after it if need be: `npm --package-lock=false`. Without it `package-lock.json`, `packageManager` in package.json or another lock file decides, else npm.",
  ),
};

const boardwide = {
  PIKU_DOMAIN: board(
    domain(),
    "Apps without `NGINX_SERVER_NAME` are served at `APP.DOMAIN`; an empty `NGINX_SERVER_NAME` opts out.",
  ),
  PIKU_DEFAULT_APP: board(
    line("app", ""),
    "The app that answers for names that no site has, unless its `NGINX_DEFAULT` says otherwise.",
  ),
  PIKU_HTTP_PORT: board(port(80), "The http port of all sites."),
  PIKU_HTTPS_PORT: board(port(443), "The https port of all sites."),
  PIKU_FIRST_PORT: board(
    firstPort(),
    "An app that serves and has no name gets a port of nginx's own, the first that is free from this one on: from 8001 unless set, and only while the board's address is one of a private network. Set, it counts on any network; `false` turns it off. A `PORT`, a `BIND_ADDRESS` or an empty `NGINX_SERVER_NAME` keeps an app from getting one.",
  ),
  PIKU_PAGE: board(
    choice("true", "false"),
    "The page at `http://BOARD/` that lists the apps, made anew at each change and each hour. Unless set, readers on the board's own network see it, by its name or its address; `true` shows it to everybody, `false` to nobody. On an nginx that is shared with other sites only `true` does, by the board's name; by its addresses too while nothing else answers there.",
  ),
  PIKU_FOLDERS: board(
    directories(),
    "`/srv/photos:/mnt/usb`: directories outside of the apps' own that apps may serve and cache in. Before piku's own nginx can write into one, root must allow it: `systemctl edit piku-web` with the lines `[Service]` and `ReadWritePaths=/srv/photos`, then `systemctl restart piku-web`.",
  ),
  PIKU_NGINX: board(
    choice("own", "shared"),
    "`shared`: sites are served by the distribution's nginx, beside other sites; `own`: by one of piku's own. `install.sh` sees to it.",
  ),
  PIKU_NGINX_RELOAD: board(
    line("command", ""),
    "The command that reloads a shared nginx, on a board that was set up by hand.",
  ),
  PIKU_MAX_PUSH: board(
    line("size", "write a size, such as 500m or 2g", /^\d{1,9}[kmg]?$/i, "1g"),
    "How large a push may be. A larger one is refused; if it is more than twice as large, git says only `pack exceeds maximum allowed size`.",
  ),
  PIKU_MAX_FILES: board(
    number(100_000, { noun: "number of files", min: 1, max: 9_999_999, example: 200_000 }),
    "How many files and directories a commit may have.",
  ),
  PIKU_CLOUDFLARE_IPS: board(
    line("address", "", undefined, "https://api.cloudflare.com/client/v4/ips"),
    "Where Cloudflare's IP ranges are downloaded from.",
  ),
  PIKU_RELEASES: board(
    line("address", ""),
    "A directory or a URL with releases of piku, for `update`.",
  ),
  PIKU_UPDATE: board(
    choice("auto", "check", "false"),
    "Whether the daily run looks at `PIKU_RELEASES` for a newer release: unless set it does (`check`), and `doctor` and the board's page say so; with `auto` it takes it, and takes it back if `doctor` then finds fault with the emperor, nginx, a site or a process that were well before.",
  ),
};

/** The settings in the order of the reference page (docs/reference/settings.md), by section. */
export const sections: Record<string, Record<string, Row<unknown>>> = {
  "The site": site,
  "What nginx caches": cache,
  Certificates: certificateSettings,
  Addresses: addressSettings,
  uWSGI: uwsgi,
  Deploys: deploys,
  "Walls between apps": isolationSettings,
  Limits: limitSettings,
  Runtimes: runtimeSettings,
  "The board": boardwide,
};

/** Every setting that piku reads: a new one is a row above, and its use. */
export const table = {
  ...site,
  ...cache,
  ...certificateSettings,
  ...addressSettings,
  ...uwsgi,
  ...deploys,
  ...isolationSettings,
  ...limitSettings,
  ...runtimeSettings,
  ...boardwide,
};

/** The name of a setting in the table. */
export type SettingName = keyof typeof table;

/** What a setting is once it has been read. */
export type Value<Name extends SettingName> = (typeof table)[Name] extends Row<infer T> ? T : never;

/** What is limited, by the name of its setting. */
export const limitNames = Object.keys(limitSettings) as (keyof typeof limitSettings)[];

/** The limit that a setting is, perhaps of one kind of worker, such as `PIKU_MEMORY_WORKER`. */
export const limitOf = (key: string) =>
  limitNames.find((name) => key === name || (key.startsWith(`${name}_`) && key !== `${name}_`));
