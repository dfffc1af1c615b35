import { printable } from "../text/text.ts";
import { type Cause, isAtTop, meant } from "./cause.ts";
import { mendAt } from "./causes-python.ts";

const gems: Record<string, string> = {
  "sinatra/base": "sinatra",
  active_record: "activerecord",
  "rack/handler/puma": "puma",
  rackup: "rackup",
  pg: "pg",
  "dotenv/load": "dotenv",
  "bundler/setup": "bundler",
};

const gemOf = (file: string) => gems[file] ?? file.split("/")[0]!;

const mendLock = "bundle install, commit Gemfile and Gemfile.lock, and push";

/** Words of Ruby's and of Bundler's. */
export const rubyCauses: readonly Cause[] = [
  [
    /^ruby: No such file or directory -- (\S+) \(LoadError\)|cannot load such file -- (\/?[\w./-]+\.rb|\.{1,2}\/\S+|\S*\/apps\/\S+)(?: \(LoadError\))?$/,
    ([, script, file], { names }) =>
      `there is no ${script || file} in this commit${meant(script || file!, names)}`,
    ([, script, file]) => `mend the name, or git add ${script || file}; commit and push`,
  ],
  [
    /cannot load such file -- (\S+)/,
    ([, file], scene) =>
      isAtTop(scene, `${file}.rb`)
        ? `'${file}' is a file of the app, which require does not look for there`
        : `the gem '${gemOf(file!)}' is not installed`,
    ([, file], scene) =>
      isAtTop(scene, `${file}.rb`)
        ? `write require_relative "${file}", commit and push`
        : `write gem "${gemOf(file!)}" into the Gemfile, ${mendLock}`,
  ],
  [
    /Your bundle only supports platforms.*but your local platform\s+is (\S+?)\.\s/,
    "Gemfile.lock is not made for the server's platform, $1",
    "bundle lock --add-platform $1, commit Gemfile.lock and push",
  ],
  [
    /Your Ruby version is ([\d.]+), but your Gemfile specified (\S+)/,
    "the Gemfile asks for Ruby $2, and the server has Ruby $1",
    'write ruby ">= $1" into the Gemfile, bundle install, commit Gemfile and Gemfile.lock, and push',
  ],
  [
    /You are trying to install in deployment mode after changing|The (?:dependencies|gemspecs) (?:in|for) your gemfile changed|the lockfile (?:can't|cannot) be updated because frozen mode is set/i,
    "Gemfile.lock is not in step with the Gemfile",
    mendLock,
  ],
  [
    /deployment setting requires a lockfile|requires a (?:Gemfile\.lock|lockfile)/i,
    "there is no Gemfile.lock in this commit",
    mendLock,
  ],
  [
    /You must use Bundler (\d+) or greater with this lockfile/,
    "Gemfile.lock was made by a newer Bundler than the server's",
    "on the server: gem install bundler",
  ],
  [
    /^(?:bundler: (?:failed to load command|command not found): |can't find executable )(\S+)/,
    "the Gemfile does not bring '$1'",
    ([, tool]) => `write gem "${tool}" into the Gemfile, ${mendLock}`,
  ],
  [
    /^Could not find (?:gem )?'?([\w-]+?)(?:-\d[\w.]*)?(?: \(.*?\))?'?(?:,| in | with )/,
    "the gem '$1' cannot be found or is not installed",
    `mend its name and version in the Gemfile, ${mendLock}`,
  ],
  [
    /^Could not locate Gemfile/,
    "there is no Gemfile in this commit",
    "bundle init, git add Gemfile Gemfile.lock, commit and push",
  ],
  [
    /An error occurred while installing ([\w-]+) \(.*?\), and Bundler cannot continue/,
    "the gem '$1' has to be compiled, and the server lacks something for that",
    ([, gem]) =>
      `on the server: sudo apt install ruby-dev build-essential${({ pg: " libpq-dev", mysql2: " default-libmysqlclient-dev", sqlite3: " libsqlite3-dev", nokogiri: " libxml2-dev libxslt1-dev", ffi: " libffi-dev", psych: " libyaml-dev", rmagick: " libmagickwand-dev", charlock_holmes: " libicu-dev" } as Record<string, string>)[gem!] ?? ""}`,
  ],
  [
    /Missing `secret_key_base` for '(\w+)' environment/,
    "Rails has no SECRET_KEY_BASE",
    "config:set $APP SECRET_KEY_BASE=…, with what `rails secret` prints, then push again",
  ],
  [
    /Missing encryption key to decrypt file with|Couldn't decrypt config\/credentials/,
    "Rails cannot read its credentials without the key",
    "config:set $APP RAILS_MASTER_KEY=…, with what is in config/master.key; then push again",
  ],
  [
    /Could not find a JavaScript runtime/,
    "a gem wants a JavaScript runtime, and the server has none",
    "on the server: sudo apt install nodejs",
  ],
  [
    /configuration (\S+\.ru) not found|No application configured, nothing to run/,
    "there is no config.ru in this commit",
    "git add config.ru, commit and push",
  ],
  [
    /No such file or directory @ rb_sysopen - (\S+)/,
    ([, file], { names }) => `there is no file '${file}'${meant(file!, names)}`,
    ([, file]) => `mend its name, or git add ${file}; commit and push`,
  ],
  [
    /key not found: "(\w+)" \(KeyError\)/,
    "the setting '$1' is missing",
    "config:set $APP $1=…, then push again",
  ],
  [
    // Rack reads config.ru by a line of its own, which stands in front.
    /^\S*?(?:[\w./-]+\.rb:\d+:in .*?: )?([\w./-]+\.r[bu]):(\d+):.*?(syntax errors? ?found|syntax error)(.*)$/,
    ([, file, line, , text]) =>
      `${file} line ${line}: syntax error${text!.replace(/\(SyntaxError\)/, "").trimEnd()}`,
    ([, file]) => `mend it, commit and push; ruby -c ${file} finds it on your machine`,
  ],
  [/^! Unable to load application: (\w+(?:::\w+)*): (.*)$/, "$1: $2", (_, __, log) => mendAt(log)],
  [
    /^(?:\S*?:)?([\w./-]+\.r[bu]):(\d+):in .*?: (.*) \((\w+(?:::\w+)*)\)$/,
    "$4: $3",
    (_, __, log) => mendAt(log),
  ],
];

/** Packages of Debian that bring a class or a function of PHP's. */
const phpPackages: readonly [RegExp, string][] = [
  [/^mysqli|^pdo_mysql|mysql/i, "php-mysql"],
  [/^pg_|pgsql/i, "php-pgsql"],
  [/^sqlite/i, "php-sqlite3"],
  [/^curl/i, "php-curl"],
  [/^mb_|mbstring/i, "php-mbstring"],
  [/^simplexml|^xml|^dom|^libxml/i, "php-xml"],
  [/^image|^gd/i, "php-gd"],
  [/^zip/i, "php-zip"],
  [/^intl|^Normalizer|^NumberFormatter|^IntlDate/i, "php-intl"],
  [/^gmp/i, "php-gmp"],
  [/^bc/i, "php-bcmath"],
  [/^soap/i, "php-soap"],
  [/^imagick/i, "php-imagick"],
  [/^redis/i, "php-redis"],
  [/^ldap/i, "php-ldap"],
  [/^apcu/i, "php-apcu"],
];

const phpPackage = (name: string) => phpPackages.find(([pattern]) => pattern.test(name))?.[1];

const drivers: Record<string, string> = {
  mysql: "php-mysql",
  pgsql: "php-pgsql",
  sqlite: "php-sqlite3",
};

/** Words of PHP's and of Composer's. */
export const phpCauses: readonly Cause[] = [
  [
    /Parse error: +(.*) in (\S+?)(?: on line |:)(\d+)/,
    "$2 line $3: $1",
    "mend it, commit and push; php -l $2 finds it on your machine",
  ],
  [
    /could not find driver/,
    "PHP has no driver for the database",
    (_, { read, names }) => {
      const text = names
        .filter((name) => name.endsWith(".php"))
        .map((name) => read(name) ?? "")
        .join("\n");
      const driver = /["'](mysql|pgsql|sqlite):/.exec(text)?.[1];
      return `on the server: sudo apt install ${driver ? drivers[driver] : "php-sqlite3 php-mysql php-pgsql"}`;
    },
  ],
  [
    /Call to undefined function \\?(?:\w+\\)*(\w+)\(\)|Class "\\?([\w\\]+)" not found/,
    ([, name, type]) =>
      phpPackage(name || type!)
        ? `PHP has no ${name ? `function '${name}'` : `class '${type}'`} here`
        : undefined,
    ([, name, type]) => `on the server: sudo apt install ${phpPackage(name || type!)}`,
  ],
  [
    /Failed opening required '([^']*vendor\/autoload\.php)'/,
    (_, { names }) =>
      names.includes("composer.json")
        ? "Composer's packages are not installed"
        : "there is no composer.json in this commit, so nothing is installed",
    (_, { names }) =>
      names.includes("composer.json")
        ? "on the server: sudo apt install composer, then push again"
        : "git add composer.json composer.lock, commit and push",
  ],
  [
    /Failed opening required '([^']+)'/,
    ([, file], { names }) => `there is no ${file} in this commit${meant(file!, names)}`,
    "mend the name, or git add $1; commit and push",
  ],
  [
    /Could not open input file: (\S+)/,
    ([, file], { names }) => `there is no ${file} in this commit${meant(file!, names)}`,
    "mend the name in the Procfile, or git add $1; commit and push",
  ],
  [
    /requires? (?:PHP extension )?ext-(\w+)/,
    "PHP has no extension '$1' here",
    ([, name]) => `on the server: sudo apt install ${phpPackage(name!) ?? `php-${name}`}`,
  ],
  [
    /requires php (\S+) (?:but|->) your php version \(([\d.]+)\)/,
    "the app wants PHP $1, and the server has PHP $2",
    'lower "php" in composer.json: composer update on your machine, commit composer.json and composer.lock, and push',
  ],
  [
    /The lock file is not up to date|Required package "(\S+)" is not present in the lock file/,
    "composer.lock is not in step with composer.json",
    "composer update, commit composer.json and composer.lock, and push",
  ],
  [
    /Could not find (?:a matching version of )?package (\S+?)[.,]?(?: |$)|(\S+), it could not be found in any version/,
    (found) => `there is no package '${found[1] || found[2]}' for Composer`,
    "mend its name in composer.json, composer update, commit composer.json and composer.lock, and push",
  ],
  [
    /Fatal error: +(?:Uncaught )?((?:\w+\\)*\w*(?:Error|Exception): )?(.*?) in (\S+?)(?: on line |:)(\d+)/,
    "$1$2",
    (_, __, log) => mendAt(log),
  ],
];

