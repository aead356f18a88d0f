/** The brake on a real fleet: whose silence counts. */
import { afterEach, expect, test } from "vitest";
import { Brake } from "./brake.js";
import { BRAKE_LIMITS } from "./brake-state.js";
import { fleetAlone } from "./fleet.test-support.js";

const LOST_MS = 4_000;

let close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of close) await each();
  close = [];
});

async function fleetOf(ids: readonly string[]) {
  const { clock, events, log, fleet, stop } = await fleetAlone(LOST_MS);
  close.push(stop);
  const brake = new Brake({
    clock,
    events,
    log,
    fleet,
    limits: BRAKE_LIMITS,
    storeAnswers: () => true,
    storeFull: () => false,
  });
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
