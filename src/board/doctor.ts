import { minFree, minMemory } from "../deploy/space.ts";
import { printable, shellQuote } from "../text/text.ts";
import type { Mode } from "./rights.ts";
import { type Board, type Finding, mountOf, plainCopies } from "./survey.ts";

/**
 * The checks, in the order in which they are shown. Each gives what it has found, at least one
 * finding.
 */
export const checks: Record<string, (board: Board) => Finding[]> = {
  tools({ tools }) {
    const missing = Object.keys(tools).filter((name) => tools[name] === undefined);
    const there = Object.values(tools).filter((version) => version !== undefined);
    return findings(
      there.join(", "),
      missing.map((name) => ({
        says: `${name} is not installed`,
        remedy: `sudo apt install ${packages[name]}`,
      })),
    );
  },
  settings: ({ settings }) =>
    findings("what is there for all apps can be read", settings ? [settings] : []),
  emperor: ({ emperor }) => findings("uWSGI's emperor runs", emperor ? [emperor] : []),
  nginx: ({ nginx, deaf }) => {
    const { way, wanted, isStuck, isByHand, web, watch, because, installer } = nginx;
    const [unit, name] =
      way === "own" || (way === "none" && wanted !== "shared")
        ? ["piku-web", "own"]
        : ["nginx", "shared"];
    const remedy = `sudo systemctl restart ${unit}; \`sudo journalctl -u ${unit}\` tells why`;
    if (way === "none") return [{ says: "nginx is not running", remedy }];
    const isOld = way === "watched" && !isByHand;
    return findings(
      name === "own" ? "nginx runs, and is piku's own" : "nginx runs, shared with others",
      [
        ...(isStuck
          ? [
              {
                says: "nginx's master waits for ever for one of its files, so no site can change",
                remedy,
              },
            ]
          : []),
        ...deaf.map((port) => ({ says: `nobody listens on port ${port}`, remedy })),
        ...(web !== undefined && way === "own" && web !== "active"
          ? [{ says: `nginx runs, but not by its unit, which is ${web}`, remedy }]
          : []),
        ...(isOld && watch === "failed"
          ? [
              {
                says: "the unit that has nginx read changed sites has failed, so no site can change",
                remedy:
                  "sudo systemctl reset-failed 'piku-nginx.*' && sudo systemctl restart piku-nginx.path",
              },
            ]
          : []),
        ...(isOld
          ? [
              {
                says: "nginx's master is root and reads what an app may write: an older piku installed it so",
                remedy: installer,
              },
            ]
          : []),
        ...(because !== undefined && wanted !== "shared" && way !== "own"
          ? [
              {
                says: `nginx could not become piku's own: ${because}`,
                remedy: `mend that; then ${installer}`,
              },
            ]
          : []),
      ],
    );
  },
  sites: ({ sites, complaint, refused, lost, altered, unanswered }) =>
    findings(`${sites} ${sites === 1 ? "site" : "sites"}, which nginx takes`, [
      ...(complaint
        ? [
            {
              says: `nginx refused its files when it read them last: ${complaint}`,
              remedy: "deploy that app again, or destroy it",
            },
          ]
        : []),
      ...refused.map(([app, why]) => ({
        says: `the site of '${printable(app)}' is set aside, since nginx refuses it: ${why}`,
        remedy: `deploy ${printable(app)}, or destroy it`,
      })),
      ...lost.map((app) => ({
        says: `app '${app}' has no site, but its release had one`,
        remedy: `restart ${app}`,
      })),
      ...altered.map((app) => ({
        says: `the site of app '${app}' is not the one that its release made`,
        remedy: `restart ${app} makes it anew; what is to stay of it belongs into NGINX_INCLUDE_FILE`,
      })),
      ...unanswered.map(([app, status]) => ({
        says: `visitors of app '${app}' get ${status === "nothing" ? "no answer" : `${status} from nginx`}`,
        remedy: `logs ${app} tells why; restart ${app}`,
      })),
    ]),
  processes: ({ workers }) =>
    findings(
      `${workers.length} of ${workers.length} are up`,
      workers
        .filter(({ up, answers }) => !up || !answers)
        .map(({ app, process, up }) => ({
          says: `${process} of app '${app}' ${up ? "does not answer" : "is down"}`,
          remedy: `logs ${app} ${process} tells why; restart ${app}`,
        })),
    ),
  certificates: ({ certificates, now }) => {
    const days = (until: number) => Math.floor((until - now) / 86_400_000);
    const good = certificates.map(({ app, until }) => `${app} ${days(until ?? now)} days`);
    return findings(
      good.length > 0 ? `left: ${good.join(", ")}` : "there are none",
      certificates
        .filter(({ until }) => until === undefined || days(until) < soon)
        .map(({ app, until }) => ({
          says:
            until === undefined
              ? `the certificate of app '${app}' is missing, or its key is another's`
              : until < now
                ? `the certificate of app '${app}' has ended`
                : `the certificate of app '${app}' ends in ${days(until)} days`,
          remedy: `deploy ${app} says why it is not renewed`,
        })),
    );
  },
  disk: ({ disk: { bytes, inodes } }) => {
    const room = `${Math.floor(bytes / 1024 / 1024)} MB free`;
    const remedy = "`destroy` an app that is not needed, or make room";
    return findings(`${room}${Number.isFinite(inodes) ? `, ${inodes} more files` : ""}`, [
      ...(bytes < minFree.doctor.bytes ? [{ says: `only ${room}`, remedy }] : []),
      ...(inodes < minFree.doctor.inodes
        ? [{ says: `room for only ${inodes} more files`, remedy }]
        : []),
    ]);
  },
  memory: ({ memory, killed }) =>
    findings(
      `${memory === undefined ? "unknown" : `${memory} MB left`}${killed > 0 ? `; ${killed} processes were ended for want of it since the board was started` : ""}`,
      memory !== undefined && memory < minMemory
        ? [
            {
              says: `only ${memory} MB left`,
              remedy: "ps shows who has it; fewer processes, PIKU_OVERLAP=false, or swap",
            },
          ]
        : [],
    ),
  clock: ({ synchronised, now }) =>
    synchronised === false || now < firstRelease
      ? [
          {
            says: `the clock is not synchronised; it shows ${new Date(now).toISOString()}`,
            remedy: "sudo timedatectl set-ntp true; certificates and cron lines go by it",
          },
        ]
      : [{ says: synchronised ? "synchronised" : "nothing tells whether it is synchronised" }],
  power: ({ throttled }) =>
    throttled === undefined
      ? [{ says: "this board does not tell" }]
      : findings(
          "enough, and cool",
          bits.filter(({ mask }) => throttled & mask).map(({ says, remedy }) => ({ says, remedy })),
        ),
  writable: ({ mounts, root }) => {
    const place = mountOf(mounts, root);
    return place?.options.includes("ro")
      ? [
          {
            says: `${place.folder} can only be read`,
            remedy:
              "the kernel does that to a card with errors (dmesg tells): make a backup, then check or replace it",
          },
        ]
      : [{ says: `${place?.folder ?? "/"} can be written` }];
  },
  keys: ({ keys, home }) => {
    const plain = plainCopies(keys);
    const file = `${home}/.ssh/authorized_keys`;
    const [lines, have, them] =
      plain.length > 1 ? ["lines", "have", "those lines"] : ["line", "has", "that line"];
    return findings(
      "no plain key stands before its restricted copy",
      plain.length === 0
        ? []
        : [
            {
              says: `${lines} ${plain.join(", ")} of ${file} ${have} a key without a command, before the line that leads to piku`,
              // One command: without a line, those below have other numbers.
              remedy: `remove ${them}: sed -i '${plain.map((line) => `${line}d`).join(";")}' ${file}`,
            },
          ],
    );
  },
  rights: ({ modes, foreign, missing, root }) =>
    findings("as they should be", [
      ...missing.map((path) => ({ says: `${path} is missing`, remedy: "setup makes it" })),
      ...foreign.map((path) => ({
        says: `${path} belongs to another user`,
        remedy: `sudo chown -R --reference=${shellQuote(root)} ${shellQuote(path)}`,
      })),
      ...openToOthers(modes),
    ]),
  leftovers: ({ leftovers, waiting, unfinished }) =>
    findings(
      waiting.length > 0 ? `none; settings wait for a first push of ${waiting.join(", ")}` : "none",
      [
        ...unfinished.map((app) => ({
          says: `a deploy of app '${app}' was cut off`,
          remedy: `recover, or restart ${app}`,
        })),
        ...leftovers.map((name) => ({
          says: `'${name}' has settings or a repository, but is no app`,
          remedy: `push it, or destroy ${name}`,
        })),
      ],
    ),
};

