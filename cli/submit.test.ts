import { afterEach, expect, test } from "vitest";
import { ArtifactServiceService } from "../shared/gen/sai/v1/artifact.js";
import {
  Campaign,
  type CreateCampaignRequest,
  type CreateCampaignResponse,
} from "../shared/gen/sai/v1/campaign.js";
import { NodeServiceService } from "../shared/gen/sai/v1/node.js";
import { toServiceError } from "../shared/rpc/status.js";
import { type ErrorCode, SaiError } from "../shared/runtime/errors.js";
import { captureIo, testContext } from "./cli.test-support.js";
import { connect } from "./client.js";
import { campaigns, noStream, serve, stopServers, stops, unimplemented } from "./server.test-support.js";
import { submit } from "./submit.js";

afterEach(stopServers);

type Answer = (error: unknown, answer?: CreateCampaignResponse) => void;
const SUITE = JSON.stringify({
  schema: "sai/v1",
  name: "s",
  prompts: [{ id: "p", template: "{{ input }}", output: "text" }],
  models: [{ id: "m", engine: "simulated" }],
  datasets: [{ id: "d", items: [{ id: "a", input: "x", target: "y" }] }],
  metrics: ["exact_match"],
});

/** Submits to a coordinator whose first answers fail with these codes; what was asked for, and what was said. */
async function submitted(codes: ErrorCode[], idempotencyKey?: string) {
  const asked: CreateCampaignRequest[] = [];
  const address = await serve((server) => {
    campaigns({
      createCampaign: ({ request }: { request: CreateCampaignRequest }, callback: Answer) => {
        asked.push(request);
        const code = codes.shift();
        if (code === undefined) callback(null, { campaign: Campaign.fromPartial({ id: "c1" }) });
        else callback(toServiceError(new SaiError(code, "scripted")));
      },
    })(server);
    server.addService(ArtifactServiceService, {
      upload: ((call: { resume(): void; on(e: "end", f: () => void): void }, done: Answer) => {
        call.resume();
        call.on("end", () => done(null, { sha256: "", sizeBytes: 0 } as never));
      }) as never,
      statArtifacts: ((_: unknown, done: (e: null, a: object) => void) =>
        done(null, { missing: [] })) as never,
      download: noStream as never,
    });
    server.addService(NodeServiceService, {
      listNodes: ((_: unknown, done: (e: null, a: object) => void) =>
        done(null, { nodes: [], nextPageToken: "" })) as never,
      ...{ getNode: unimplemented, cordonNode: unimplemented, uncordonNode: unimplemented },
      ...{ drainNode: unimplemented, labelNode: unimplemented, removeNode: unimplemented },
    });
  });
  const { io, err } = captureIo();
  const client = connect({ address, signal: io.interrupt });
  stops.push(() => client.close());
  const source = {
    ...{ text: SUITE, label: "suite.json", modelMap: {} },
    files: { kind: "local" as const, root: "/" },
  };
  const { context } = testContext(io);
  const answer = submit(context, client, source, { priority: 0, idempotencyKey }).catch((e: unknown) => e);
  return { campaign: await answer, asked, err };
}

test("a submit that was not answered goes again with the same key and the same request", async () => {
  const { campaign, asked, err } = await submitted(["unavailable", "deadline_exceeded"]);
  expect(campaign).toMatchObject({ id: "c1" });
  expect(asked).toHaveLength(3);
  expect(asked[0]?.idempotencyKey).toMatch(/^cli-.{24}$/);
  expect(new Set(asked.map((request) => JSON.stringify(request))).size).toBe(1);
  expect(err()).toContain("the coordinator does not answer; submitting again under the same key\n");
});

test("the user's own key is kept, and two submits without one have different keys", async () => {
  expect((await submitted(["unavailable"], "mine")).asked.map((r) => r.idempotencyKey)).toEqual([
    "mine",
    "mine",
  ]);
  const [one, two] = [await submitted([]), await submitted([])];
  expect(one.asked[0]?.idempotencyKey).not.toBe(two.asked[0]?.idempotencyKey);
});

test("a refusal is final", async () => {
  const { campaign, asked } = await submitted(["resource_exhausted"]);
  expect(campaign).toMatchObject({ code: "resource_exhausted" });
  expect(asked).toHaveLength(1);
});
