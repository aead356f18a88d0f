/**
 * The simulation as one file: the real modules, with small patches where the simulation must see or change something.
 * A patch replaces one piece of a real file's text, and fails when the text is not there exactly once: a patch that
 * would silently do nothing proves nothing.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

/** One change of a real file. */
export interface Patch {
  /** Below the project's root. */
  file: string;
  find: string;
  replace: string;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = `${root}test/simulation`;

/** Writes the worker with `patches` on top of the usual ones to `outfile`, which must lie inside the project. */
export async function bundle(outfile: string, patches: readonly Patch[] = []): Promise<void> {
  await build({
    entryPoints: [`${here}/worker.ts`],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    sourcemap: "inline",
    sourcesContent: false,
    logLevel: "silent",
    plugins: [patched([...OBSERVED, ...patches])],
  });
}

/** What the simulation always changes: steps of the state machines are seen, suites are prepared once. */
const OBSERVED: Patch[] = [
  ...["Shard", "Agent", "Campaign", "Job"].map((name) => ({
    file: `shared/domain/${name.toLowerCase()}.ts`,
    find: `export function transition${name}(`,
    replace: `import { observed } from "${here}/transitions.ts";
export const transition${name} = (...args: unknown[]) => seen${name}(...args);
const seen${name} = observed("${name.toLowerCase()}", really${name});
function really${name}(`,
  })),
  {
    file: "shared/suites/prepare.ts",
    find: "export async function prepareSuite(",
    replace: `import { remembered } from "${here}/prepared.ts";
export const prepareSuite = remembered(reallyPrepare);
async function reallyPrepare(`,
  },
];

function patched(patches: readonly Patch[]): Plugin {
  const byFile = new Map<string, Patch[]>();
  for (const patch of patches) byFile.set(patch.file, [...(byFile.get(patch.file) ?? []), patch]);
  return {
    name: "patches",
    setup(builder) {
      const left = new Set(byFile.keys());
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = path.startsWith(root) ? path.slice(root.length) : path;
        const own = byFile.get(file);
        if (own === undefined) return undefined;
        left.delete(file);
        const text = await readFile(path, "utf8");
        return { contents: own.reduce((changed, patch) => apply(changed, patch), text), loader: "ts" };
      });
      builder.onEnd(() => {
        if (left.size > 0) return { errors: [{ text: `nothing imports ${[...left].join(", ")}` }] };
        return null;
      });
    },
  };
}

/** Throws unless the text to be replaced is there exactly once. */
export function apply(text: string, { file, find, replace }: Patch): string {
  const pieces = text.split(find);
  if (pieces.length !== 2) {
    throw new Error(
      `${file} has ${pieces.length - 1} places that read ${JSON.stringify(find)}, expected one`,
    );
  }
  return pieces.join(replace);
}
