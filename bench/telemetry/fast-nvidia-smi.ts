/**
 * A labelled fake: the stand-in nvidia-smi of the tests, but for readings one Node process that prints the same rows again and
 * again. The tests' own script starts two programs for each reading, which costs more than all that is measured here.
 */
import { chmod, rename, writeFile } from "node:fs/promises";
import { type StandIn, standInGpus } from "../../test/support/stand-in-gpus/stand-in.js";

/** What it says does not change. */
export async function fastNvidiaSmi(gpus: Parameters<typeof standInGpus>[0]): Promise<StandIn> {
  const standIn = await standInGpus(gpus);
  const asked = `${standIn.path}-asked`;
  const printing = `${standIn.path}-printing.mjs`;
  await rename(standIn.path, asked);
  await writeFile(
    printing,
    `import { spawnSync } from "node:child_process";
const [fields, format, , pause] = process.argv.slice(2);
const said = spawnSync(${JSON.stringify(asked)}, [fields, format], { encoding: "utf8" }).stdout;
process.stdout.write(said);
const rows = said.slice(said.indexOf("\\n") + 1);
setInterval(() => process.stdout.write(rows), Number(pause));
`,
  );
  const script = `#!/bin/sh
[ "$3" = -lms ] && exec "${process.execPath}" "${printing}" "$@"
exec "${asked}" "$@"
`;
  await writeFile(standIn.path, script);
  await chmod(standIn.path, 0o755);
  return standIn;
}
