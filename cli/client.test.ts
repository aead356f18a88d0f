import { createServer } from "node:net";
import { Metadata, type Server } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { ArtifactServiceService, type UploadRequest } from "../shared/gen/sai/v1/artifact.js";
import { CampaignState, Campaign as Wire } from "../shared/gen/sai/v1/campaign.js";
import { ResultServiceService } from "../shared/gen/sai/v1/result.js";
import { toServiceError } from "../shared/rpc/status.js";
import { SaiError } from "../shared/runtime/errors.js";
import { sha256 } from "../shared/runtime/hash.js";
import { type Client, connect } from "./client.js";
import { errorLines, exitCodeOf } from "./exit.js";
import { campaigns, noStream, serve, stopServers, stops, unimplemented } from "./server.test-support.js";

afterEach(stopServers);

function clientOf(address: string, signal = new AbortController().signal, timeoutMs = 10_000): Client {
  const client = connect({ address, signal, timeoutMs });
  stops.push(() => client.close());
  return client;
}

test("field violations and the hint arrive, one a line, and the exit code is 1", async () => {
  const refused = new SaiError("invalid_argument", "the suite has 2 errors", {
    violations: [
      { field: "prompts[0].template", description: "is empty" },
      { field: "models", description: "is missing" },
    ],
    hint: "sai validate shows all of them",
  });
  const address = await serve(
    campaigns({ createCampaign: (_: unknown, cb: (e: unknown) => void) => cb(toServiceError(refused)) }),
  );
  const spec = { suite: "x", inputs: [], modelMap: {}, priority: 0, tenant: "" };
  const error = await clientOf(address)
    .createCampaign(spec, "k")
    .catch((e: unknown) => e);
  expect(errorLines(error)).toEqual([
    "error: the suite has 2 errors",
    "  prompts[0].template: is empty",
    "  models: is missing",
    "hint: sai validate shows all of them",
  ]);
  expect(exitCodeOf(error)).toBe(1);
});

test("a refusal for lack of rights is exit 4", async () => {
  const denied = toServiceError(new SaiError("permission_denied", "not yours"));
  const address = await serve(
    campaigns({ getCampaign: (_: unknown, cb: (e: unknown) => void) => cb(denied) }),
  );
  const error = await clientOf(address)
    .getCampaign("c")
    .catch((e: unknown) => e);
  expect(exitCodeOf(error)).toBe(4);
});

test("nobody listening: the address is named and the hint says how to start one", async () => {
  const free = createServer();
  const port = await new Promise<number>((resolve) =>
    free.listen(0, "127.0.0.1", () => {
      const at = free.address();
      resolve(typeof at === "object" && at ? at.port : 0);
    }),
  );
  await new Promise((resolve) => free.close(resolve));
  const error = await clientOf(`127.0.0.1:${port}`)
    .getCampaign("c")
    .catch((e: unknown) => e);
  const lines = errorLines(error);
  expect(lines[0]).toBe(`error: no answer from a coordinator at 127.0.0.1:${port}`);
  expect(lines[1]).toMatch(/^cause: .*ECONNREFUSED/);
  expect(lines[2]).toContain("`sai dev` starts one");
});

test("unavailable said by a server that is there keeps the server's words", async () => {
  const busy = toServiceError(new SaiError("unavailable", "no leader yet", { hint: "wait a moment" }));
  const address = await serve(campaigns({ getCampaign: (_: unknown, cb: (e: unknown) => void) => cb(busy) }));
  await expect(clientOf(address).getCampaign("c")).rejects.toMatchObject({
    code: "unavailable",
    message: "no leader yet",
    hint: "wait a moment",
  });
});

test("a server that never answers is left at the deadline", async () => {
  const address = await serve(campaigns({ getCampaign: () => {} }));
  await expect(clientOf(address, undefined, 50).getCampaign("c")).rejects.toMatchObject({
    code: "deadline_exceeded",
  });
});

test("an interrupt ends a call that hangs, with the interrupt's reason", async () => {
  const address = await serve(campaigns({ getCampaign: () => {} }));
  const interrupt = new AbortController();
  const client = clientOf(address, interrupt.signal);
  const call = client.getCampaign("c");
  const reason = new Error("interrupted by SIGINT");
  interrupt.abort(reason);
  await expect(call).rejects.toBe(reason);
  await expect(client.getCampaign("c")).rejects.toBe(reason);
});

test("an answer without its message is an error, not undefined", async () => {
  const address = await serve(
    campaigns({ getCampaign: (_: unknown, cb: (e: null, a: object) => void) => cb(null, {}) }),
  );
  await expect(clientOf(address).getCampaign("c")).rejects.toMatchObject({ code: "internal" });
});

