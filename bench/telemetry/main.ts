/**
 * What telemetry costs, and what an agent takes while it has nothing to do. nvidia-smi is a fast stand-in: what a real one takes
 * is the driver's. The agent's part is a process of its own that is measured with and without GPUs in turns (phases.ts); the
 * cost is the difference.
 *
 *   npm run bench:telemetry [-- SECONDS [ROUNDS]]
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { percentile } from "../../shared/benchmark/statistics/percentiles.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { compile, compiled } from "../support/compiled.js";
import { leaveNothing } from "../support/leave-nothing.js";
import { startLineProgram } from "../support/line-child.js";
import { thisMachine } from "../support/machine.js";
import { table } from "../support/table.js";
import { fastNvidiaSmi } from "./fast-nvidia-smi.js";
import { PHASES, type Phase, type PhaseShares, type RoundTold } from "./phases-told.js";

interface Spread {
  median: number;
  most: number;
}

leaveNothing();
const [seconds = 20, rounds = 3] = process.argv.slice(2).map(Number);
if (!(seconds >= 5 && rounds >= 1))
  throw new Error("usage: npm run bench:telemetry -- SECONDS (5 or more) ROUNDS");
const AIMS = { share: 0.01, rssBytes: 150e6 };
/** In the first half minute an agent still holds what its start left behind. */
const IDLE_MS = 60_000;

const uuids = Array.from({ length: 8 }, (_, i) => `GPU-${i}`);
const standIn = await fastNvidiaSmi(uuids.map((uuid) => ({ uuid })));

/** A row for each phase of each round, in the order they came. */
async function phases(): Promise<{ told: PhaseShares[]; readingsPerS: number }> {
  const main = fileURLToPath(compiled(new URL("./phases.ts", import.meta.url)));
  const child = startLineProgram(process.execPath, [main, standIn.path, `${seconds}`, `${rounds}`, ...uuids]);
  const told: PhaseShares[] = [];
  let readingsPerS = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    for (const _ of PHASES) told.push((await child.next()) as PhaseShares);
    readingsPerS = Math.min(readingsPerS, ((await child.next()) as RoundTold).readingsPerS);
  }
  await child.end();
  return { told, readingsPerS };
}

/** Resident memory of an agent that has been idle for a while. */
async function agentRss(): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), "agent-"));
  const main = fileURLToPath(compiled(new URL("../../cli/main.ts", import.meta.url)));
  const env = {
    ...process.env,
    SAI_DATA_DIR: dir,
    SAI_AGENT_NVIDIA_SMI: standIn.path,
    SAI_LOG_LEVEL: "error",
  };
  const agent = spawn(process.execPath, [main, "agent"], { env, stdio: ["ignore", "ignore", "inherit"] });
  await systemClock.sleep(IDLE_MS);
  const rssBytes = rssOf(agent.pid);
  agent.kill("SIGTERM");
  return rssBytes;
}

function rssOf(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = /VmRSS:\s*(\d+) kB/.exec(status)?.[1];
  if (kib === undefined) throw new Error("the agent did not stay");
  return Number(kib) * 1024;
}

compile();
const { told, readingsPerS } = await phases();
const rssBytes = await agentRss();
await standIn.remove();

/** Over the rounds; `of` has the phase and the same round's first. */
function over(phase: Phase, of: (phase: PhaseShares, none: PhaseShares) => number): Spread {
  const none = told.filter((each) => each.phase === "none");
  const shares = told.filter((each) => each.phase === phase).map((each, i) => of(each, none[i] ?? each));
  const sorted = shares.sort((a, b) => a - b);
  return { median: percentile(sorted, 0.5), most: sorted.at(-1) ?? Number.NaN };
}

const figures = Object.fromEntries(
  PHASES.map((phase) => [
    phase,
    {
      own: over(phase, ({ own }) => own),
      more: over(phase, ({ own }, none) => own - none.own),
      smi: over(phase, ({ smi }) => smi),
    },
  ]),
) as Record<Phase, { own: Spread; more: Spread; smi: Spread }>;
const LABELS: Record<Phase, string> = {
  none: "no GPUs",
  idle: "8 GPUs, a sample every 5 s",
  one: "leased by one attempt, a reading every 1 s",
  each: "leased by 8 attempts, a reading every 1 s",
};
const percent = ({ median, most }: Spread) => `${(100 * median).toFixed(2)} (${(100 * most).toFixed(2)})`;
const rows = PHASES.map((phase) => {
  const { own, more, smi } = figures[phase];
  return [LABELS[phase], percent(own), phase === "none" ? "" : percent(more), percent(smi)];
});
const met = {
  share: Math.max(figures.one.more.median, figures.each.more.median) < AIMS.share,
  rss: rssBytes <= AIMS.rssBytes,
};
process.stdout.write(`% of one core, median of ${rounds} rounds of ${seconds} s a phase (the most)
${table([["", "the agent's part", "cost of GPUs (aim < 1)", "stand-in nvidia-smi"], ...rows]).join("\n")}
readings of each GPU in a second   ${readingsPerS.toFixed(2)}
agent, idle for ${IDLE_MS / 1000} s            ${(rssBytes / 1e6).toFixed(0)} MB resident (aim <= 150 MB)
`);
process.stdout.write(
  `${JSON.stringify({ machine: thisMachine(), seconds, rounds, figures, readingsPerS, rssBytes, met })}\n`,
);
process.exit(met.share && met.rss ? 0 : 1);
