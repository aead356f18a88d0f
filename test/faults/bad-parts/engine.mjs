/** The simulated engine on a device that may be bad: its own code, with another answer to the question what it dies of. */
const SCRIPT = "/agent/engines/simulated-script.js";

/** A hook of Node's module loader. */
export async function load(url, context, next) {
  if (!url.endsWith(SCRIPT)) return next(url, context);
  const whole = JSON.stringify(`${url}?whole`);
  const source = `
    import { readScript as read } from ${whole};
    export * from ${whole};
    export function readScript(options) {
      if (badDevice() === "loads nothing") throw new Error("the device is not there any more");
      const script = read(options);
      const own = [...script.dieOn];
      const dieOn = { size: 1, has: (n) => own.includes(n) || badDevice() === "dies", [Symbol.iterator]: () => own.values() };
      return { ...script, dieOn };
    }`;
  return { format: "module", source, shortCircuit: true };
}
