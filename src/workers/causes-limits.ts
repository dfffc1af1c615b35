import type { Cause } from "./cause.ts";

/** What piku itself has seen, among what the process printed. */
export const endedByLimit = "piku: the kernel ended it, since it needed more memory";

/** Words in which programs say that there is no more memory for them. */
export const memoryWords =
  /^(?:.*: )?MemoryError\b|NoMemoryError|failed to allocate memory|std::bad_alloc|java\.lang\.OutOfMemoryError|JavaScript heap out of memory|Fatal process out of memory|Array buffer allocation failed|fatal error: (?:runtime: )?(?:out of memory|cannot allocate memory)|^runtime: cannot|memory allocation of \d+ bytes failed|[Cc]annot allocate memory|Out of memory \(allocated|failed to map segment from shared object|ENOMEM/;

/** Words in which programs say that they could not start a process or a thread. */
const processWords =
  /can't start new thread|[Rr]esource temporarily unavailable|Cannot fork|fork\(\): Resource|pthread_create|unable to create (?:new )?native thread|spawn \S+ EAGAIN|can't create Thread|failed to create new OS thread|newosproc/;

/** What the limits of an app have ended: before all others, since their words tell of the board. */
export const limitCauses: readonly Cause[] = [
  [
    new RegExp(`^${endedByLimit}|${memoryWords.source}`),
    (_, { limits }) =>
      limits?.memory && `it needs more memory than ${limits.memory.setting} allows`,
    (_, { limits }) =>
      `${limits?.memory?.change}; a wsgi app needs less with UWSGI_PROCESSES=1, all need less with less in memory at once`,
  ],
  [
    processWords,
    (_, { limits }) =>
      limits?.processes &&
      `it needs more processes or threads than ${limits.processes.setting} allows`,
    (_, { limits }) => `${limits?.processes?.change}`,
  ],
];
