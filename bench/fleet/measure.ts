/** One fleet's life: it comes, is idle, loses its coordinator, and comes back. */
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { ask } from "../support/asking.js";
import { compiled } from "../support/compiled.js";
import { type LineChild, startLineChild } from "../support/line-child.js";
import type { Usage } from "../support/usage.js";
import type { FleetAgentsQuestions } from "./agents.js";
import type { FleetCoordinatorQuestions, Memory, Ports } from "./coordinator.js";

export interface FleetShape {
  agents: number;
  /** Of the idle window. */
  seconds: number;
  /** That share the agents. */
  processes: number;
}

export interface FleetMeasured {
  agents: number;
  /** From the first agent's start until all were ready, s. */
  firstReadyS: number;
  /** Of the coordinator, before any agent and with all of them. */
  memory: { before: Memory; after: Memory };
  /** Of the coordinator while nothing but heartbeats happens. */
  idle: Usage;
  back: {
    /** From the kill until the new process listened, s. */
    listeningS: number;
    /** From the kill until all were ready, s. */
    allReadyS: number;
    /** Of the new coordinator until then. */
    usage: Usage;
  };
}

const SETTLE_MS = 5_000;
const LONGEST_S = 300;

export async function measure(
  folder: string,
  { agents, seconds, processes }: FleetShape,
  say: (text: string) => void,
): Promise<FleetMeasured> {
  const children: LineChild[] = [];
  const child = (name: string): LineChild => {
    const started = startLineChild(compiled(new URL(`./${name}.ts`, import.meta.url)));
    children.push(started);
    return started;
  };
  try {
    let coordinator = child("coordinator");
    const ports = await start(coordinator, folder, { api: 0, agents: 0, http: 0 });
    const before = await memoryOf(coordinator);
    say("starting the agents");
    const startedMs = clock.nowMs();
    const share = Math.ceil(agents / processes);
    const address = `127.0.0.1:${ports.agents}`;
    for (let first = 0; first < agents; first += share) {
      const count = Math.min(share, agents - first);
      const some = { folder, address, first, count, of: agents, run: "nothing" as const };
      await ask<FleetAgentsQuestions, "start">(child("agents"), "start", some);
    }
    await allReady(ports, agents);
    const firstReadyS = (clock.nowMs() - startedMs) / 1000;
    say(`all are ready after ${firstReadyS.toFixed(1)} s; idle for ${seconds} s`);
    await clock.sleep(SETTLE_MS);
    await ask<FleetCoordinatorQuestions, "begin">(coordinator, "begin", {});
    await clock.sleep(seconds * 1000);
    const idle = await ask<FleetCoordinatorQuestions, "end">(coordinator, "end", {});
    const after = await memoryOf(coordinator);

    say("killing the coordinator and starting it again");
    await coordinator.kill();
    const killedMs = clock.nowMs();
    coordinator = child("coordinator");
    await ask<FleetCoordinatorQuestions, "begin">(coordinator, "begin", {});
    await start(coordinator, folder, ports);
    const listeningS = (clock.nowMs() - killedMs) / 1000;
    await allReady(ports, agents);
    const allReadyS = (clock.nowMs() - killedMs) / 1000;
    const usage = await ask<FleetCoordinatorQuestions, "end">(coordinator, "end", {});
    say(`all are back after ${allReadyS.toFixed(1)} s`);
    return { agents, firstReadyS, memory: { before, after }, idle, back: { listeningS, allReadyS, usage } };
  } finally {
    await Promise.all(children.map((one) => one.kill()));
  }
}

const start = (coordinator: LineChild, folder: string, ports: Ports): Promise<Ports> =>
  ask<FleetCoordinatorQuestions, "start">(coordinator, "start", { folder, ports, etcd: "" });

export const memoryOf = (coordinator: LineChild): Promise<Memory> =>
  ask<FleetCoordinatorQuestions, "memory">(coordinator, "memory", {});

/** Resolves when the coordinator says that so many nodes are ready. */
export async function allReady({ http }: Ports, agents: number): Promise<void> {
  const untilMs = clock.nowMs() + LONGEST_S * 1000;
  let ready = 0;
  while (clock.nowMs() < untilMs) {
    const answer = await fetch(`http://127.0.0.1:${http}/health`).catch(() => undefined);
    ready = answer ? ((await answer.json()) as { nodesReady: number }).nodesReady : 0;
    if (ready === agents) return;
    await clock.sleep(200);
  }
  throw new Error(`after ${LONGEST_S} s ${ready} of ${agents} agents are ready`);
}
