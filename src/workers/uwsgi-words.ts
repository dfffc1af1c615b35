/** Lines that uWSGI prints of itself while it starts and ends an app. */
const ofUwsgi =
  /^(\*\*\* |!!! |\[uWSGI\]|\[uwsgi-[\w-]+\]|\[emperor|unable to (load app|find) |no python application found|spawned uWSGI |DAMN ! |SIG[A-Z]+ received|Gracefully |worker \d+ (buried|killed)|goodbye to uWSGI|received message \d+ from emperor|graceful shutdown triggered|(WSGI|Python|Rack|PSGI|PHP|JWSGI).* ready in |running "(write|unix_signal):|mapped \d+ bytes|respawned? |set cheap|announcing my loyalty|your (server|processes|memory|mercy|system) )|GAME OVER/;

/** Whether a line of a worker's log is uWSGI's own. */
export const isOfUwsgi = (line: string) => ofUwsgi.test(line);
