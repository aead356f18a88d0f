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
import { bothKilled, coordinatorKilled } from "./scenarios/coordinator-killed.js";
import { coordinatorStopped, coordinatorStoppedLong } from "./scenarios/coordinator-stopped.js";
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
  agentLost,
  coordinatorKilled,
  bothKilled,
  engineKilled,
  coordinatorStopped,
  coordinatorStoppedLong,
  agentsDiskFull(!flags["no-mounts"]),
  storesDiskFull(!flags["no-mounts"]),
];

const rows: string[] = [];
let failed = 0;
for (const scenario of SCENARIOS.filter(({ name }) => name.includes(flags.only))) {
  const repetitions = Number(flags.repetitions ?? scenario.repetitions);
  console.log(`\n${scenario.name}: ${scenario.holds}`);
  const beganMs = Date.now();
  const passed = await repeat(scenario, repetitions);
  failed += repetitions - passed;
  const seconds = Math.round((Date.now() - beganMs) / 1000);
  rows.push(`${scenario.name.padEnd(36)} ${passed} of ${repetitions} passed in ${seconds} s`);
}
console.log(`\n${rows.join("\n")}`);
console.log(`${failed === 0 ? "no sample was lost or doubled" : `${failed} FAILED`}`);
process.exitCode = failed === 0 ? 0 : 1;

/** How many repetitions passed. One world serves all of them until one fails. */
async function repeat(scenario: Scenario, repetitions: number): Promise<number> {
  let passed = 0;
  let world: World | undefined;
  for (let n = 0; n < repetitions; n += 1) {
    const beganMs = Date.now();
    try {
      world ??= await World.start(scenario.world());
      const note = await scenario.run(world, n);
      if (n === repetitions - 1) await world.stop();
      passed += 1;
      console.log(`  ${n + 1}. ${note}, ${((Date.now() - beganMs) / 1000).toFixed(1)} s`);
    } catch (error) {
      console.log(`  ${n + 1}. FAILED after ${((Date.now() - beganMs) / 1000).toFixed(1)} s`);
      console.log(`${error instanceof Error ? error.message : error}\n${world?.tails() ?? ""}`);
      await world?.abandon();
      if (flags.keep) console.log(`kept: ${world?.folder}`);
      else world?.remove();
      world = undefined;
    }
  }
  world?.remove();
  return passed;
}
