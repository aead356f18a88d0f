/** The brake on a real fleet: whose silence counts. */
import { afterEach, expect, test } from "vitest";
import { silentLogger } from "../../shared/runtime/logger.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { EventLog } from "../events.js";
import { FencedStore } from "../store/fenced-store.js";
import { openMemoryStore } from "../store/memory-store.js";
import { Brake } from "./brake.js";
import { BRAKE_LIMITS } from "./brake-state.js";
import { Fleet } from "./fleet.js";
import { FleetRecords } from "./fleet-records.js";

const LOST_MS = 4_000;

let close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of close) await each();
  close = [];
});

async function fleetOf(ids: readonly string[]) {
  const clock = new ManualClock();
  const log = silentLogger();
  const state = openMemoryStore({ clock });
  const self = { replica: "r", nonce: "n", address: "" };
  const acquired = await FencedStore.acquire(state, self, { ttlMs: 3_600_000, clock });
  if (acquired.kind !== "acquired") throw new Error("nobody else can lead here");
  const events = new EventLog(clock);
  const records = new FleetRecords(acquired.store, clock, log);
  const nothing = () => {};
  const fleet = new Fleet({
    ...{ clock, events, log, records },
    timers: { suspectAfterMs: LOST_MS / 2, lostAfterMs: LOST_MS },
    listener: { lost: nothing, left: nothing, retract: nothing, wake: nothing, roomier: nothing },
  });
  close.push(async () => {
    await records.stop();
    await state.close();
  });
  const brake = new Brake({ clock, events, log, fleet, limits: BRAKE_LIMITS, storeAnswers: () => true });
  for (const id of ids) fleet.meet(id);
  /** These go silent for long enough and are looked for; everybody else is heard. */
  const silence = async (silent: readonly string[]) => {
    for (const node of fleet.list()) fleet.event(node, { kind: "hello", incarnation: 1n });
    await clock.advance(LOST_MS);
    for (const node of fleet.list()) if (!silent.includes(node.id)) fleet.heard(node);
    brake.look(0);
    return silent.map((id) => fleet.node(id)?.state.kind);
  };
  return { brake, silence };
}

test("an agent that is lost and back again and again is one agent, and brakes nobody", async () => {
  const { brake, silence } = await fleetOf(["a1", "a2", "a3"]);
  for (let times = 0; times < 8; times += 1) {
    expect(await silence([times % 2 === 0 ? "a1" : "a2"])).toEqual(["LOST"]);
    expect(brake.state.kind).toBe("released");
  }
});

test("several agents that are lost one after the other, and more that go silent, brake", async () => {
  const ids = ["a1", "a2", "a3", "a4", "a5", "a6", "a7"];
  const { brake, silence } = await fleetOf(ids);
  expect(await silence(["a1", "a2"])).toEqual(["LOST", "LOST"]);
  expect(await silence(["a3", "a4"])).toEqual(["LOST", "LOST"]);
  expect(await silence(["a5"])).not.toContain("LOST");
  expect(brake.state.kind).toBe("engaged");
});
