/**
 * Too many callers, readers that do not read, and everybody at once: the work goes on, and nobody looks dead. What the
 * readers leave unread is too little for a coordinator to hang up on them, so that is not tried.
 */
import { StreamEventsRequest } from "../../../shared/gen/sai/v1/event.js";
import { recorded, submitSimulated, succeeded } from "../../kills/campaigns.js";
import { between } from "../../kills/random.js";
import type { Scenario } from "../../kills/scenario.js";
import { seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { checked } from "../check.js";
import { LOAD } from "./leader-killed.js";

/** Callers at once; one alone keeps the coordinator as busy as a person who looks at a table all the time. */
const CALLERS = 10;
const DEAF = 8;
/** Of the speed without them. */
const GOODPUT = 0.8;
/** Work that hardly needs the machine, so that callers compete for the coordinator and not for cores. */
const QUIET = { ...LOAD, latencyMs: 400, samples: 200 };

export const overloaded = (world: () => WorldOptions): Scenario => ({
  ...{ name: "callers and deaf readers", repetitions: 0, long: 3, world },
  holds: "goodput stays above 80 %, every heartbeat arrives in time",
  async run(w, n) {
    const alone = await timed(w, `alone-${n}`);
    const silent = silences(w);
    const { api } = w;
    const deaf = Array.from({ length: DEAF }, () => {
      const stream = api.events.streamEvents(StreamEventsRequest.fromPartial({}));
      stream.on("error", () => undefined);
      stream.pause();
      return stream;
    });
    let over = false;
    let calls = 0;
    const callers = Array.from({ length: CALLERS }, async () => {
      while (!over) {
        await Promise.allSettled([
          api.listNodes(),
          api.get(alone.id),
          api.page(alone.id, { pageSize: 1000 }),
        ]);
        calls += 3;
      }
    });
    let busy: Awaited<ReturnType<typeof timed>>;
    try {
      busy = await timed(w, `busy-${n}`);
    } finally {
      over = true;
      await Promise.all(callers);
      for (const stream of deaf) stream.cancel();
    }
    const goodput = alone.tookMs / busy.tookMs;
    const samples = await checked(w, [alone.campaign, busy.campaign]);
    if (silences(w) > silent) throw new Error("an agent looked dead");
    if (goodput < GOODPUT) throw new Error(`goodput fell to ${Math.round(goodput * 100)} %`);
    return `${calls} calls, goodput ${Math.round(goodput * 100)} %, ${samples} samples`;
  },
});

async function timed(w: World, name: string) {
  const beganMs = Date.now();
  const campaign = await submitSimulated(w, name, QUIET);
  await succeeded(w, campaign);
  return { id: campaign.id, campaign, tookMs: Date.now() - beganMs };
}

export const allReconnect = (world: () => WorldOptions): Scenario => ({
  ...{ name: "all agents reconnect at once", repetitions: 0, takesTurns: true, long: 5, world },
  holds: "nobody is lost, nothing that runs is given away, the leader's loop is late by less than 1 s",
  async run(w, n, random) {
    const campaign = await submitSimulated(w, `reconnect-${n}`, LOAD);
    await recorded(w, campaign, between(random, 0.05, 0.3));
    const leader = await w.leader();
    const silent = silences(w);
    for (const name of w.coordinators) await loopLagMs(w, name);
    const beganMs = Date.now();
    await w.sai(["admin", "leader", "transfer", "--reason", "everybody at once"]);
    await seen({
      what: "another leads and all are back",
      ask: async () => {
        const now = await w.leading();
        const nodes = await w.api.listNodes();
        return now !== undefined && now !== leader && nodes.every(({ state }) => state === "ready");
      },
      progress: () => w.journals.of(campaign.id).length,
      fault: () => w.faults(),
    });
    const took = Date.now() - beganMs;
    const samples = await checked(w, [campaign]);
    if (silences(w) > silent) throw new Error("an agent looked dead");
    const lag = await loopLagMs(w, await w.leader());
    if (!(lag < LAG_MS)) throw new Error(`the next leader's loop was late by ${lag} ms`);
    return `${w.agents.length} agents were back after ${took} ms, the leader's loop late by at most ${lag} ms, ${samples} samples`;
  },
});

/** What everybody at once may cost the leader. */
const LAG_MS = 1_000;

/** The longest that a coordinator's event loop was late since this was last asked, ms. */
async function loopLagMs(w: World, name: string): Promise<number> {
  const text = await w.metrics(name);
  return Math.round(1000 * Number(/^nodejs_eventloop_lag_seconds (\S+)$/m.exec(text)?.[1]));
}

/** How often a coordinator took an agent that nobody stopped for dead or nearly so. */
const silences = (w: World): number =>
  w.coordinators
    .flatMap((name) => w.log(name))
    .filter(
      ({ msg, to, reason }) =>
        msg === "node transition" &&
        (to === "LOST" || to === "SUSPECT") &&
        !/stopped|its stream broke/.test(`${reason}`),
    ).length;
