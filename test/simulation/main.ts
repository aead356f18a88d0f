/**
 * The simulation from the command line:
 *
 *   npm run test:simulation                      20,000 schedules, the histogram, exit 1 if anything was violated
 *                                                or was done too seldom to prove anything (coverage.ts)
 *   SCHEDULES=500 FROM=7000 npm run …            fewer, from another seed on
 *   SEED=42 npm run test:simulation              one schedule with everything that happened
 *   KEEP=1 …                                     what fails is cut down and kept below fixtures/
 */
import { availableParallelism } from "node:os";
import { uncovered } from "./coverage.js";
import { keep } from "./fixtures.js";
import { printReport } from "./report.js";
import { shrink } from "./shrink.js";
import { buildSimulation, simulate, Worker } from "./simulate.js";

const number = (name: string, standard: number): number => {
  const text = process.env[name];
  const value = text === undefined || text === "" ? standard : Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${name}=${text} is no whole number`);
  return value;
};

const SHRUNK_AT_MOST = 3;

async function main(): Promise<boolean> {
  const built = await buildSimulation();
  try {
    return process.env["SEED"] ? await one(built.file, number("SEED", 1)) : await many(built.file);
  } finally {
    await built.close();
  }
}

/** One schedule, with its trace. */
async function one(file: string, seed: number): Promise<boolean> {
  const worker = new Worker(file);
  try {
    const { outcome } = await worker.ask({ kind: "one", seed, keepsLines: true });
    console.log(outcome.lines?.join("\n"));
    console.log(`seed ${seed}: ${outcome.events} events, ${outcome.virtualMs} ms, trace ${outcome.hash}`);
    if (outcome.violation) console.log(`VIOLATED: ${outcome.violation.invariant}: ${outcome.violation.text}`);
    return outcome.violation === undefined;
  } finally {
    await worker.close();
  }
}

async function many(file: string): Promise<boolean> {
  const from = number("FROM", 1);
  const seeds = Array.from({ length: number("SCHEDULES", 20_000) }, (_, i) => from + i);
  const startMs = performance.now();
  const report = await simulate(file, seeds, number("WORKERS", availableParallelism()));
  const failed = printReport(report, performance.now() - startMs);
  for (const { seed } of failed.slice(0, SHRUNK_AT_MOST)) {
    const shrunk = await shrink(file, seed);
    console.log(
      `seed ${seed} fails with these faults alone:\n${JSON.stringify(shrunk.schedule.faults, undefined, 1)}`,
    );
    if (process.env["KEEP"]) console.log(`kept as ${await keep(shrunk)}`);
  }
  const seldom = uncovered(report.outcomes.length, report.faults, report.transitions);
  if (seldom.length > 0) console.log(`TOO SELDOM to prove anything:\n${seldom.join("\n")}`);
  return failed.length === 0 && seldom.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
