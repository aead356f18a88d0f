/**
 * Real kills: the built program's own processes, killed and stopped while a campaign runs, on an event that is observed
 * (half of its records are journaled). Afterwards every sample must be there once, by what lies on the disks.
 *
 *   npm run test:kills                          as continuous integration runs it, some of each
 *   npm run test:kills -- --repetitions 10      ten of each
 *   npm run test:kills -- --only engine --keep  those whose name has "engine" in it; a failed one's folder stays
 *   npm run test:kills -- --no-mounts           full disks by RLIMIT_FSIZE, as where mounting is refused
 */
import { parseArgs } from "node:util";
import type { Scenario } from "./scenario.js";
import { agentKilled, agentLost } from "./scenarios/agent-killed.js";
import { agentStopped } from "./scenarios/agent-stopped.js";
import { bothKilled, coordinatorKilled } from "./scenarios/coordinator-killed.js";
import {
  coordinatorStopped,
  coordinatorStoppedLong,
  coordinatorStoppedTiny,
} from "./scenarios/coordinator-stopped.js";
import { agentsDiskFull, storesDiskFull } from "./scenarios/disk-full.js";
import { engineKilled } from "./scenarios/engine-killed.js";
import { World } from "./world.js";

const { values: flags } = parseArgs({
  options: {
    repetitions: { type: "string" },
    only: { type: "string", default: "" },
    keep: { type: "boolean", default: false },
    "no-mounts": { type: "boolean", default: false },
  },
});

const SCENARIOS: readonly Scenario[] = [
  agentKilled,
  coordinatorKilled,
  bothKilled,
  agentLost,
  agentStopped,
  coordinatorStopped,
  coordinatorStoppedLong,
  coordinatorStoppedTiny,
  engineKilled,
  agentsDiskFull(!flags["no-mounts"]),
  storesDiskFull(!flags["no-mounts"]),
];

const rows: string[] = [];
let failed = 0;
let current: { world: World; options: Scenario["world"] } | undefined;
for (const scenario of SCENARIOS.filter(({ name }) => name.includes(flags.only))) {
  const repetitions = Number(flags.repetitions ?? scenario.repetitions);
  if (repetitions === 0) continue;
  console.log(`\n${scenario.name}: ${scenario.holds}`);
  const beganMs = Date.now();
  if (current?.options !== scenario.world) await ended();
  let passed = 0;
  for (let n = 0; n < repetitions; n += 1) if (await passes(scenario, n)) passed += 1;
  failed += repetitions - passed;
  const seconds = Math.round((Date.now() - beganMs) / 1000);
  rows.push(`${scenario.name.padEnd(38)} ${passed} of ${repetitions} in ${seconds} s`);
}
await ended();
console.log(`\n${rows.join("\n")}`);
console.log(failed === 0 ? "no sample was lost or doubled, no process was left behind" : `${failed} FAILED`);
process.exitCode = failed === 0 ? 0 : 1;

/** One repetition, in the world there is; one that fails ends it. */
async function passes(scenario: Scenario, n: number): Promise<boolean> {
  const beganMs = Date.now();
  const seconds = () => `${((Date.now() - beganMs) / 1000).toFixed(1)} s`;
  try {
    current ??= { world: await World.start(scenario.world()), options: scenario.world };
    console.log(`  ${n + 1}. ${await scenario.run(current.world, n)}, ${seconds()}`);
    return true;
  } catch (error) {
    console.log(`  ${n + 1}. FAILED after ${seconds()}: ${error instanceof Error ? error.message : error}`);
    await abandoned();
    return false;
  }
}

/** Stops the world there is; what does not end in order is a failure, too. */
async function ended(): Promise<void> {
  try {
    await current?.world.stop();
    current?.world.remove();
    current = undefined;
  } catch (error) {
    failed += 1;
    console.log(`  FAILED at the end: ${error instanceof Error ? error.message : error}`);
    await abandoned();
  }
}

async function abandoned(): Promise<void> {
  if (current === undefined) return;
  const { world } = current;
  current = undefined;
  console.log(world.tails());
  await world.abandon();
  if (flags.keep) console.log(`kept: ${world.folder}`);
  else world.remove();
}