const findings = (fine: string, wrong: Finding[]): Finding[] =>
  wrong.length > 0 ? wrong : [{ says: fine }];

const packages: Record<string, string> = {
  git: "git",
  uwsgi: "uwsgi-core uwsgi-plugin-python3",
  nginx: "nginx-light",
  openssl: "openssl",
  curl: "curl",
  "ssh-keygen": "openssh-client",
  tar: "tar",
  flock: "util-linux",
};

const soon = 7;
// A board without a clock of its own begins in the past.
const firstRelease = Date.UTC(2025, 0, 1);

const supply = "use the supply that came with the board, and a short cable";
const cooling = "give it a heat sink, or air";

/**
 * What the bits of the firmware mean (vcgencmd get_throttled): what is, and what has been since the
 * board was started.
 */
const bits = [
  { mask: 0x1, says: "the voltage is too low right now", remedy: supply },
  {
    mask: 0x10000,
    says: "the voltage has been too low since the board was started",
    remedy: supply,
  },
  { mask: 0x6, says: "the processor is slowed down right now", remedy: `${supply}; ${cooling}` },
  { mask: 0x8, says: "the board is too hot right now", remedy: cooling },
  { mask: 0x80000, says: "the board has been too hot since it was started", remedy: cooling },
];

/**
 * One finding for all of them: a board of the original's has dozens, and one command closes them.
 */
function openToOthers(modes: readonly Mode[]): Finding[] {
  const open = modes.filter(({ mode, most }) => (mode & ~most) !== 0);
  const [first] = open;
  if (!first) return [];
  if (open.length === 1)
    return [
      {
        says: `${first.path} is open to others`,
        remedy: `chmod ${first.most.toString(8)} ${shellQuote(first.path)}`,
      },
    ];
  return [
    {
      says: `${first.path} and ${open.length - 1} more are open to others`,
      remedy: "setup closes them",
    },
  ];
}
