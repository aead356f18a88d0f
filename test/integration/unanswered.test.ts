/** Assignments that an agent does not answer. */
import { afterEach, expect, test } from "vitest";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { RawAgent } from "../support/raw-agent.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let agent: RawAgent;
afterEach(async () => {
  agent?.close();
  await fleet?.stop();
});

test("what is not accepted in time is asked back until it is answered, and only that", async () => {
  fleet = await startFleet({
    config: (config) => {
      config.coordinator.heartbeatIntervalMs = 100; // four looks in it
      config.coordinator.acceptDeadlineMs = 200;
      config.coordinator.lostAfterIntervals = 600;
      config.coordinator.suspectAfterIntervals = 300;
    },
  });
  agent = new RawAgent(fleet, "mute");
  await agent.join();
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 2, shardSize: 1 }) });
  agent.send({ $case: "credit", value: { lane: "cpu", total: 2n } });
  const given = () => agent.seen.flatMap((body) => (body.$case === "assign" ? body.value.assignments : []));
  const [accepted, silent] = await until("all are assigned", () => given().length === 2 && given());
  if (!accepted?.fence || !silent?.fence) throw new Error("an assignment lacks its fence");
  agent.send({ $case: "accepted", value: { fences: [accepted.fence] } });
  const asked = () => agent.seen.flatMap((body) => (body.$case === "retract" ? body.value.fences : []));
  await until("it is asked three times", () => asked().length >= 3);
  expect(new Set(asked().map(({ n }) => n))).toEqual(new Set([silent.fence.n]));
  const states = async () => (await fleet.api.job(id, "j0000")).shards.map(({ state }) => state).sort();
  expect(await states()).toEqual(["accepted", "assigned"]);
  agent.send({ $case: "rejected", value: { fences: [silent.fence], reason: "no_credit" } });
  await until("it is given back", async () => (await states()).join() === "accepted,pending");
});
