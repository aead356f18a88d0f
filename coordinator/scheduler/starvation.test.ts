/** Whatever arrives, work that is feasible is served within a time that depends only on what was there before it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { schedule } from "./schedule.js";
import type { JobSnapshot } from "./snapshot.js";
import { agent, job } from "./snapshot.test-support.js";

const STEP_MS = 10_000;
const STARVED_MS = 60_000;
const options = { maxWaitMs: 20_000, starvedAfterMs: STARVED_MS };

test("work of the lowest priority is served in its turn though better work arrives without end", () => {
  holdsFor(
    "starvation",
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.record({ model: fc.constantFrom("a", "b"), priority: fc.integer({ min: 1, max: 3 }) }), {
        minLength: 1,
        maxLength: 40,
      }),
      (lanes, victims, arrivals) => {
        const jobs: JobSnapshot[] = Array.from({ length: victims }, (_, i) =>
          job(`v-${i}`, "j0000", { pending: 1, model: "c", createdMs: i }),
        );
        const waits = new Set(jobs.map(({ campaign }) => campaign));
        const memory = Array.from({ length: lanes }, () => ({}));
        // Each lane serves such work once in that time; one step for the attempt that runs, one to look.
        const boundMs = STARVED_MS * (1 + Math.ceil(victims / lanes)) + 2 * STEP_MS;
        for (let nowMs = 0, i = 0; waits.size > 0; nowMs += STEP_MS, i++) {
          expect(nowMs, `${[...waits]} wait`).toBeLessThanOrEqual(boundMs);
          const { model = "a", priority = 1 } = arrivals[i % arrivals.length] ?? {};
          const waitingSinceMs = nowMs;
          jobs.push(
            job(`n-${i}`, "j0000", { pending: 50, model, priority, createdMs: 100 + i, waitingSinceMs }),
          );
          const agents = memory.map((m, n) => agent(`n${n}`, { lanes: [{ lane: "cpu", credits: 1, ...m }] }));
          for (const a of schedule({ agents, jobs, options }, nowMs).assignments) {
            waits.delete(a.campaign);
            const at = jobs.findIndex(({ campaign }) => campaign === a.campaign);
            const given = jobs[at];
            if (given?.campaign.startsWith("v-")) jobs.splice(at, 1);
            else if (given) jobs[at] = { ...given, waitingSinceMs: nowMs };
            const n = Number(a.agent.slice(1));
            memory[n] = {
              ...memory[n],
              lastModel: `ollama:${given?.model}`,
              ...(a.why === "starved" ? { rescuedMs: nowMs } : {}),
            };
          }
        }
      },
    ),
    60,
  );
});