/** Words of Java's, Go's and Rust's programs, and of those that start them. */
export const compiledCauses: readonly Cause[] = [
  [
    /Unable to access jarfile (\S+)/,
    "there is no $1: it was not built, or its name is another",
    (_, { names }) =>
      `Procfile: web: java -jar ${names.includes("pom.xml") ? "target" : "build/libs"}/*.jar is what the build has made`,
  ],
  [
    /no main manifest attribute, in (\S+)/,
    "$1 does not say which class to start",
    "name the main class where the jar is made (mainClass in pom.xml), or: web: java -cp $1 CLASS",
  ],
  [
    /Could not find or load main class org\.gradle\.wrapper\.GradleWrapperMain/,
    "gradle/wrapper/gradle-wrapper.jar is not in this commit",
    "git add -f gradle/wrapper/gradle-wrapper.jar, commit and push",
  ],
  [
    /Could not find or load main class (\S+)/,
    "there is no class $1",
    "name the class with its package, and the folder it is built into: web: java -cp target/classes PACKAGE.CLASS",
  ],
  [
    /UnsupportedClassVersionError|compiled by a more recent version of the Java Runtime/,
    (_, __, log) => {
      const [made, known] = [/class file version (\d+)/, /up to (\d+)/].map(
        (pattern) => pattern.exec(log)?.[1],
      );
      return made && known
        ? `it was compiled for Java ${Number(made) - 44}, and the server has Java ${Number(known) - 44}`
        : "it was compiled for a newer Java than the server's";
    },
    "compile it for the server's: <maven.compiler.release> in pom.xml, commit and push",
  ],
  [
    /Could not resolve placeholder '([\w.-]+)'/,
    "the setting '$1' is missing",
    ([, name], { app }) =>
      `config:set ${app} ${name!.toUpperCase().replace(/[.-]/g, "_")}=…, then push again`,
  ],
  [
    /(?:ClassNotFoundException|NoClassDefFoundError): ([\w./$]+)/,
    ([, name]) => `the class '${name!.replaceAll("/", ".")}' could not be loaded: it is not there`,
    "mend its name in the Procfile, with its package in front, or add the library that brings it; commit and push",
  ],
  [
    /APPLICATION FAILED TO START[\s\S]*?Description:\s+(\S.*)$/,
    "$1",
    (_, { app }, log) =>
      /Failed to configure a DataSource/.test(log)
        ? `config:set ${app} SPRING_DATASOURCE_URL=…, then push again`
        : (/Action:\s+(\S.*)$/m.exec(log)?.[1] ?? mendAt(log)),
  ],
  [
    /NoSuchMethodError: application$/,
    "the class of the jwsgi line has no `public static Object[] application(HashMap env)`",
    "that is what uWSGI calls; a program with a main() is a `web` line: web: java -jar app.jar",
  ],
  [
    /^(?:Exception in thread "\S+" |Caused by: )((?:[a-z]\w*\.)*[A-Z]\w*(?:Exception|Error))(?:: (.*))?$/,
    ([, type, text]) => `${type!.split(".").at(-1)}${text ? `: ${printable(text)}` : ""}`,
    (_, __, log) => mendAt(log),
  ],
  [/^panic: (.*)$/, "panic: $1", (_, __, log) => mendAt(log)],
  [
    /^thread '\S+'(?: \(\d+\))? panicked at (\S+?):(\d+):\d+:\n(.*)$/,
    "$1 line $2: panicked: $3",
    "mend it, commit and push",
  ],
  [
    /^thread '\S+' panicked at '(.*)', (\S+?):(\d+)/,
    "$2 line $3: panicked: $1",
    "mend it, commit and push",
  ],
];
