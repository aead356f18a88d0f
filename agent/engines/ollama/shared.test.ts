import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import {
  engineErrorOf,
  eventsOf,
  modelSpec,
  NO_LOG,
  NO_PROCESSES,
  never,
  requestOf,
} from "../../../test/support/inference.js";
import {
  refusedUrl,
  type ScriptedFault,
  type ScriptedServer,
  startScriptedServer,
} from "../../../test/support/scripted-server.js";
import { type Engine, NO_GPU, type PreparedModel } from "../engine.js";
import { createOllamaEngine } from "./ollama.js";

const DIGEST = "a".repeat(64);
let server: ScriptedServer;
let engine: Engine;
let prepared: PreparedModel;

beforeAll(async () => {
  server = await startScriptedServer({
    version: "0.12.3",
    models: [
      { name: "tiny:1b", digest: DIGEST, quant: "Q8_0", loadMs: 30 },
      { name: "split:1b", size: 100, sizeVram: 40 },
      { name: "plain:latest" },
      { name: "slow:1b", loadMs: 700 },
    ],
  });
  engine = createOllamaEngine(
    { baseUrl: server.url },
    { clock: systemClock, stallMs: 200, processes: NO_PROCESSES, log: NO_LOG },
  );
  prepared = await engine.prepare(modelSpec("ollama", "tiny:1b"), {}, never(), NO_GPU);
});
afterEach(() => server.setReplies([{}]));
afterAll(async () => {
  await engine.close();
  // The server hears of a closed connection a moment later; one that stays open fails the hook by its timeout.
  while ((await server.connections()) > 0) await systemClock.sleep(2);
  await server.close();
});

const failing = async (fault: ScriptedFault) => {
  server.setReplies([{ chunks: ["one", " two", " three"], fault }]);
  return engineErrorOf(eventsOf(prepared));
};
const WHERE = () => `Ollama at ${server.url}, model tiny:1b`;

describe("an answer", () => {
  test("streams timed deltas, with reasoning apart, and carries the server's figures", async () => {
    server.setReplies([
      {
        reasoning: ["hm"],
        chunks: ["Four", "."],
        betweenMs: 15,
        beforeFirstMs: 15,
        usage: { in: 9, out: 3 },
      },
    ]);
    const events = await eventsOf(prepared);
    expect(events.map((e) => (e.kind === "delta" ? `${e.channel}:${e.text}` : e.kind))).toEqual([
      ...["sent", "first_byte", "reasoning:hm", "content:Four", "content:.", "done"],
    ]);
    const times = events.map((e) => e.tNs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times.slice(2, 5)).size).toBe(3);
    expect(events.at(-1)).toMatchObject({
      text: "Four.",
      finish: "stop",
      refused: false,
      tokens: { in: 9, out: 3, source: "server" },
      server: { prompt_ns: 9_000_000, eval_ns: 20_000_000, load_ns: 1_000_000, total_ns: 30_000_000 },
    });
  });

  test("finish reason length is told", async () => {
    server.setReplies([{ finish: "length" }]);
    expect((await eventsOf(prepared)).at(-1)).toMatchObject({ finish: "length" });
  });

  test("connections are used again", async () => {
    await eventsOf(prepared);
    const before = await server.connections();
    for (let i = 0; i < 5; i++) await eventsOf(prepared);
    expect(await server.connections()).toBe(before);
  });

  test("settings, system message and pictures arrive, pictures as base64 of their bytes", async () => {
    await eventsOf(
      prepared,
      requestOf({
        system: "Be brief.",
        images: [
          { name: "/etc/hostname", mime: "image/png", bytes: new TextEncoder().encode("/etc/hostname") },
        ],
        generation: {
          ...requestOf().generation,
          temperature: 0,
          max_tokens: 5,
          seed: 3,
          stop: ["\n"],
          num_ctx: 512,
        },
        options: { num_thread: 2 },
      }),
    );
    expect(server.requests.at(-1)?.body).toMatchObject({
      stream: true,
      truncate: false,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "What is 2 + 2?", images: [btoa("/etc/hostname")] },
      ],
      options: { temperature: 0, num_predict: 5, seed: 3, stop: ["\n"], num_ctx: 512, num_thread: 2 },
    });
  });
});

