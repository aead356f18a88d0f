/** A submit whose answer is lost on its way is sent again, and is still one campaign. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { captureIo, testContext } from "../../cli/cli.test-support.js";
import { type Campaign, CampaignSpec, connect } from "../../cli/client.js";
import { persist } from "../../cli/reconnect.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { startRelay } from "../support/relay.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet({ agents: ["n1"] });
});
afterAll(() => fleet?.stop());

test("the answer is lost after the coordinator has stored it: the same key again gives the same campaign", async () => {
  const relay = await startRelay(fleet.coordinator.apiAddress);
  const { io, err } = captureIo();
  const client = connect({ address: relay.address, signal: io.interrupt });
  const spec = CampaignSpec.fromPartial({ suite: suiteOf({ items: 2 }) });
  const listed = async () => (await direct.listCampaigns(10, "")).campaigns;
  const direct = connect({ address: fleet.coordinator.apiAddress, signal: io.interrupt });
  try {
    await client.status();
    relay.deafen();
    let asked = 0;
    const submitted: Promise<Campaign> = persist(testContext(io).context, "submitting again", () => {
      asked += 1;
      return client.createCampaign(spec, "one-key");
    });
    const [stored] = await until("it is stored", async () => {
      const all = await listed();
      return all.length > 0 && all;
    });
    relay.cut();
    expect((await submitted).id).toBe(stored?.id);
    expect(asked).toBeGreaterThan(1);
    expect(await listed()).toHaveLength(1);
    expect(err()).toBe("the coordinator does not answer; submitting again\nthe coordinator answers again\n");
  } finally {
    client.close();
    direct.close();
    await relay.close();
  }
});
