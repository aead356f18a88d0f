/**
 * Real faults on a fleet of several coordinators and a real etcd: the built program's own processes, killed, stopped,
 * cut off and lied to while campaigns run. What happened is recorded (etcd's history, who asked for each write, events,
 * journals) and checked as a whole (history.ts), beside every sample on the disks.
 *
 *   npm run test:faults                        as continuous integration runs it: some of each, and one more that the seed picks
 *   npm run test:faults -- --long              everything (about an hour), as often as the guarantees are stated for
 *   npm run test:faults -- --only leader       those whose name has "leader" in it
 *   npm run test:faults -- --repetitions 10 --seed 7 --keep
 */
import { parseArgs } from "node:util";
import { runScenarios } from "../kills/run.js";
import type { Scenario } from "../kills/scenario.js";
import { fleets } from "./fleets.js";
import { artifactsAway, clocksJump, journalTorn, samplePoison } from "./scenarios/agents.js";
import { deviceBad, storeTruncates } from "./scenarios/bad-parts.js";
import { compactedUnderNext } from "./scenarios/compacted.js";
import { etcdFaults } from "./scenarios/etcd-faults.js";
import { eachStopped, nodeDrained, rollingRestart } from "./scenarios/in-order.js";
import { leaderKilled } from "./scenarios/leader-killed.js";
import { leaderStopped } from "./scenarios/leader-stopped.js";
import { agentCutOff, halfOpen } from "./scenarios/links.js";
import { allReconnect, overloaded } from "./scenarios/overload.js";
import { wrongStore } from "./scenarios/wrong-store.js";

const { values: flags } = parseArgs({
  options: {
    repetitions: { type: "string" },
    only: { type: "string", default: "" },
    seed: { type: "string" },
    long: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});

const { fleet, quick, etcds, clocks, machines, badParts, small, links, programs } = await fleets();
const SCENARIOS: readonly Scenario[] = [
  leaderKilled(fleet),
  nodeDrained(fleet),
  eachStopped(fleet),
  rollingRestart(fleet),
  allReconnect(fleet),
  leaderStopped(fleet, { name: "", seconds: 9, repetitions: 1, long: 2 }),
  leaderStopped(fleet, { name: "", seconds: 60, repetitions: 0, long: 2 }),
  leaderStopped(quick, {
    ...{ name: ", agents hang up", seconds: 60, repetitions: 0, long: 2, mayRunAgain: true },
  }),
  overloaded(quick),
  ...etcdFaults(etcds, programs.strace),
  compactedUnderNext(etcds),
  journalTorn(etcds),
  samplePoison(etcds),
  artifactsAway(etcds, { seconds: 8, repetitions: 0, takesTurns: true, long: 1 }),
  artifactsAway(etcds, { seconds: 600, repetitions: 0, long: 1 }),
  clocksJump(etcds, clocks),
  deviceBad(machines, badParts, "dies"),
  deviceBad(machines, badParts, "loads nothing"),
  storeTruncates(machines, badParts),
  wrongStore(small, programs.etcd),
  agentCutOff(links),
  halfOpen(links),
];

await runScenarios(
  SCENARIOS,
  flags,
  "nothing was lost, doubled or written by the wrong one; nothing was left behind",
);
