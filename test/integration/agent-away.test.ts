/** What happens to an attempt while its agent cannot reach the coordinator keeps its class when it is told at last. */
import { afterEach, expect, test } from "vitest";
import { isEnded } from "../support/api.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type Relay, startRelay } from "../support/relay.js";
import { refusedUrl } from "../support/scripted-server.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let relay: Relay | undefined;
afterEach(async () => {
  await fleet?.stop();
  await relay?.close();
});

test("a failure while no stream is there is told afterwards, and counts", async () => {
  fleet = await startFleet();
  relay = await startRelay(fleet.coordinator.agentAddress);
  const { address } = relay;
  await fleet.agent("n1", (config) => {
    config.agent.coordinatorAddress = address;
  });
  // Nobody listens there: the load fails after some tries.
  const engineConfig = { base_url: `${await refusedUrl()}/v1`, max_retries: 4, retry_delay: 0.3 };
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 1, model: { engine: "openai" }, engineConfig, run: { retry: { max: 1 } } }),
  });
  await until("n1 works", async () => (await fleet.api.node("n1")).attempts > 0);
  relay.block(true);
  await until("the attempt has failed", () => fleet.logs.some(({ msg }) => msg === "attempt failed"));
  expect(isEnded(await fleet.api.get(id))).toBe(false);
  relay.block(false);
  await fleet.api.ended(id);
  const [record] = await fleet.api.records(id);
  expect(record?.error).toMatchObject({ class: "connection_refused" });
  // It counted, so that the one retry was the last.
  expect(fleet.logs.filter(({ msg }) => msg === "attempt failed")).toHaveLength(2);
});
