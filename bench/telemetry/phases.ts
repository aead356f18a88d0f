/**
 * An agent's part that looks at GPUs, in a process of its own and as JavaScript that tsc made, which measures itself: in turns
 * without GPUs, with idle ones, leased by one attempt, leased by one attempt each. Says one line for each phase.
 *
 * 1. Processor time is this process's own, as Linux counts it in nanoseconds; that of every nvidia-smi is told beside it.
 * 2. A phase begins when what it is about runs, and has one look in it, though looks are a minute apart: it is shorter.
 */
import { GpuReports } from "../../agent/hardware/nvidia/gpu-reports.js";
import { watchLoopLag } from "../../agent/loop-lag.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { treeOf } from "../support/process-tree.js";
import { cpuSecondsOf, cpuSecondsOfEnded } from "../support/usage.js";
import type { Phase, PhaseShares, RoundTold } from "./phases-told.js";

const SETTLE_MS = 3_000;
const [path = "", secondsText = "", roundsText = "", ...uuids] = process.argv.slice(2);
const seconds = Number(secondsText);

const ownS = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const smiS = (): number =>
  treeOf([process.pid])
    .filter((pid) => pid !== process.pid)
    .reduce((sum, pid) => sum + cpuSecondsOf(pid) + cpuSecondsOfEnded(pid), cpuSecondsOfEnded(process.pid));

const say = (told: PhaseShares | RoundTold) => process.stdout.write(`${JSON.stringify(told)}\n`);

async function measured(phase: Phase): Promise<void> {
  await systemClock.sleep(SETTLE_MS);
  const [own, smi, startMs] = [ownS(), smiS(), systemClock.nowMs()];
  await systemClock.sleep(seconds * 1000);
  const wallS = (systemClock.nowMs() - startMs) / 1000;
  // Own first: to look at the others costs something.
  const ownShare = (ownS() - own) / wallS;
  say({ phase, own: ownShare, smi: (smiS() - smi) / wallS });
}

async function round(): Promise<void> {
  await measured("none");
  const reports = new GpuReports({
    ...{ path, expected: true, lookMs: seconds * 1000, sampleMs: 5_000, leasedSampleMs: 1_000 },
    ...{ ours: () => false, held: () => [], watchLag: watchLoopLag },
    ...{ env: process.env, clock: systemClock, log: silentLogger() },
  });
  await reports.begin();
  const ended = reports.goOn(() => {});
  await measured("idle");
  const readingsPerS = Math.min(
    await leased(reports, "one", [uuids]),
    await leased(
      reports,
      "each",
      uuids.map((uuid) => [uuid]),
    ),
  );
  reports.close();
  await ended;
  say({ readingsPerS });
}

/** As attempts do: for each place a window with the event loop's lateness, and one for the sample that runs. */
async function leased({ telemetry }: GpuReports, phase: Phase, places: readonly string[][]): Promise<number> {
  const leases = places.map((gpus) => telemetry.lease({ gpus }));
  const windows = leases.flatMap((lease) => [lease?.measure(), lease?.measure(false)]);
  await measured(phase);
  const told = windows.map((window) => window?.end());
  for (const lease of leases) lease?.end();
  return Math.min(...told.map((window) => (1000 * (window?.readings ?? 0)) / (window?.ms ?? 1)));
}

// What every agent has, with GPUs or without.
const lag = watchLoopLag();
await systemClock.sleep(2 * SETTLE_MS);
for (let done = 0; done < Number(roundsText); done += 1) await round();
lag.stop();
