import { afterEach, expect, test, vi } from "vitest";
import { Campaign, CampaignState } from "../shared/gen/sai/v1/campaign.js";
import { toServiceError } from "../shared/rpc/status.js";
import { type ErrorCode, SaiError } from "../shared/runtime/errors.js";
import { captureIo, testContext } from "./cli.test-support.js";
import { type Client, connect } from "./client.js";
import { errorLines, exitCodeOf } from "./exit.js";
import { campaigns, serve, stopServers, stops } from "./server.test-support.js";
import { exitCodeOfEnd, waitForEnd } from "./wait.js";

afterEach(stopServers);

interface WatchCall {
  write(message: object): void;
  end(): void;
  emit(event: "error", error: unknown): void;
}

const send = (call: WatchCall, state: CampaignState, waiting: string[] = []) =>
  call.write({ campaign: Campaign.fromPartial({ id: "c1", state, waiting }) });
const fail = (call: WatchCall, code: ErrorCode) =>
  call.emit("error", toServiceError(new SaiError(code, "scripted", { hint: "none" })));

/** A client of a server whose n-th watch runs the n-th script. */
async function watched(
  scripts: ((call: WatchCall) => void)[],
  signal = new AbortController().signal,
): Promise<Client> {
  const watchCampaign = (call: WatchCall) => {
    const script = scripts.shift();
    if (script) script(call);
    else fail(call, "internal");
  };
  const client = connect({ address: await serve(campaigns({ watchCampaign })), signal });
  stops.push(() => client.close());
  return client;
}

test("a wait outlives a coordinator that goes away and comes back", async () => {
  const { io, err } = captureIo();
  const client = await watched([
    (call) => {
      send(call, CampaignState.RUNNING);
      fail(call, "unavailable");
    },
    (call) => {
      send(call, CampaignState.SUCCEEDED);
      call.end();
    },
  ]);
  expect((await waitForEnd(testContext(io).context, client, "c1")).state).toBe(CampaignState.SUCCEEDED);
  expect(err()).toBe(
    "the coordinator does not answer; still waiting for c1\nthe coordinator answers again\n",
  );
});

test("a coordinator that was never there, or an unknown campaign, ends the wait at once", async () => {
  for (const code of ["unavailable", "not_found"] as const) {
    const client = await watched([(call) => fail(call, code)]);
    await expect(waitForEnd(testContext(captureIo().io).context, client, "c1")).rejects.toMatchObject({
      code,
    });
  }
});

test("a timeout is exit 3 and says that the campaign goes on", async () => {
  const client = await watched([(call) => send(call, CampaignState.RUNNING)]);
  const error = await waitForEnd(testContext(captureIo().io).context, client, "c1", { timeoutMs: 500 }).catch(
    (e: unknown) => e,
  );
  expect(exitCodeOf(error)).toBe(3);
  expect(errorLines(error)).toEqual([
    "error: campaign c1 is still running",
    "hint: it goes on; `sai campaign wait c1` waits again",
  ]);
});

test("a campaign that nothing can run is given up, with the reason, where no node can join", async () => {
  const client = await watched([(call) => send(call, CampaignState.RUNNING, ["j0000: no node has ollama"])]);
  const wait = waitForEnd(testContext(captureIo().io).context, client, "c1", { stalledMs: 100 });
  await expect(wait).rejects.toMatchObject({
    code: "failed_precondition",
    message: "nothing here can run it: j0000: no node has ollama",
  });
});

test("a wait that is stalled says why, once, and goes on", async () => {
  const { io, err } = captureIo();
  const reason = "no node has ollama";
  const stalled = (call: WatchCall) => send(call, CampaignState.RUNNING, [`j0: ${reason}`, `j1: ${reason}`]);
  let watch: WatchCall | undefined;
  const client = await watched([
    (call) => {
      watch = call;
      stalled(call);
    },
  ]);
  const wait = waitForEnd(testContext(io).context, client, "c1", { noticeMs: 20 });
  await vi.waitFor(() => expect(err()).toContain("waiting: "), 10_000);
  if (!watch) throw new Error("nobody watched");
  send(watch, CampaignState.RUNNING);
  stalled(watch);
  await new Promise((resolve) => setTimeout(resolve, 100));
  send(watch, CampaignState.SUCCEEDED);
  watch.end();
  expect((await wait).state).toBe(CampaignState.SUCCEEDED);
  expect(err()).toBe(
    `waiting: ${reason} (2 jobs)\nhint: a node that can run it may still join; Ctrl-C or --timeout ends the wait\n`,
  );
});

test("a stall that passes in time is not spoken of", async () => {
  const { io, err } = captureIo();
  const client = await watched([
    (call) => {
      send(call, CampaignState.RUNNING, ["j0: no node has ollama"]);
      send(call, CampaignState.SUCCEEDED);
      call.end();
    },
  ]);
  await waitForEnd(testContext(io).context, client, "c1", { noticeMs: 60_000 });
  expect(err()).toBe("");
});

test("an interrupt is exit 130 and says that the campaign goes on", async () => {
  const interrupt = new AbortController();
  const client = await watched(
    [
      (call) => {
        send(call, CampaignState.RUNNING);
        interrupt.abort(new Error("interrupted by SIGINT"));
      },
    ],
    interrupt.signal,
  );
  const { context } = testContext(captureIo({ interrupt: interrupt.signal }).io);
  const error = await waitForEnd(context, client, "c1").catch((e: unknown) => e);
  expect(exitCodeOf(error)).toBe(130);
  expect(errorLines(error).join("\n")).toContain("campaign c1 goes on");
});

test("every terminal state has its exit code", () => {
  expect(exitCodeOfEnd({ state: CampaignState.SUCCEEDED, stoppedBy: "" })).toBe(0);
  expect(exitCodeOfEnd({ state: CampaignState.PARTIAL, stoppedBy: "" })).toBe(5);
  expect(exitCodeOfEnd({ state: CampaignState.FAILED, stoppedBy: "" })).toBe(5);
  expect(exitCodeOfEnd({ state: CampaignState.PARTIAL, stoppedBy: "budget" })).toBe(6);
  expect(exitCodeOfEnd({ state: CampaignState.CANCELLED, stoppedBy: "" })).toBe(6);
});
