/**
 * What a fleet costs its coordinator: thousands of agents that do nothing but be there, and their return after the
 * coordinator was killed and started again on what it had written. Prints a table; `--json FILE` keeps the figures.
 * README.md says what each means.
 *
 *   npm run bench:fleet [-- --agents 1000,5000 --seconds 20 --processes 2 --json FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compile } from "../support/compiled.js";
import { leaveNothing } from "../support/leave-nothing.js";
import { thisMachine } from "../support/machine.js";
import { measure } from "./measure.js";
import { printed } from "./report.js";

const { values: flags } = parseArgs({
  options: {
    ...{ agents: { type: "string", default: "1000,5000" }, seconds: { type: "string", default: "20" } },
    ...{ processes: { type: "string", default: "2" }, json: { type: "string", default: "" } },
  },
});
leaveNothing();
compile();
const measured = [];
for (const agents of flags.agents.split(",").map(Number)) {
  const folder = mkdtempSync(join(tmpdir(), "sai-bench-fleet-"));
  try {
    const shape = { agents, seconds: Number(flags.seconds), processes: Number(flags.processes) };
    measured.push(
      await measure(folder, shape, (text) => process.stderr.write(`${agents} agents: ${text}\n`)),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
const machine = thisMachine();
process.stdout.write(printed(measured, machine));
if (flags.json !== "")
  writeFileSync(flags.json, `${JSON.stringify({ bench: "fleet", machine, measured })}\n`);
