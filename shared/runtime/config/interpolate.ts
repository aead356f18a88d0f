/**
 * `key: "${NAME}"` in the file: the whole value is the variable NAME, so that secrets can stay out of the file. Parts
 * of values, defaults and nesting are refused rather than half-supported.
 */
import { readText } from "./environment.js";
import { leaves } from "./leaves.js";
import type { Layers } from "./load.js";
import type { LoadConfigOptions } from "./types.js";

const WHOLE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

/** Replaces the references in the tree; a variable that is not set or a partial reference becomes a problem. */
export function interpolate(layers: Layers, env: LoadConfigOptions["env"]): void {
  walk(layers.tree, "");

  function walk(at: object, path: string): void {
    for (const [name, value] of Object.entries(at)) {
      const key = path === "" ? name : `${path}.${name}`;
      if (typeof value === "object" && value !== null) walk(value, key);
      if (typeof value !== "string" || !value.includes("${")) continue;
      const read = reference(value);
      if ("text" in read) {
        const replaced = readText(read.text, leaves.get(key)?.type ?? "text");
        Object.defineProperty(at, name, {
          value: replaced,
          enumerable: true,
          writable: true,
          configurable: true,
        });
      } else {
        Reflect.deleteProperty(at, name);
        const source = layers.sources.get(key) ?? { kind: "default" };
        layers.problems.push({ key, source, ...read });
      }
    }
  }

  function reference(value: string): { text: string } | { message: string; hint: string } {
    const name = WHOLE.exec(value)?.[1];
    if (name === undefined) {
      const message = `holds \${ as a part of its value`;
      return { message, hint: `only a whole value can be a reference, such as \${OPENAI_API_KEY}` };
    }
    const text = env[name];
    if (text === undefined || text === "") {
      return { message: `names the environment variable ${name}, which is not set`, hint: `set ${name}` };
    }
    return { text };
  }
}
