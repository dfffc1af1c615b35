/**
 * install.sh as far as it goes without a machine of its own: that shells read it, and what it
 * decides.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const script = path.resolve(import.meta.dir, "../../install.sh");
const shells = [["dash"], ["busybox", "sh"], ["bash", "--posix"]].filter(([name]) =>
  Bun.which(name!),
);
// All but the line that calls it.
const functions = fs.readFileSync(script, "utf8").replace(/main "\$@"\n\}\n$/, "}\n");
// The same for a machine with systemd whose folders are below $home.
const moved = functions
  .replaceAll("/run/systemd/system", "/")
  .replace(/\/(etc\/(?:nginx|ssh|init\.d|sysctl\.d)|usr\/local\/lib)\b/g, "$home/$1");

/** What this line of shell says after the functions of install.sh. */
function tell(shell: readonly string[], line: string, text = functions) {
  const ran = spawnSync(shell[0]!, [...shell.slice(1), "-c", `${text}\n${line}`], {
    encoding: "utf8",
  });
  return `${ran.stdout}${ran.stderr}`.trim();
}

for (const shell of shells) {
  const name = shell[0];
  test(`${name} reads it`, () => {
    expect(
      spawnSync(shell[0]!, [...shell.slice(1), "-n", script], { encoding: "utf8" }).stderr,
    ).toBe("");
    expect(tell(shell, "usage")).toContain("--uninstall");
  });

  test.each([
    ["2 62 0", "x86_64", 4000, 8, "linux-x64 linux-x64-lite"],
    ["2 62 0", "x86_64", 512, 8, "linux-x64-lite linux-x64"],
    ["2 183 0", "aarch64", 8000, 8, "linux-arm64 linux-arm64-lite"],
    ["2 183 0", "aarch64", 416, 8, "linux-arm64-lite linux-arm64"],
    ["1 40 0", "armv7l", 900, 7, "linux-armv7 linux-armv6"],
    // A 64-bit kernel with a 32-bit userland.
    ["1 40 0", "aarch64", 4000, 8, "linux-armv7 linux-armv6"],
    // A Pi Zero: its cpuinfo says 7.
    ["1 40 0", "armv6l", 430, 7, "linux-armv6"],
    ["1 40 0", "armv7l", 430, 6, "linux-armv6"],
    ["1 40 0", "armv7l", 430, 5, "linux-armv6"],
    [
      "1 3 0",
      "i686",
      2000,
      8,
      "Error: there is no piku for this processor (i686)\nHint: there is one for x86-64, 64-bit ARM, ARMv7 and ARMv6",
    ],
  ])(
    `${name}: an ELF of %s on %s with %d MB, architecture %s`,
    (elf, machine, memory, architecture, expected) => {
      const world = [
        `bytes_of() { [ "$2" = 4 ] && echo ${elf.split(" ")[0]} || echo ${elf.slice(2)}; }`,
        `uname() { echo ${machine}; }`,
        `awk() { echo ${memory}; }`,
        `sed() { echo ${architecture}; }`,
      ];
      expect(
        tell(
          shell,
          `${world.join("\n")}\nroot=; loader_of() { :; }; find_targets; echo "$targets"`,
        ),
      ).toBe(expected);
    },
  );

  test.each([
    ["Debian", "dash", "", "linux-x64 linux-x64-lite"],
    ["Debian with the package musl", "dash", "lib/ld-musl-x86_64.so.1", "linux-x64 linux-x64-lite"],
    ["Alpine", "/bin/busybox", "lib/ld-musl-x86_64.so.1", "linux-x64-lite linux-x64-musl"],
  ])(
    `${name}: boards D: which C library there is was asked of a file in /lib: %s`,
    (system, shellProgram, loader, expected) => {
      const root = fs.mkdtempSync("/tmp/piku-root-");
      const dash = fs.readFileSync("/bin/dash", "latin1");
      const [, glibc] = /(\/lib\S*\/ld-linux[^\0]*)\0/.exec(dash)!;
      const musl = "/lib/ld-musl-x86_64.so.1".padEnd(glibc!.length, "\0");
      const asProgram = system === "Alpine" ? dash.replace(glibc!, musl) : dash;
      for (const folder of ["bin", "lib"]) fs.mkdirSync(`${root}/${folder}`);
      fs.symlinkSync(shellProgram, `${root}/bin/sh`);
      fs.writeFileSync(`${root}/bin/${path.basename(shellProgram)}`, asProgram, "latin1");
      if (loader) fs.writeFileSync(`${root}/${loader}`, "");
      const world = `bytes_of() { [ "$2" = 4 ] && echo 2 || echo 62 0; }; program=$(root=${root} follow /bin/sh); follow() { echo "$program"; }`;
      expect(
        tell(shell, `root=; ${world}; echo "$program"; find_targets; echo "$targets"`),
      ).toMatch(new RegExp(`^${root}/bin/${path.basename(shellProgram)}\n${expected}$`));
      fs.rmSync(root, { recursive: true });
    },
  );

  test.each([
    ["ID=debian", "tried apt www-data"],
    ["ID=raspbian\nID_LIKE=debian", "tried apt www-data"],
    ["ID=ubuntu\nID_LIKE=debian", "tried apt www-data"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', "untried dnf nginx"],
    ["ID=alpine", "untried apk nginx"],
    [
      "ID=plan9",
      "Error: there are no package names for this distribution (plan9 )\nHint: there are: debian,raspbian,ubuntu fedora,rhel,centos alpine",
    ],
  ])(`${name}: os-release says %j`, (release, expected) => {
    const root = fs.mkdtempSync("/tmp/piku-root-");
    fs.mkdirSync(`${root}/etc`);
    fs.writeFileSync(`${root}/etc/os-release`, `${release}\n`);
    expect(tell(shell, `root=${root}; find_distribution; echo $tried $manager $web`)).toBe(
      expected,
    );
    fs.rmSync(root, { recursive: true });
  });

  test.each([
    ["nginx/1.18.0 (Ubuntu)", "return 444;"],
    ["nginx/1.19.3", "return 444;"],
    ["nginx/1.19.4", "ssl_reject_handshake on;"],
    ["nginx/1.22.1", "ssl_reject_handshake on;"],
    ["nginx/2.0.0", "ssl_reject_handshake on;"],
  ])(`${name}: the https server for unknown names of %s`, (version, expected) => {
    const world = `nginx() { echo "nginx version: ${version}" >&2; }\nopenssl() { :; }`;
    expect(tell(shell, `${world}\nhttps_port=443; https_server`)).toContain(expected);
  });

  test.each([
    ["uwsgi-core", "installed uwsgi-core, ,", "there"],
    ["uwsgi-core", "installed uwsgi, uwsgi-abi-1, uwsgi-core,", "there"],
    ["uwsgi-core", "installed uwsgi, uwsgi-core (= 2.0.31-6), x,", "there"],
    ["uwsgi-core", "installed uwsgi-core-dbg, old-uwsgi-core,", "missing"],
    ["uwsgi-core", "config-files uwsgi-core, ,", "missing"],
  ])(`${name}: boards: a package that another stands for: %s, %s`, (wanted, said, expected) => {
    const place = fs.mkdtempSync("/tmp/piku-dpkg-");
    fs.writeFileSync(`${place}/dpkg-query`, `#!/bin/sh\necho '${said}'\n`, { mode: 0o755 });
    const line = `PATH=${place}:$PATH manager=apt; is_installed ${wanted} && echo there || echo missing`;
    expect(tell(shell, line)).toBe(expected);
    fs.rmSync(place, { recursive: true });
  });

  test(`${name}: boards: a service of Alpine's has busybox's programs first, whose setpriv does not do`, () => {
    const [, line] = /^(PATH=.*)$/m.exec(functions)!;
    expect(tell(shell, `PATH=/bin:/sbin:/usr/bin:/usr/sbin; ${line}; echo "$PATH"`, "")).toMatch(
      /^[^:]*:[^:]*:\/usr\/sbin:\/usr\/bin:\/sbin:\/bin:/,
    );
  });

  test.each([
    ["10.0", "allowusers pi root\nport 2200"],
    ["10.6", "AllowUsers pi root\nPort 2200"],
  ])(`${name}: boards: how OpenSSH %s writes its keywords`, (_, said) => {
    const work = fs.mkdtempSync("/tmp/piku-sshd-");
    const world = `work=${work}; sshd=ssh; sshd() { printf '%s\n' '${said}'; }; id() { echo piku; }`;
    expect(tell(shell, `${world}; check_sshd 2>&1; echo "$ssh_port $kept_out"`)).toMatch(
      /^Warning: no key can let anybody in as piku: AllowUsers does not name piku .*\n2200 1$/,
    );
    fs.rmSync(work, { recursive: true });
  });

  test.each(["alpine", "fedora"])(
    `${name}: %s: GNU tar, which a backup is made with, was not installed`,
    (id) => {
      expect(
        inFolder(
          { "etc/os-release": `ID=${id}\n` },
          `root=$home; find_distribution; echo "$packages"`,
        ),
      ).toMatch(/ tar\b/);
    },
  );

  /**
   * What a line says of a folder of its own, `$home`, after these files were put there; what it is
   * to act on is replaced by words.
   */
  const inFolder = (files: Record<string, string>, line: string) => {
    const folder = fs.mkdtempSync("/tmp/piku-home-");
    for (const [file, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(`${folder}/${file}`), { recursive: true });
      fs.writeFileSync(`${folder}/${file}`, content);
    }
    const world = `home=${folder}; user=$(id -un); as_user() { (cd "$home" && "$@"); }; say() { :; }; systemctl() { :; }; sync() { :; }`;
    const told = tell(shell, `${world}\n${line}`, `home=${folder}\n${moved}`).replaceAll(
      folder,
      "~",
    );
    fs.rmSync(folder, { recursive: true });
    return told;
  };
  const original = "#!/usr/bin/env python3\n";
  const takeover = `work=$home/work chosen=x version=x web=$user domain= from=; piku() { :; }; put_executable`;

  test(`${name}: the original's piku.py was lost when ~/piku was a script as well; both are kept, also the second time`, () => {
    const files = {
      "piku.py": `${original}1`,
      piku: "#!/bin/sh\ntrue\n",
      "work/piku-x": "\x7fELF",
    };
    const look = `cd $home; tail -n 1 piku.py.original piku.original; head -c 4 piku piku.py | grep .`;
    const kept =
      "==> piku.py.original <==\n1\n==> piku.original <==\ntrue\n==> piku <==\n\x7fELF\n==> piku.py <==\n\x7fELF";
    expect(inFolder(files, `${takeover}; ${look}`)).toBe(kept);
    expect(inFolder(files, `${takeover}; put_executable; ${look}`)).toBe(kept);
  });

  test(`${name}: the executable took its place before it was on the disk, and was empty after a power cut`, () => {
    const world = `sync() { ls -A $home; echo sync; }; ${takeover}; ls -A $home`;
    expect(inFolder({ "work/piku-x": "" }, world)).toBe(".piku.new\nwork\nsync\npiku\nwork");
  });

  test(`${name}: a take-over that was cut off, and run again, no longer waited for the next boot`, () => {
    const world = `read_nginx() { :; }; other_sites() { :; }; choose_port() { port=$2; }; go_over=; units=$home/units`;
    const files = { "piku.py": `${original}1`, "work/piku-x": "\x7fELF" };
    const again = `(put_executable); choose_nginx; echo "$nginx: $because"`;
    expect(inFolder(files, `${takeover}; ${world}; ${again}`)).toBe(
      "shared: the former piku's services go on until the next boot",
    );
    expect(inFolder({ "work/piku-x": "" }, `${takeover}; ${world}; ${again}`)).toBe("own:");
  });

  describe(`${name}: --uninstall`, () => {
    const world = `home_of() { echo $home; }; find_distribution() { http_files=$home/http.d web=$user; }; nginx() { :; }; units=$home/units vendor=$home/vendor;
set_sockets() { :; }; systemctl() { echo "systemctl $*"; }; other_includes() { :; }; systemctl() { echo "systemctl $*"; }`;
    const stops = /disable/;
    const files = {
      "piku.py.original": `${original}test "$1" = setup\n`.replace(
        "/usr/bin/env python3",
        "/bin/sh",
      ),
      piku: "",
      "units/uwsgi-piku.service": "",
    };
    const look = "echo left:; ls $home";
    const whole = `chmod 755 $home/piku $home/piku.py.original; ${world}`;

    test("that was cut off behind the return of piku.py stopped all apps when it was run again", () => {
      const cutOff = `cp -p $home/piku.py.original $home/kept; as_user() { exit 1; }; (uninstall_here) && echo wrong; as_user() { "$@"; }; rm $home/kept`;
      const told = inFolder(
        files,
        `${whole}; : >$home/piku; cp /bin/true $home/piku; ${cutOff}; uninstall_here; ${look}`,
      );
      expect(told).not.toMatch(stops);
      expect(told).toEndWith("left:\npiku.py\nunits");
    });

    test("brings back what was called piku beside the original", () => {
      const told = inFolder(
        { ...files, "piku.original": "#!/bin/sh\n" },
        `${whole}; cp /bin/true $home/piku; uninstall_here; ${look}; cat $home/piku`,
      );
      expect(told).toEndWith("left:\npiku\npiku.py\nunits\n#!/bin/sh");
    });

    test("left the original's units of other names turned off, and no app came up at the next boot", () => {
      const unit = "echo ExecStart=uwsgi $home/.piku/uwsgi/uwsgi.ini >$home/units/emperor.service";
      const told = inFolder(files, `${whole}; cp /bin/true $home/piku; ${unit}; uninstall_here`);
      expect(told).toContain("systemctl enable --quiet emperor.service");
    });

    test("that was cut off behind the services could not be run again: there was no service to turn off", () => {
      const told = inFolder(
        { piku: "" },
        `${whole.replace(" $home/piku.py.original", "")}; cp /bin/true $home/piku; systemctl() { [ "$1" != disable ]; }; uninstall_here; ${look}`,
      );
      expect(told).toBe("left:");
    });
  });

  test.each([
    [
      "a link",
      "ln -s ../there $home/http.d/default.conf",
      "readlink $home/http.d/default.conf",
      "../there",
    ],
    [
      "a file",
      "echo welcome >$home/http.d/default.conf",
      "cat $home/http.d/default.conf",
      "welcome",
    ],
  ])(
    `${name}: --default-site, nginx refuses: the welcome site stayed off, without a note (%s)`,
    (_, make, look, there) => {
      const world = `http_files=$home/http.d work=$home default_site=1 go_over=; https_server() { :; }; ${make}`;
      const files = { "http.d/x": "", nginx: "" };
      const refused = `nginx() { echo '[emerg] no' >&2; return 1; }; (write_nginx) 2>/dev/null || :; ls $home/http.d; ${look}`;
      expect(inFolder(files, `${world}; ${refused}`)).toBe(`default.conf\nx\n${there}`);
      const taken = `nginx() { :; }; write_nginx; ls $home/http.d | grep -v original; turn_on_welcome "$(noted_welcome)"; ${look}`;
      expect(inFolder(files, `${world}; ${taken}`)).toBe(`piku.conf\nx\n${there}`);
      // A later run without the option does not forget it.
      expect(
        inFolder(files, `${world}; nginx() { :; }; write_nginx; default_site=; ${taken}`),
      ).toBe(`piku.conf\nx\n${there}`);
    },
  );

  test(`${name}: a setting was joined to an ENV whose last line did not end`, () => {
    expect(
      inFolder({ ".piku/ENV": "A=1" }, `setting PIKU_DOMAIN a.test; cat $home/.piku/ENV`),
    ).toBe("A=1\nPIKU_DOMAIN=a.test");
    expect(inFolder({ ".piku/x": "" }, `setting PIKU_DOMAIN a.test; cat $home/.piku/ENV`)).toBe(
      "PIKU_DOMAIN=a.test",
    );
  });

  test(`${name}: a --domain was passed over silently when ENV had another one`, () => {
    const files = { ".piku/ENV": "PIKU_DOMAIN=b.test\n" };
    expect(inFolder(files, `setting PIKU_DOMAIN a.test 2>&1; cat $home/.piku/ENV`)).toMatch(
      /^Warning: ~\/\.piku\/ENV says PIKU_DOMAIN=b\.test, and that stays\. To change it: .*config:set --global PIKU_DOMAIN=a\.test.*\nPIKU_DOMAIN=b\.test$/,
    );
    expect(inFolder(files, `setting PIKU_DOMAIN b.test`)).toBe("");
  });

  test(`${name}: with a folder called piku in the home, the executable went into it`, () => {
    const world = `home_of() { echo $home; }; find_distribution() { tried=tried; }; target=x; need_space() { echo begun; }`;
    expect(inFolder({ "piku/piku.py": "" }, `${world}; install_here`)).toMatch(
      /^Error: ~\/piku is a folder, and the executable is to have that place\nHint: mv ~\/piku /,
    );
  });

  test.each([
    ["linux-x64-lite linux-x64", "10"],
    ["linux-x64 linux-x64-lite", "130"],
    ["linux-armv7 linux-armv6", "10"],
    ["linux-arm64-musl linux-arm64-lite", "130"],
  ])(
    `${name}: the room for the download was the same for the small executables: %s`,
    (targets, megabytes) => {
      const world = `home_of() { :; }; find_distribution() { tried=tried; }; target='${targets}'; need_space() { echo $2; exit; }`;
      expect(tell(shell, `${world}; install_here`)).toBe(megabytes);
    },
  );

  test.each([
    [
      "127.0.0.1 localhost\n127.0.1.1\told blog.test old.test\n",
      "127.0.0.1 localhost\n127.0.1.1 new blog.test old.test",
    ],
    ["127.0.1.1 older.test older\n", "127.0.1.1 older.test older\n127.0.1.1\tnew"],
    ["127.0.1.1 new shop.test\n", "127.0.1.1 new shop.test"],
    ["127.0.0.1 old", "127.0.0.1 old\n127.0.1.1\tnew"],
  ])(
    `${name}: --hostname removed the other names on the line of the old one: %j`,
    (hosts, expected) => {
      const files = { "etc/hosts": hosts, "etc/hostname": "old\n" };
      expect(inFolder(files, "root=$home hostname=new; name_machine; cat $home/etc/hosts")).toBe(
        expected,
      );
      expect(
        inFolder(files, "root=$home hostname=new; name_machine; name_machine; cat $home/etc/hosts"),
      ).toBe(expected);
    },
  );

  test(`${name}: a user that was made, but for its password, stayed locked when this was run again`, () => {
    const made = (password: string) =>
      `id() { echo x; }; web=x; password_of() { echo '${password}'; }; chpasswd() { cat; }; home_of() { echo $home; }; make_user`;
    expect(inFolder({}, made("!"))).toEndWith(":*");
    expect(inFolder({}, made("!!"))).toEndWith(":*");
    expect(inFolder({}, made("*"))).toBe("");
    expect(inFolder({}, made("!$6$x"))).toBe("");
  });

  test(`${name}: an upgrade said that the new service takes over, although it ran already`, () => {
    const world =
      'units=$home/units vendor=$home/vendor sshd=ssh foreign= running=x group=x nginx=own because= class= go_over=; say() { echo "$*"; }; mkdir $home/units';
    const first =
      "The emperor that runs goes on, so that no app stops; the new service takes over at the next boot";
    expect(inFolder({}, `${world}; write_units`)).toBe(first);
    expect(inFolder({}, `${world}; write_units >/dev/null; write_units`)).toBe(
      first.split(";")[0]!,
    );
  });

  test.each([
    ["classroom", true],
    ["pi-3.school.lan", true],
    ["a".repeat(63), true],
    ["-x.", false],
    ["x-", false],
    ["a..b", false],
    ["a_b", false],
    ["a".repeat(64), false],
    [`${"a.".repeat(33)}a`, false],
    ["a\nb", false],
  ])(
    `${name}: boards F5: any letters, digits, - and . were taken for a host name: %j`,
    (hostname, valid) => {
      expect(tell(shell, `if is_name '${hostname}'; then echo true; else echo false; fi`)).toBe(
        String(valid),
      );
    },
  );

  test(`${name}: boards F4: the reason of apt was not shown`, () => {
    const bin = fs.mkdtempSync("/tmp/piku-bin-");
    fs.writeFileSync(`${bin}/dpkg`, "#!/bin/sh\n", { mode: 0o755 });
    fs.writeFileSync(
      `${bin}/apt-get`,
      "#!/bin/sh\necho 'E: Release file for x is not valid yet' >&2\nexit 100\n",
      {
        mode: 0o755,
      },
    );
    // Debian's busybox-static takes its own dpkg, and its own setpriv below, whatever the path says.
    const world = `PATH=${bin}:$PATH manager=apt; dpkg() { ${bin}/dpkg "$@"; }; is_installed() { false; }; need_space() { :; }`;
    const moved = functions.replace(
      "log=/var/log/piku-install.log",
      'log=$(mktemp); trap "rm $log" EXIT',
    );
    expect(tell(shell, `${world}; install_packages x`, moved)).toContain(
      "Error: the packages could not be installed: E: Release file for x is not valid yet\nHint: ",
    );
    fs.rmSync(bin, { recursive: true });
  });

  const welcome = `# a comment; with { braces }
server {
\tlisten 80 default_server;
\tlisten [::]:80 default_server;
\troot /var/www/html;
\tindex index.html index.htm index.nginx-debian.html;
\tserver_name _;
\tlocation / {
\t\t# First attempt
\t\ttry_files $uri $uri/ =404;
\t}
}
`;
  test.each([
    ["Debian's", welcome, true],
    [
      "the original's",
      `${welcome}server {\n listen 443 ssl default_server;\n ssl_reject_handshake on;\n}\ninclude HOME/.piku/nginx/*.conf;\n`,
      true,
    ],
    [
      "Alpine's",
      "server {\n listen 80 default_server;\n location / { return 404; }\n location = /404.html { internal; }\n}\n",
      true,
    ],
    ["with a name", welcome.replace("server_name _", "server_name blog.test"), false],
    [
      "with a program behind it",
      welcome.replace("try_files $uri $uri/ =404", "proxy_pass http://127.0.0.1:8000"),
      false,
    ],
    ["of another folder", welcome.replace("/var/www/html", "/srv/www"), false],
    ["with another include", `${welcome}include /srv/sites/*;\n`, false],
  ])(`${name}: is_welcome: %s`, (_, text, expected) => {
    const line = `manager=apt; if is_welcome $home/site; then echo true; else echo false; fi`;
    const elsewhere = "find() { :; }";
    const folder = fs.mkdtempSync("/tmp/piku-home-");
    fs.writeFileSync(`${folder}/site`, text.replace("HOME", folder));
    expect(tell(shell, `home=${folder}; ${elsewhere}; ${line}`)).toBe(String(expected));
    // What lies in the folder that it shows is somebody's.
    expect(tell(shell, `home=${folder}; find() { echo index.html; }; ${line}`)).toBe("false");
    fs.rmSync(folder, { recursive: true });
  });

  const part = (file: string, text: string) => `# configuration file ${file}:\n${text}\n`;
  const listens = (port: string) => `server {\n  listen ${port};\n  server_name x;\n}`;
  test.each([
    ["no site", "", "", ""],
    ["piku's", part("HOME/.piku/nginx/a.conf", listens("80")), "", "a"],
    [
      "the first of two",
      part("HOME/.piku/nginx/a.conf", listens("443 ssl")) +
        part("HOME/.piku/nginx/b.conf", listens("[::]:80")) +
        part("HOME/.piku/nginx/c.conf", listens("80")),
      "",
      "b",
    ],
    [
      "another site in front",
      part("/etc/nginx/conf.d/a.conf", listens("80")) +
        part("HOME/.piku/nginx/b.conf", listens("80")),
      "/etc/nginx/conf.d/a.conf",
      "",
    ],
    [
      "a default elsewhere",
      part("HOME/.piku/nginx/b.conf", listens("80")) +
        part("/srv/x.conf", listens("80 default_server")),
      "/srv/x.conf",
      "",
    ],
    [
      "a server of an upstream",
      part("/etc/nginx/conf.d/up.conf", "upstream x {\n  server 127.0.0.1:80;\n}"),
      "",
      "",
    ],
    ["a comment", part("/etc/nginx/nginx.conf", "#  server {\n#    listen 80;"), "", ""],
    [
      "on one line",
      part("/etc/nginx/nginx.conf", "http { server { listen 81; } }"),
      "/etc/nginx/nginx.conf",
      "",
    ],
  ])(
    `${name}: other sites of nginx, and who answers for unknown names: %s`,
    (_, config, others, app) => {
      const world = "work=$home http_files=/etc/nginx/conf.d manager=apt; is_welcome() { false; }";
      const folder = fs.mkdtempSync("/tmp/piku-home-");
      fs.writeFileSync(`${folder}/dump`, config.replaceAll("HOME", folder));
      // What root goes by has no files of piku's.
      const parts = config
        .split(/^(?=# configuration file)/m)
        .filter((text) => !text.includes("HOME"));
      fs.writeFileSync(`${folder}/nginx`, parts.join(""));
      expect(tell(shell, `home=${folder}; ${world}; other_sites; echo "app $(default_app)"`)).toBe(
        `${others}\napp ${app}`.trim(),
      );
      fs.rmSync(folder, { recursive: true });
    },
  );

  test(`${name}: a site of piku's that names another file, or includes one of its own, is not taken for root's`, () => {
    const folder = fs.mkdtempSync("/tmp/piku-home-");
    const [mine, theirs] = [`${folder}/mine.conf`, `${folder}/theirs.conf`];
    fs.writeFileSync(mine, "access_log /srv/logs/mine.log;\n");
    fs.writeFileSync(theirs, "access_log /etc/cron.d/x;\n");
    const dump = [
      part(mine, "access_log /srv/logs/mine.log;"),
      part("/home/piku/.piku/nginx/a.conf", "server {}"),
      part(mine, "access_log /etc/cron.d/y;"),
      part(theirs, "access_log /etc/cron.d/x;"),
      part("/dev/zero", ""),
      part("/etc/nginx/conf.d/piku.conf", "access_log /srv/ours/x.log;"),
    ];
    fs.writeFileSync(`${folder}/said`, dump.join(""));
    const world = `work=${folder} home=/home/piku http_files=/etc/nginx/conf.d; nginx() { cat ${folder}/said; }; stat() { case $4 in ${theirs}) echo piku ;; *) echo root ;; esac; }`;
    expect(tell(shell, `${world}; read_nginx; folders_of_others`)).toBe("-/srv/logs");
    fs.rmSync(folder, { recursive: true });
  });

  test.each([
    ["", ""],
    ["PIKU_FOLDERS=/srv/photos:/mnt/usb\n", "-/srv/photos -/mnt/usb"],
    ["export PIKU_FOLDERS='/srv/a'\nPIKU_FOLDERS=\"/srv/b\"\n", "-/srv/b"],
    // Nothing of it is a line or a word of the unit's.
    ["PIKU_FOLDERS=/srv/a /etc:/srv/%h:relative:/srv/../etc:/srv/ok\n", "-/srv/ok"],
  ])(
    `${name}: folders of the board's settings that piku's nginx may write: %j`,
    (settings, expected) => {
      expect(inFolder({ ".piku/ENV": settings }, "other_folders")).toBe(expected);
    },
  );

  test(`${name}: a setting that is no file was waited for`, () => {
    const line = `rm $home/.piku/ENV; mkfifo $home/.piku/ENV; board_setting A; rm $home/.piku/ENV; ln -s /dev/zero $home/.piku/ENV; board_setting A; change_setting A 1; cat $home/.piku/ENV`;
    expect(inFolder({ ".piku/ENV": "" }, line)).toBe("A=1");
  });

  describe(`${name}: OpenRC, as far as its files go`, () => {
    const bin = fs.mkdtempSync("/tmp/piku-bin-");
    afterAll(() => fs.rmSync(bin, { recursive: true }));
    for (const tool of ["rc-update", "rc-service", "sysctl", "uwsgi"])
      fs.writeFileSync(`${bin}/${tool}`, `#!/bin/sh\necho "${tool} $*"\n`, { mode: 0o755 });
    fs.writeFileSync(`${bin}/setpriv`, "#!/bin/sh\necho --reuid\n", { mode: 0o755 });
    fs.writeFileSync(`${bin}/nginx`, "#!/bin/sh\necho nginx version: nginx/1.28.0 >&2\n", {
      mode: 0o755,
    });
    const world = `PATH=${bin}:$PATH; setpriv() { ${bin}/setpriv "$@"; }; has_systemd() { false; }; web=nginx sshd=sshd running= foreign= others= because= nginx=own group=piku units=$home/units
mkdir -p $home/etc/init.d $home/etc/sysctl.d; read_all() { for file in $home/etc/*/*; do echo "== $file"; cat "$file"; sh -n "$file"; done; }`;
    const supervise = (help: string) =>
      fs.writeFileSync(`${bin}/supervise-daemon`, `#!/bin/sh\necho '${help}'\n`, { mode: 0o755 });

    test("a supervisor that can give the right to listen on port 80", () => {
      supervise("--capabilities <arg>");
      const told = inFolder({}, `${world}; write_web_openrc; write_openrc; read_all`);
      expect(told).toContain('capabilities="^cap_net_bind_service"');
      expect(told).toContain(`command_args="-e stderr -c ~/.piku/web/nginx.conf -g 'daemon off;'"`);
      expect(told).toMatch(
        /start_pre\(\) \{ setpriv .*--ambient-caps \+net_bind_service env HOME=~ ~\/piku web \|\| :; \}/,
      );
      expect(told).not.toContain("sysctl.d");
      expect(told).toContain("rc-update -q add uwsgi-piku\nrc-service -q uwsgi-piku start");
    });

    test("what reloaded a shared nginx stayed when piku got one of its own", () => {
      const shared = "place=$home/place; mkdir $home/place; write_shared_openrc";
      const own = `mkdir -p $home/http.d; http_files=$home/http.d; id() { :; }; set_sockets() { :; }; group=piku; leave_shared`;
      const told = inFolder(
        {},
        `${world}; ${shared}; ls $home/etc/init.d $home/place; ${own}; ls $home/etc/init.d $home/place`,
      );
      expect(told).toContain("~/etc/init.d:\npiku-nginx\n\n~/place:\nreload\n");
      expect(told).toEndWith(
        "rc-service -q piku-nginx stop\nrc-update -q del piku-nginx\n~/etc/init.d:\n\n~/place:",
      );
    });

    test("an older one: everybody may, from then on", () => {
      supervise("--umask <arg>");
      const told = inFolder({}, `${world}; write_web_openrc; read_all`);
      expect(told).toContain("net.ipv4.ip_unprivileged_port_start=80");
      expect(told).toContain("-c '~/piku web' || :; }");
      expect(told).not.toContain("capabilities=");
      const away = inFolder(
        {},
        `${world}; write_web_openrc; http_port=1; stop_own; ls -A $home/etc/init.d $home/etc/sysctl.d`,
      );
      expect(away).toEndWith("~/etc/init.d:\n\n~/etc/sysctl.d:");
    });
  });

  test.each([
    ["maxstartups 10:30:100", "MaxStartups 100:30:200"],
    ["", "MaxStartups 100:30:200"],
    ["maxstartups 5:30:60", ""],
  ])(
    `${name}: the second run replaced the administrator's own number of clients at once: %j`,
    (says, expected) => {
      const world = `user=piku; work=$home; sshd() { [ "$1" != -T ] || echo '${says}'; }; reload_sshd() { :; }`;
      const files = {
        "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\n",
        "etc/ssh/sshd_config.d/x": "",
      };
      const look = "grep MaxStartups $home/etc/ssh/sshd_config.d/piku.conf || :";
      expect(inFolder(files, `${world}; write_sshd; ${look}`)).toBe(expected);
      expect(inFolder(files, `${world}; write_sshd; write_sshd; ${look}`)).toBe(expected);
    },
  );

  test.each([
    ["allowusers *", ""],
    ["allowusers p?ku", ""],
    ["allowusers admin pi*@10.0.0.0/8", ""],
    ["allowusers admin\nallowusers pi", "AllowUsers does not name piku"],
    ["denyusers *", "DenyUsers names piku"],
    ["allowgroups ssh web*", ""],
    ["allowgroups ssh", "AllowGroups names no group of piku"],
    ["denygroups x web", "DenyGroups names a group of piku"],
    ["pubkeyauthentication no", "PubkeyAuthentication is no"],
    ["port 22", ""],
  ])(
    `${name}: patterns of sshd were taken for names of files, and a key for one that is kept out: %j`,
    (says, expected) => {
      const world = `user=piku sshd=ssh work=$home; cd $home; sshd() { printf '%s\\n' '${says}'; }; id() { echo piku web; }`;
      const told = inFolder({ x: "", y: "" }, `${world}; check_sshd 2>&1`);
      expect(told).toStartWith(
        expected && `Warning: no key can let anybody in as piku: ${expected} in sshd's`,
      );
      if (!expected) expect(told).toBe("");
    },
  );

  test.each([
    ["0.1.0", "0.2.0", true],
    ["0.9.0", "0.10.0", true],
    ["0.10.0", "0.9.0", false],
    ["1.0.0", "1.0.0", false],
    ["1.0.0-rc.1", "1.0.0", true],
    ["1.0.0", "1.0.0-rc.1", false],
    ["1.0.0-rc.2", "1.0.0-rc.10", true],
    ["1.0.0-alpha.1", "1.0.0-beta", true],
    ["1.0.0+b", "1.0.0+a", false],
  ])(`${name}: version %s is older than %s: %p`, (one, other, expected) => {
    expect(tell(shell, `is_older ${one} ${other} && echo true || echo false`)).toBe(
      String(expected),
    );
  });

  test.each([
    ["http://10.1.2.3/x", true],
    ["http://127.0.0.1:8000", true],
    ["http://172.16.0.1/x", true],
    ["http://100.64.0.1", true],
    ["http://[fd00::1]:80/x", true],
    ["http://[::1]", true],
    ["http://box.local/piku", true],
    ["http://example.org/x", false],
    ["http://172.32.0.1", false],
    ["http://10.0.0.1@example.org/", false],
    ["http://10.example.org/", false],
    ["http://10.0.0.1.example.org/", false],
    ["http://[2001:db8::1]/", false],
    ["http://local/", false],
  ])(`${name}: plain http from %s: %p`, (from, expected) => {
    expect(tell(shell, `is_near '${from}' && echo true || echo false`)).toBe(String(expected));
  });

  test(`${name}: without ssh-keygen and curl, they are installed before they are needed`, () => {
    const world = `PATH=/none root= client= keygen=openssh-client from=https://x; install_packages() { echo "$@"; }`;
    expect(tell(shell, `${world}; need_tools`)).toBe("openssh-client curl ca-certificates");
    expect(tell(shell, `${world}; client=1 need_tools`)).toContain(
      "Error: curl and ssh-keygen are needed to get the release, and to check who signed it\nHint: install them",
    );
  });

  test.each([
    ["Date: Thu, 26 Nov 2026 13:00:07 GMT", "2026-11-26 13:00:07"],
    ["HTTP/2 200\r\ndate: Tue, 01 Dec 2026 03:00:00 GMT\r\n", "2026-12-01 03:00:00"],
    ["Last-Modified: Thu, 26 Nov 2026 13:00:07 GMT", ""],
    ["Date: soon", ""],
  ])(`${name}: the time of an answer: %j`, (head, expected) => {
    expect(tell(shell, `printf '%s\n' '${head}' | read_date`)).toBe(expected);
  });

  test.each([
    [
      "in the past",
      "x",
      "2026-11-26",
      [
        "The clock was at 2026-04-27 10:00:00; now it is 2026-11-26 13:00:00, as http://m.test says",
      ],
    ],
    [
      "nowhere to ask",
      "x",
      "",
      ["the clock says 2026-04-27 10:00:00, which is in the past. To set it: date -u -s"],
    ],
    ["ahead of the answer", "x", "2025-01-01", ["the clock says 2026-04-27 10:00:00, which is"]],
    ["that nothing says is wrong", "", "2026-11-26", []],
  ])(
    `${name}: boards F: a board whose clock was in the past was refused by apt: a clock %s`,
    (_, newer, answer, expected) => {
      const day = answer.split("-")[2];
      const head =
        answer &&
        `Date: Thu, ${day} ${answer.includes("-11-") ? "Nov" : "Jan"} ${answer.slice(0, 4)} 13:00:00 GMT`;
      const world = `find() { echo ${newer}; }; sed() { echo http://m.test; }; curl() { echo '${head}'; }; has_systemd() { false; }; say() { echo "$*"; }; warn() { echo "$*"; }
date() { [ "$2" = -s ] || echo 2026-04-27 10:00:00; }; work=$home first_boot= place=$home`;
      const told = inFolder({}, `${world}; set_clock`);
      expect(told === "" ? 0 : told.split("\n").length).toBe(expected.length);
      for (const line of expected) expect(told).toStartWith(line);
    },
  );

  test(`${name}: at a first boot the time is waited for, for a minute at most`, () => {
    const world = `keeps_time() { :; }; sleep() { :; }; find() { :; }; work=$home first_boot=1 place=$home; say() { echo "$*"; }`;
    const soon = "count=0; is_synchronized() { count=$((count + 1)); [ $count -gt 5 ]; }";
    expect(inFolder({}, `${world}; ${soon}; set_clock; echo $count`)).toBe(
      "Waiting for the time\n7",
    );
    const never = "count=0; is_synchronized() { count=$((count + 1)); false; }";
    expect(inFolder({}, `${world}; ${never}; set_clock; echo $count`)).toBe(
      "Waiting for the time\n62",
    );
  });

  test.each([
    [
      "",
      "10.0.0.7",
      "22",
      "piku@10.0.0.7:APP && git push piku main   (or board in place of 10.0.0.7, where that name is known)",
    ],
    [
      "board-2.local",
      "10.0.0.7",
      "22",
      "piku@board-2.local:APP && git push piku main   (or 10.0.0.7 in place of board-2.local)",
    ],
    ["board.local", "", "2200", "ssh://piku@board.local:2200/APP && git push piku main"],
    ["", "", "22", "piku@board:APP && git push piku main"],
  ])(
    `${name}: boards E: the last line named what a laptop seldom knows: %j, %j, %s`,
    (local, address, port, expected) => {
      const world = `local_name() { printf '%s' '${local}'; }; uname() { echo board; }; address='${address}' ssh_port=${port}`;
      expect(tell(shell, `${world}; say_done`)).toBe(
        `-----> Done. On your machine: git remote add piku ${expected}`,
      );
    },
  );

  test.each(["(none)", "localhost"])(
    `${name}: boards: a machine without a name, %s, was named by it`,
    (said) => {
      const world = `local_name() { :; }; uname() { echo '${said}'; }; address=10.0.0.7 ssh_port=22`;
      expect(tell(shell, `${world}; say_done`)).toEndWith("@10.0.0.7:APP && git push piku main");
    },
  );

  test(`${name}: going over that was cut off before its nginx was enabled had none after the next boot`, () => {
    const world = `systemctl() { echo "systemctl $*"; }; nginx() { :; }; user=piku group=piku others= go_over= units=$home`;
    const told = inFolder({ "piku-web.service": "" }, `${world}; start_own_unit`);
    expect(told).toEndWith(
      "systemctl enable --quiet piku-web\nsystemctl disable --quiet nginx\nsystemctl stop nginx",
    );
    expect(told).not.toContain("systemctl start piku-web");
  });

  test(`${name}: going over at a boot turned off the distribution's nginx although it has other sites`, () => {
    const world = `systemctl() { [ "$1" != is-active ] && echo "systemctl $*"; }; nginx() { :; }; user=piku group=piku go_over=1 units=$home`;
    const told = (others: string) =>
      inFolder({ "piku-web.service": "" }, `${world} others=${others}; start_own_unit`)
        .split("\n")
        .slice(1);
    const ours = ["systemctl start --no-block piku-web", "systemctl enable --quiet piku-web"];
    expect(told("x")).toEqual(ours);
    expect(told("")).toEqual([
      ...ours,
      "systemctl disable --quiet nginx",
      "systemctl stop --no-block nginx",
    ]);
  });

  test(`${name}: boards F3: without systemd and OpenRC it ended in the middle`, () => {
    const bin = fs.mkdtempSync("/tmp/piku-bin-");
    for (const tool of ["sh", "awk", "mkdir", "cat", "sed", "tr", "grep", "stat", "id", "nginx"])
      fs.symlinkSync(Bun.which(tool)!, `${bin}/${tool}`);
    const world = `PATH=${bin}; has_systemd() { false; }; warn() { echo "$*"; }; leave_shared() { :; }; others= nginx=own http_port=80 because= go_over=`;
    const told = inFolder({}, `${world}; start_own; write_services; reload_nginx; echo on`);
    expect(told).toContain(
      "neither systemd nor OpenRC runs here: start nginx -e stderr -c ~/.piku/web/nginx.conf yourself",
    );
    expect(told).toContain(
      "neither systemd nor OpenRC runs here: start uwsgi --ini ~/.piku/uwsgi/uwsgi.ini yourself",
    );
    expect(told).toEndWith("on");
    fs.rmSync(bin, { recursive: true });
  });

  test(`${name}: a port that another program has is taken, and it is named`, () => {
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const world = "rival=; stat() { echo root; }; user=piku";
    expect(tell(shell, `${world}; listener ${server.port}`)).toMatch(
      new RegExp(`^\\S+ \\(pid ${process.pid}\\)$`),
    );
    expect(tell(shell, `${world}; stat() { echo piku; }; listener ${server.port}`)).toBe("");
    server.stop(true);
    expect(tell(shell, `${world}; listener ${server.port}`)).toBe("");
  });

  test(`${name}: a script that was cut short anywhere does nothing`, () => {
    const text = fs.readFileSync(script, "utf8");
    const cuts = Array.from({ length: Math.floor(text.length / 251) }, (_, index) => index * 251);
    // `w`, of `write_units`, is a program.
    for (const { index } of text.matchAll(/^[a-z]/gm)) cuts.push(index + 1, index + 4);
    for (const length of cuts) {
      const ran = spawnSync(shell[0]!, [...shell.slice(1), "-s", "--", "--help"], {
        input: text.slice(0, length),
        encoding: "utf8",
      });
      expect([length, ran.stdout]).toEqual([length, ""]);
    }
  });
}