describe("preparing", () => {
  test("loads with an empty prompt and reports what is really there", async () => {
    expect(prepared.identity).toMatchObject({ version: "0.12.3", digest: DIGEST, quant: "Q8_0" });
    expect(prepared.loadNs).toBeGreaterThan(25e6);
    const again = await engine.prepare(modelSpec("ollama", "tiny:1b"), {}, never(), NO_GPU);
    expect(again.loadNs).toBe(0);
    await again.unload();
    expect(server.requests.at(-1)?.body["keep_alive"]).not.toBe(0);
  });

  test("a load may be silent for longer than an answer may stall", async () => {
    const slow = await engine.prepare(modelSpec("ollama", "slow:1b"), { device: "auto" }, never(), NO_GPU);
    expect(slow.loadNs).toBeGreaterThan(600e6);
  });

  test("a name without a tag means latest; the last user unloads it", async () => {
    const plain = await engine.prepare(modelSpec("ollama", "plain"), { num_ctx: 256 }, never(), NO_GPU);
    expect(server.requests.at(-1)?.body).toMatchObject({ prompt: "", options: { num_ctx: 256 } });
    await plain.unload();
    expect(server.requests.at(-1)?.body).toMatchObject({ model: "plain", keep_alive: 0 });
  });

  test("a model that somebody else had loaded is left loaded", async () => {
    const theirs = await startScriptedServer();
    const load = { model: "scripted:1b", prompt: "", stream: false };
    await fetch(`${theirs.url}/api/generate`, { method: "POST", body: JSON.stringify(load) });
    const options = { base_url: theirs.url };
    const users = [
      await engine.prepare(modelSpec("ollama", "scripted:1b"), options, never(), NO_GPU),
      await engine.prepare(modelSpec("ollama", "scripted:1b"), { ...options, num_ctx: 64 }, never(), NO_GPU),
    ];
    for (const user of users) await user.unload();
    expect(theirs.requests.at(-1)?.body["keep_alive"]).not.toBe(0);
    await theirs.close();
  });

  test("a server that is silent when it is to unload holds nobody up", async () => {
    const silent = await startScriptedServer({ models: [{ name: "tiny:1b", loadMs: 500 }] });
    const clock = {
      ...systemClock,
      after: (ms: number, run: () => void) => systemClock.after(ms / 100, run),
    };
    const impatient = createOllamaEngine(
      { baseUrl: silent.url },
      { clock, stallMs: 60_000, processes: NO_PROCESSES, log: NO_LOG },
    );
    const loaded = await impatient.prepare(modelSpec("ollama", "tiny:1b"), {}, never(), NO_GPU);
    const error = await engineErrorOf(loaded.unload());
    expect([error.class, error.message.includes("no answer within 10 s")]).toEqual(["no_answer", true]);
    await impatient.close();
    await silent.close();
  });

  test("a missing model is an error that says how to get it", async () => {
    const error = await engineErrorOf(engine.prepare(modelSpec("ollama", "absent:7b"), {}, never(), NO_GPU));
    expect([error.kind, error.class]).toEqual(["engine", "model_missing"]);
    expect(error.message).toContain(`${server.url}, model absent:7b`);
    expect(error.message).toContain("ollama pull absent:7b");
  });

  test("a model in two memories is flagged, and refused when a GPU was asked for", async () => {
    const split = await engine.prepare(modelSpec("ollama", "split:1b"), {}, never(), NO_GPU);
    expect(split.flags).toEqual(["partial_offload"]);
    const error = await engineErrorOf(
      engine.prepare(modelSpec("ollama", "split:1b"), { num_gpu: 99 }, never(), NO_GPU),
    );
    expect(error.class).toBe("partial_offload");
    expect(error.message).toContain("40 of 100 bytes");
  });

  test("settings it cannot apply are named", () => {
    const generation = { ...requestOf().generation, temperature: 0, maxImageSize: 512 };
    const options = { device: "remote", num_gpu: 1, torch_dtype: "auto", num_parallel: 2 };
    expect(prepared.notApplied(generation, options)).toEqual(["num_parallel", "torch_dtype"]);
  });

  test("a base URL of the suite is used; one that is no URL is refused", async () => {
    const other = await startScriptedServer({ models: [{ name: "tiny:1b" }] });
    const there = await engine.prepare(
      modelSpec("ollama", "tiny:1b"),
      { base_url: `${other.url}/` },
      never(),
      NO_GPU,
    );
    await eventsOf(there);
    expect(other.requests.map((r) => r.path)).toEqual(["/api/generate", "/api/chat"]);
    await other.close();
    const error = await engineErrorOf(
      engine.prepare(modelSpec("ollama", "x"), { base_url: "file:///etc" }, never(), NO_GPU),
    );
    expect(error.message).toBe('engine_config.base_url "file:///etc": must be http or https');
  });
});

