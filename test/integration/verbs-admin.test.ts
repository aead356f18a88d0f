/** The coordinator's state and its brake, through the command. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliOf } from "../support/cli.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { RawAgent } from "../support/raw-agent.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let sai: ReturnType<typeof cliOf>;
beforeAll(async () => {
  fleet = await startFleet({
    agents: ["n1"],
    config: (config) => {
      config.coordinator.heartbeatIntervalMs = 200;
      config.agent.cpuSlots = 1;
    },
  });
  sai = cliOf(fleet);
});
afterAll(() => fleet?.stop());

test("status says who leads, how full the store is, and what is under way", async () => {
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 40, shardSize: 1, options: { latency_ms: 60_000 } }),
  });
  await until("shards run", async () => (await fleet.api.node("n1")).attempts > 0);
  const { code, out } = await sai("admin", "status");
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^leader +${fleet.coordinator.apiAddress}, epoch \\d+$`, "m"));
  expect(out).toMatch(/^store +memory, .* used/m);
  expect(out).toMatch(/^nodes +1 of 1 ready$/m);
  expect(out).toMatch(/^campaigns +1 active$/m);
  const status = JSON.parse((await sai("admin", "status", "-o", "json")).out);
  expect(status).toMatchObject({ nodes: 1, nodesReady: 1, clusterId: fleet.coordinator.clusterId });
  expect(status.shardsPending + status.shardsRunning).toBe(40);
  expect(status.uptimeS).toBeGreaterThan(0);
  await sai("campaign", "cancel", id);
});

const lost = async () => (await fleet.api.listNodes()).filter(({ state }) => state === "lost");

test("the brake: engaged by a mass loss it names cause and end; a release lets the nodes go, with the reason", async () => {
  // A machine that is held up engages it too.
  await until("it is not engaged", async () => (await sai("admin", "brake", "release")).err !== "");
  expect(await sai("admin", "brake", "release")).toEqual({
    code: 0,
    out: "not engaged\n",
    err: "the brake was not engaged; nothing was released\n",
  });
  // Agents that join and are never heard again.
  const silent = Array.from({ length: 5 }, (_, i) => new RawAgent(fleet, `raw-${i}`));
  await Promise.all(silent.map((agent) => agent.join()));
  await until(
    "the brake is engaged",
    async () => JSON.parse((await sai("admin", "status", "-o", "json")).out).brake?.engaged,
    30_000,
  );
  const { out } = await sai("admin", "status");
  expect(out).toMatch(/^brake +engaged since .*: many nodes went silent at once.*; it ends when/m);
  // Those whose silence began a moment before the others' may have been lost one by one; no more are.
  expect((await lost()).length).toBeLessThan(5);
  const released = await sai("admin", "brake", "release", "--reason", "rack 7 is gone");
  expect(released).toMatchObject({ code: 0, out: "not engaged\n", err: "" });
  await until("the silent nodes are lost", async () => (await lost()).length === 5);
  const events = await fleet.api.eventsOf("", (seen) => seen.some(({ kind }) => kind === "brake.released"));
  expect(events.find(({ kind }) => kind === "brake.released")?.message).toContain("rack 7 is gone");
  for (const agent of silent) agent.close();
});