test("watching yields every change and ends with the stream; leaving ends it quietly", async () => {
  let cancelled: () => void = () => {};
  const gone = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  const address = await serve(
    campaigns({
      watchCampaign: (call: {
        request: { id: string };
        write(m: object): void;
        end(): void;
        on(e: "cancelled", f: () => void): void;
      }) => {
        call.on("cancelled", cancelled);
        call.write({ campaign: Wire.fromPartial({ id: call.request.id, state: CampaignState.RUNNING }) });
        if (call.request.id === "open") return;
        call.write({ campaign: Wire.fromPartial({ id: call.request.id, state: CampaignState.SUCCEEDED }) });
        call.end();
      },
    }),
  );
  const client = clientOf(address);
  const states: CampaignState[] = [];
  for await (const campaign of client.watchCampaign("done")) states.push(campaign.state);
  expect(states).toEqual([CampaignState.RUNNING, CampaignState.SUCCEEDED]);

  const leave = new AbortController();
  for await (const _ of client.watchCampaign("open", leave.signal)) leave.abort();
  await gone;
});

test("breaking out of a watch cancels it on the server", async () => {
  let cancelled: () => void = () => {};
  const gone = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  const address = await serve(
    campaigns({
      watchCampaign: (call: { write(m: object): void; on(e: "cancelled", f: () => void): void }) => {
        call.on("cancelled", cancelled);
        call.write({ campaign: Wire.fromPartial({ id: "c" }) });
      },
    }),
  );
  for await (const _ of clientOf(address).watchCampaign("c")) break;
  await gone;
});

const artifacts = (upload: (call: UploadCall, callback: UploadCallback) => void) => (server: Server) =>
  server.addService(ArtifactServiceService, {
    upload: upload as never,
    statArtifacts: unimplemented,
    download: noStream,
  });
type UploadCallback = (error: unknown, answer?: { sha256: string; sizeBytes: number }) => void;
interface UploadCall extends AsyncIterable<UploadRequest> {
  on(event: "data", listener: (message: UploadRequest) => void): void;
}

test("an upload arrives whole and in order, whatever the chunks", async () => {
  const address = await serve(
    artifacts(async (call, callback) => {
      const parts: Uint8Array[] = [];
      let head = "";
      for await (const { part } of call) {
        if (part?.$case === "head") head = part.value.sha256;
        if (part?.$case === "chunk") parts.push(part.value);
      }
      const bytes = Buffer.concat(parts);
      const hash = sha256(bytes);
      if (hash !== head) callback(toServiceError(new SaiError("invalid_argument", "another hash")));
      else callback(null, { sha256: hash, sizeBytes: bytes.length });
    }),
  );
  const bytes = Buffer.alloc(3_000_000, "0123456789");
  const chunks = [bytes.subarray(0, 1), bytes.subarray(1, 2_500_000), bytes.subarray(2_500_000)];
  await clientOf(address).upload(sha256(bytes), bytes.length, chunks);
  await expect(clientOf(address).upload("0".repeat(64), bytes.length, chunks)).rejects.toMatchObject({
    message: "another hash",
  });
});

test("an upload waits for a server that does not read: the source is not drained into memory", async () => {
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let received = 0;
  const address = await serve(
    artifacts(async (call, callback) => {
      await held;
      for await (const { part } of call) if (part?.$case === "chunk") received += part.value.length;
      callback(null, { sha256: "", sizeBytes: received });
    }),
  );
  const total = 400;
  let taken = 0;
  function* source() {
    for (; taken < total; taken += 1) yield Buffer.alloc(256 * 1024);
  }
  const done = clientOf(address).upload("0".repeat(64), total * 256 * 1024, source());
  // Long after a client without backpressure would have taken everything.
  for (let last = -1; taken !== last; ) {
    last = taken;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(taken).toBeLessThan(total / 2);
  release();
  await done;
  expect(received).toBe(total * 256 * 1024);
});

test("a server that refuses early stops the upload with its reason", async () => {
  const full = toServiceError(new SaiError("resource_exhausted", "the store is full"));
  const address = await serve(artifacts((call, callback) => call.on("data", () => callback(full))));
  const block = Buffer.alloc(256 * 1024);
  function* endless() {
    for (let i = 0; i < 2000; i += 1) yield block;
  }
  await expect(clientOf(address).upload("0".repeat(64), 2 ** 40, endless())).rejects.toMatchObject({
    code: "resource_exhausted",
    message: "the store is full",
  });
});

test("an export is read at the reader's pace and ends with the server's error", async () => {
  const address = await serve((server) =>
    server.addService(ResultServiceService, {
      getSummary: unimplemented,
      listSamples: unimplemented,
      export: (call: { write(m: object): void; emit(e: string, error: unknown): void }) => {
        call.write({ chunk: Buffer.from("half a rep") });
        call.emit("error", {
          ...toServiceError(new SaiError("not_found", "gone")),
          metadata: new Metadata(),
        });
      },
    }),
  );
  const parts: string[] = [];
  const read = async () => {
    for await (const chunk of clientOf(address).exportResult("c", "html"))
      parts.push(Buffer.from(chunk).toString());
  };
  await expect(read()).rejects.toMatchObject({ code: "not_found", message: "gone" });
  expect(parts).toEqual(["half a rep"]);
});