describe("failures", () => {
  test.each<[string, ScriptedFault, string, string, string]>([
    [
      "an error line after a 200",
      { kind: "error_in_stream", after: 1, message: "llama runner gone" },
      "engine",
      "server_error",
      "llama runner gone",
    ],
    [
      "out of memory in a status",
      { kind: "status", status: 500, body: '{"error":"model requires more system memory (9 GiB)"}' },
      "oom",
      "out_of_memory",
      "9 GiB",
    ],
    [
      "an error line: out of memory",
      { kind: "error_in_stream", after: 0, message: "CUDA error: out of memory" },
      "oom",
      "out_of_memory",
      "CUDA",
    ],
    [
      "an end without the last message",
      { kind: "silent_end", after: 2 },
      "transient",
      "silent_end",
      "ended without its last message",
    ],
    [
      "a connection that dies mid-stream",
      { kind: "die_mid_stream", after: 1 },
      "transient",
      "connection_lost",
      "connection was lost",
    ],
    [
      "a connection that dies before headers",
      { kind: "die_before_headers" },
      "transient",
      "connection_lost",
      "connection was lost",
    ],
    ["silence mid-stream", { kind: "hang_mid_stream", after: 1 }, "transient", "stalled", "stalled"],
    ["garbage lines", { kind: "garbage", after: 1 }, "engine", "garbage", "not JSON"],
    ["garbage instead of HTTP", { kind: "garbage_http" }, "engine", "garbage", "not HTTP"],
    [
      "a line without end",
      { kind: "huge_line", bytes: 3_000_000 },
      "engine",
      "answer_too_large",
      "1048576 bytes in one line",
    ],
    [
      "a web page",
      { kind: "status", status: 200, body: "<html>", contentType: "text/html" },
      "engine",
      "garbage",
      "text/html",
    ],
    ["status 503", { kind: "status", status: 503 }, "transient", "bad_status", "status 503"],
    [
      "status 400 for a long prompt",
      { kind: "status", status: 400, body: '{"error":"the input length exceeds the context length"}' },
      "engine",
      "context_overflow",
      "input length",
    ],
  ])("%s", async (_name, fault, kind, className, words) => {
    const error = await failing(fault);
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toContain(WHERE());
    expect(error.message).toContain(words);
  });

  test("nobody listening", async () => {
    const url = await refusedUrl();
    const error = await engineErrorOf(
      engine.prepare(modelSpec("ollama", "m"), { base_url: url }, never(), NO_GPU),
    );
    expect([error.kind, error.class]).toEqual(["transient", "connection_refused"]);
    expect(error.message).toContain(`Ollama at ${url}, model m`);
  });
});

describe("aborting", () => {
  test.each<[string, ScriptedFault]>([
    ["before headers", { kind: "hang_before_headers" }],
    ["mid-stream", { kind: "never_finish" }],
  ])("%s ends this request at the server and leaves the other", async (_name, fault) => {
    const goOn = new AbortController();
    const first = server.requests.length;
    server.setReplies((request) => {
      const user = JSON.stringify(request.body);
      return user.includes("stop me") ? { fault, betweenMs: 2 } : { betweenMs: 40, chunks: ["a", "b", "c"] };
    });
    const stopped = eventsOf(prepared, requestOf({ user: "stop me" }), goOn.signal);
    const other = eventsOf(prepared, requestOf({ user: "let me be" }));
    await until(() => server.requests.length >= first + 2);
    goOn.abort(new Error("enough"));
    await expect(stopped).rejects.toThrow("enough");
    const seen = server.requests.find(
      (r) => JSON.stringify(r.body).includes("stop me") && !r.path.includes("generate"),
    );
    await until(() => server.requests.slice(first).some((r) => r.closedEarly));
    expect(seen).toBeDefined();
    expect((await other).at(-1)).toMatchObject({ kind: "done", text: "abc" });
  });

  test("a consumer that walks away frees the socket", async () => {
    const first = server.requests.length;
    server.setReplies([{ fault: { kind: "never_finish" }, betweenMs: 1 }]);
    for await (const event of prepared.run(requestOf(), never())) if (event.kind === "delta") break;
    await until(() => server.requests[first]?.closedEarly === true);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await systemClock.sleep(2);
}
