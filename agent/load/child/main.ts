/**
 * A load generator: a process of its own, so that nothing an agent does besides (journals, heartbeats, other attempts)
 * stands between a socket and the clock. It takes one plan from its input, carries it out, tells what it saw, and ends;
 * it ends as well when its input does, so that it does not outlive its agent.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { Connections } from "../connections.js";
import { exchange } from "../exchange.js";
import { generate, type Send } from "../generate.js";
import { type FromGenerator, GENERATOR_PROTOCOL, type GeneratorPlan, type RequestSeen } from "../messages.js";

const LAG_RESOLUTION_MS = 10;
/** Warm-up requests at once. */
const WARM_AT_ONCE = 8;
/** Requests told in one line. */
const TOLD_AT_ONCE = 500;

const say = (message: FromGenerator): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

/** CLOCK_MONOTONIC; the answer counts ns from now. */
function startClock(): { beganMonotonicNs: string; nowNs: () => number } {
  const [s0, ns0] = process.hrtime();
  const nowNs = () => {
    const [s, ns] = process.hrtime();
    return (s - s0) * 1e9 + (ns - ns0);
  };
  return { beganMonotonicNs: String(BigInt(s0) * 1_000_000_000n + BigInt(ns0)), nowNs };
}

async function carryOut(plan: GeneratorPlan): Promise<void> {
  const { origin, pathname, search } = new URL(plan.url);
  const connections = new Connections(origin);
  const path = pathname + search;
  const headers = { "content-type": "application/json", accept: "text/event-stream", ...plan.headers };
  let nowNs = startClock().nowNs;
  const sendAs =
    (name: (n: number) => string): Send =>
    (n, ended) => {
      const { head, tail } = plan.bodies[n % plan.bodies.length] ?? { head: "", tail: "" };
      const own = plan.bust === undefined ? "" : `[${plan.bust} ${name(n)}] `;
      return exchange(connections, { path, headers, body: head + own + tail }, nowNs, ended);
    };
  await warmUp(
    plan,
    sendAs((n) => `w${n}`),
  );
  say({ event: "began" });
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  const beganWallMs = Date.now();
  const clock = startClock();
  nowNs = clock.nowNs;
  const { requests, ...window } = await generate(plan, sendAs(String), nowNs);
  lag.disable();
  for (let i = 0; i < requests.length; i += TOLD_AT_ONCE) {
    say({ event: "requests", requests: requests.slice(i, i + TOLD_AT_ONCE) });
  }
  const loopLagP99Ms = Math.max(0, (lag.percentile(99) || 0) / 1e6 - LAG_RESOLUTION_MS);
  const { beganMonotonicNs } = clock;
  say({ event: "over", window: { ...window, beganWallMs, beganMonotonicNs, loopLagP99Ms } });
  await connections.destroy();
}

/** What fails here fails in the window as well, and is told there. */
async function warmUp({ warmup, timeoutMs }: GeneratorPlan, send: Send): Promise<void> {
  let next = 0;
  const slot = async () => {
    while (next < warmup) {
      const n = next++;
      await new Promise<Partial<RequestSeen>>((resolve) => {
        const abort = send(n, (seen) => {
          clearTimeout(timer);
          resolve(seen);
        });
        const timer = setTimeout(() => abort({ kind: "timeout" }), Math.min(timeoutMs, 2 ** 31 - 1));
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(warmup, WARM_AT_ONCE) }, slot));
}

let isTold = false;
const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.on("line", (line) => {
  if (isTold) return;
  isTold = true;
  const plan = JSON.parse(line) as GeneratorPlan;
  const begun =
    plan.v === GENERATOR_PROTOCOL
      ? carryOut(plan)
      : Promise.reject(new Error(`it is of version ${GENERATOR_PROTOCOL}, the plan of ${plan.v}`));
  begun
    .catch((error: unknown) =>
      say({ event: "failed", message: error instanceof Error ? error.message : String(error) }),
    )
    // A reader may be slow, and what is still on its way to it would be lost.
    .finally(() => process.stdout.end(() => process.exit(0)));
});
