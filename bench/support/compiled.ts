/**
 * The children of a benchmark run as JavaScript that tsc made, as a deployed program does: what tsx makes of TypeScript
 * names every closure when it is made, which is several percent of a hot path.
 */
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { createRequire } from "node:module";
import { relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const out = `${root}.cache/bench/`;

/** Compiles everything; a second time what has changed. Throws when it does not compile. */
export function compile(): void {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", `${root}bench/tsconfig.json`], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("the benchmark does not compile");
  for (const asset of ["shared/gen/sai.binpb", "third_party"])
    cpSync(root + asset, out + asset, { recursive: true });
}

/** The JavaScript of a TypeScript file. */
export const compiled = (file: URL): URL =>
  pathToFileURL(out + relative(root, fileURLToPath(file)).replace(/\.ts$/, ".js"));
