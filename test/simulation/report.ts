/** What many schedules came to, for people. */
import type { Outcome } from "./schedule.js";
import type { Report } from "./simulate.js";

/** Violations of one invariant that are shown. */
const SHOWN = 5;

/** Prints it; the answer are the schedules that failed. */
export function printReport({ outcomes, transitions, faults }: Report, tookMs: number): Outcome[] {
  const failed = outcomes.filter(({ violation }) => violation !== undefined);
  const events = outcomes.map((outcome) => outcome.events).sort((a, b) => a - b);
  const requeued = outcomes.filter((outcome) => outcome.requeued).length;
  console.log(
    [
      ...lines("fault", faults),
      ...lines("transition", transitions),
      `schedules              ${outcomes.length}`,
      `events, median         ${events[events.length >> 1] ?? 0}`,
      `with a requeue         ${((100 * requeued) / Math.max(1, outcomes.length)).toFixed(1)} %`,
      `schedules a minute     ${Math.round((outcomes.length * 60_000) / tookMs)}`,
      `violations             ${failed.length}`,
    ].join("\n"),
  );
  const byInvariant = new Map<string, Outcome[]>();
  for (const outcome of failed) {
    const name = outcome.violation?.invariant ?? "";
    byInvariant.set(name, [...(byInvariant.get(name) ?? []), outcome]);
  }
  for (const [invariant, all] of byInvariant) {
    console.log(`VIOLATED ${all.length} times: ${invariant}`);
    for (const { seed, violation } of all.slice(0, SHOWN))
      console.log(`  SEED=${seed}  at ${violation?.atMs} ms: ${violation?.text.slice(0, 400)}`);
  }
  return failed;
}

function lines(what: string, counts: Map<string, number>): string[] {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => `${what.padEnd(12)}${name.padEnd(52)}${n}`);
}
