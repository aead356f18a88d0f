/**
 * How far one coordinator with etcd goes: thousands of simulated agents work through up to a million no-op shards, and
 * the coordinator is killed half-way. Prints a table; `--json FILE` keeps the figures. README.md says what each means.
 *
 *   npm run bench:scale [-- --sizes 10:1000,100:10000 --json FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { etcdProgram } from "../../test/services/etcd/programs.js";
import { compile } from "../support/compiled.js";
import { leaveNothing } from "../support/leave-nothing.js";
import { thisMachine } from "../support/machine.js";
import { measure } from "./measure.js";
import { printed } from "./report.js";

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "10:1000,100:10000,1000:100000,10000:1000000" },
    json: { type: "string", default: "" },
  },
});
const sizes = flags.sizes.split(",").map((size) => {
  const [agents = Number.NaN, shards = Number.NaN] = size.split(":").map(Number);
  if (!(agents > 0 && shards >= 100 && shards % 100 === 0))
    throw new Error(`--sizes ${size}: agents:shards, and shards a multiple of 100`);
  return { agents, shards };
});
const etcd = await etcdProgram(console.error);
leaveNothing();
compile();
const measured = [];
for (const size of sizes) {
  const folder = mkdtempSync(join(tmpdir(), "sai-bench-scale-"));
  const say = (text: string) =>
    process.stderr.write(`${size.agents} agents, ${size.shards} shards: ${text}\n`);
  try {
    measured.push(await measure(folder, size, { etcd, say }));
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
const machine = thisMachine();
process.stdout.write(printed(measured, machine));
if (flags.json !== "")
  writeFileSync(flags.json, `${JSON.stringify({ bench: "scale", etcd, machine, measured })}\n`);
