/** The process that runs schedules: it is sent orders, and answers each with what came of it. */
import { prepareSuite } from "../../shared/suites/prepare.js";
import { useLeanAbort } from "./abort.js";
import { begun } from "./faults.js";
import type { Answer, Order } from "./orders.js";
import { current, draw, type Outcome, run } from "./schedule.js";
import { taken } from "./transitions.js";
import { SHAPES } from "./workload.js";

useLeanAbort();
// Errors are made by the thousand; where they came from is of interest only while one schedule is looked at.
Error.stackTraceLimit = 0;

process.on("unhandledRejection", (error) => {
  if (current === undefined) throw error;
  current.surprise("unhandled rejection", error);
});

process.on("message", (order: Order) => {
  answer(order).then(
    (done) => process.send?.(done),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));

await prepareShapes();
process.send?.({ kind: "ready" } satisfies Answer);

async function answer(order: Order): Promise<Answer> {
  if (order.kind === "one") {
    if (order.keepsLines) Error.stackTraceLimit = 20;
    return { kind: "one", outcome: await run(order.schedule ?? draw(order.seed), order.keepsLines) };
  }
  const outcomes: Outcome[] = [];
  for (const seed of order.seeds) outcomes.push(await run(draw(seed)));
  const counts = (from: Map<string, number>) => {
    const all = Object.fromEntries(from);
    from.clear();
    return all;
  };
  return { kind: "many", outcomes, transitions: taken(), faults: counts(begun) };
}

/** Each suite once, as the coordinator will ask: with agents there, and before any has come. */
async function prepareShapes(): Promise<void> {
  for (const shape of SHAPES) {
    for (const available of [undefined, []]) {
      const prepared = await prepareSuite({
        ...{ text: shape.request.suite, modelMap: {}, files: { kind: "within", dir: "/nowhere" } },
        ...{ manifests: new Map(), promptFiles: new Map(), ...(available ? { available } : {}) },
      });
      if (!prepared.ok) throw new Error(`${shape.name}: ${JSON.stringify(prepared.findings)}`);
    }
  }
}
