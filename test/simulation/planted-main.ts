/**
 * Plants each bug of planted.ts in the real modules and looks for it: `npm run test:planted`. The schedule that is kept
 * for it is tried first, then seeds from 1 on; every bug must be found within 2,000 of them, by an invariant that is
 * said to give it away. Exit 1 otherwise.
 *
 *   SEEDS_ONLY=1   leaves out what is kept, and so shows how soon chance finds each
 *   KEEP=1         what a seed has found is cut down and kept below fixtures/
 *   ONLY=credits   bugs whose name has this text
 *   SEEDS=20000    looks further than 2,000, for a schedule to keep
 */
import { availableParallelism } from "node:os";
import { type Fixture, fixtures, keep } from "./fixtures.js";
import { PLANTED, type PlantedBug } from "./planted.js";
import { shrink } from "./shrink.js";
import { buildSimulation, simulate, Worker } from "./simulate.js";
import type { Violation } from "./violations.js";

const SEEDS = Number(process.env["SEEDS"] ?? 2000);

interface Found {
  where: string;
  violation: Violation;
  seed?: number;
}

const kept = process.env["SEEDS_ONLY"] ? [] : [...(await fixtures()).values()];
for (const bug of PLANTED) {
  if (!bug.name.includes(process.env["ONLY"] ?? "")) continue;
  const built = await buildSimulation(bug.patches);
  try {
    const found = (await byFixture(built.file, bug, kept)) ?? (await bySeeds(built.file));
    const invariant = found?.violation.invariant;
    const said = invariant !== undefined && bug.caughtBy.includes(invariant);
    const text = found ? `${found.where}: ${invariant}` : `not found in ${SEEDS} seeds`;
    console.log(`${said ? "found " : "MISSED"}  ${bug.name.padEnd(64)} ${text}`);
    if (!said) {
      process.exitCode = 1;
      if (found) console.log(`        not as expected: ${found.violation.text.slice(0, 300)}`);
    } else if (process.env["KEEP"] && found?.seed !== undefined) {
      console.log(`        kept as ${await keep(await shrink(built.file, found.seed), bug.name)}`);
    }
  } finally {
    await built.close();
  }
}

/** The schedule that is kept for the bug, if it still shows it. */
async function byFixture(file: string, bug: PlantedBug, all: readonly Fixture[]): Promise<Found | undefined> {
  const fixture = all.find(({ plant }) => plant === bug.name);
  if (fixture === undefined) return undefined;
  const worker = new Worker(file);
  try {
    const { schedule } = fixture;
    const order = { kind: "one", seed: schedule.seed, schedule, keepsLines: false } as const;
    const { violation } = (await worker.ask(order)).outcome;
    if (violation) return { where: "what is kept", violation };
    console.log(`        what is kept for it shows it no more; KEEP=1 renews it`);
    return undefined;
  } finally {
    await worker.close();
  }
}

async function bySeeds(file: string): Promise<Found | undefined> {
  const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);
  const { outcomes } = await simulate(file, seeds, availableParallelism(), (report) =>
    report.outcomes.some(({ violation }) => violation !== undefined),
  );
  for (const { seed, violation } of outcomes) {
    if (violation) return { where: `seed ${seed}`, violation, seed };
  }
  return undefined;
}
