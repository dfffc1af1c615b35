/** fast-check takes the timers away from under others as soon as it is loaded; QuickJS has none. */
Object.assign(globalThis, {
  setTimeout: globalThis.setTimeout ?? (() => 0),
  clearTimeout: globalThis.clearTimeout,
});
