/** Retrying over the whole path: a server that fails some questions, mended, and a coordinator that begins again. */
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { ask } from "../support/api.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type ScriptedServer, type SeenRequest, startScriptedServer } from "../support/scripted-server.js";
import { suiteOf } from "../support/suites.js";

let fleet: TestFleet;
let server: ScriptedServer;
afterEach(async () => {
  await fleet?.stop();
  await server?.close();
});

/** The number of the question a request asks. */
const asked = ({ body }: SeenRequest): number => Number(/question (\d+)/.exec(JSON.stringify(body))?.[1]);

const retry = async (id: string, idempotencyKey = "") => {
  const request = { id, idempotencyKey, budget: undefined };
  const { campaign } = await ask(fleet.api.campaigns.retryCampaign.bind(fleet.api.campaigns), request);
  if (campaign === undefined) throw new Error("a retry is answered with its campaign");
  return campaign;
};

test("what failed is asked again and nothing else; the report is the whole chain's, also after a restart", async () => {
  const broken = new Set([2, 5, 6]);
  server = await startScriptedServer({
    models: [{ name: "m" }],
    replies: (request) =>
      broken.has(asked(request))
        ? { fault: { kind: "status", status: 400 } }
        : { chunks: [`a${asked(request)}`] },
  });
  fleet = await startFleet({
    agents: ["n1", "n2"],
    config: (config) => {
      config.store.kind = "embedded";
    },
  });
  const { api } = fleet;
  const engineConfig = { base_url: `${server.url}/v1`, max_retries: 0, timeout_seconds: 5 };
  const model = { engine: "openai", model: "m" };
  const first = await api.create({ suite: suiteOf({ model, engineConfig, items: 8, shardSize: 3 }) });
  expect((await api.ended(first.id)).state).toBe(CampaignState.PARTIAL);
  const before = await api.records(first.id);

  broken.delete(2);
  broken.delete(6);
  server.requests.length = 0;
  const second = await retry(first.id, "once");
  expect((await retry(first.id, "once")).id).toBe(second.id);
  expect((await api.ended(second.id)).state).toBe(CampaignState.PARTIAL);
  expect(server.requests.map(asked).sort()).toEqual([2, 5, 6]);

  broken.clear();
  server.requests.length = 0;
  const third = await retry(second.id);
  expect((await api.ended(third.id)).state).toBe(CampaignState.SUCCEEDED);
  expect(server.requests.map(asked)).toEqual([5]);

  await fleet.replaceCoordinator();
  expect(await fleet.api.get(third.id)).toMatchObject({
    retryOf: second.id,
    progress: { samples: 1, samplesDone: 1 },
  });
  expect(await fleet.api.get(first.id)).toMatchObject({ retriedBy: [second.id] });
  const records = await fleet.api.records(third.id);
  expect(records.map(({ status, campaign }) => [status, campaign])).toEqual(
    [1, 2, 3, 4, 5, 6, 7, 8].map((q) => [
      "ok",
      q === 5 ? third.id : q === 2 || q === 6 ? second.id : first.id,
    ]),
  );
  expect(records.map(({ record_id }) => record_id)).toEqual(before.map(({ record_id }) => record_id));
  const [cell] = (await fleet.api.summary(third.id)).cells;
  expect(cell).toMatchObject({ counts: { planned: 8, ok: 8, engineError: 0 }, failures: [] });
  expect(cell?.metrics[0]).toMatchObject({ id: "exact_match", value: 1, n: 8 });
  const csv = await fleet.api.export(third.id, "csv");
  expect(csv).toContain(third.id);
  await expect(retry(third.id)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("nothing to retry"),
  });
});
