import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import { engineErrorOf, eventsOf, modelSpec, never, requestOf } from "../../test/support/inference.js";
import {
  refusedUrl,
  type ScriptedFault,
  type ScriptedReply,
  type ScriptedServer,
  startScriptedServer,
} from "../../test/support/scripted-server.js";
import { type Engine, NO_GPU, type PreparedModel } from "./engine.js";
import { createOpenAiEngine } from "./openai.js";

const KEY = "sk-secret-of-the-operator";
let server: ScriptedServer;
let engine: Engine;
let prepared: PreparedModel;

beforeAll(async () => {
  server = await startScriptedServer();
  engine = createOpenAiEngine(
    { baseUrl: `${server.url}/v1`, apiKey: KEY },
    { clock: systemClock, stallMs: 200 },
  );
  prepared = await engine.prepare(modelSpec("openai", "scripted:1b"), {}, never(), NO_GPU);
});
afterEach(() => server.setReplies([{}]));
afterAll(async () => {
  await engine.close();
  // The server hears of a closed connection a moment later; one that stays open fails the hook by its timeout.
  while ((await server.connections()) > 0) await systemClock.sleep(2);
  await server.close();
});

const WHERE = () => `OpenAI-compatible server at ${server.url}/v1, model scripted:1b`;

describe("an answer", () => {
  test("streams timed deltas; the chunk with only a role is not one", async () => {
    server.setReplies([
      {
        ...{ beforeFirstMs: 30, betweenMs: 15, reasoning: ["hm"], chunks: ["Fo", "ur"] },
        usage: { in: 9, out: 3, reasoning: 1, cached: 4 },
      },
    ]);
    const events = await eventsOf(prepared);
    expect(events.map((e) => (e.kind === "delta" ? `${e.channel}:${e.text}` : e.kind))).toEqual([
      ...["sent", "first_byte", "reasoning:hm", "content:Fo", "content:ur", "done"],
    ]);
    const [sent, byte, first] = events.map((e) => e.tNs);
    expect(first).toBeGreaterThan(byte ?? Number.POSITIVE_INFINITY);
    expect(byte).toBeGreaterThan(sent ?? 0);
    expect(events.at(-1)).toMatchObject({
      text: "Four",
      finish: "stop",
      refused: false,
      tokens: { in: 9, out: 3, reasoning: 1, cached: 4, source: "server" },
    });
  });

  test("the first token is timed at the server's own write, on the same clock", async () => {
    server.setReplies([{ beforeFirstMs: 20, chunks: ["a"] }]);
    const origin = Number(process.hrtime.bigint()) - systemClock.nowNs();
    const events = await eventsOf(prepared);
    const wrote = (server.requests.at(-1)?.writesNs[0] ?? 0) - origin;
    const first = events.find((e) => e.kind === "delta")?.tNs ?? 0;
    // Both read CLOCK_MONOTONIC, and a delta cannot be seen before it is written (10 µs for reading two clocks).
    expect(first).toBeGreaterThan(wrote - 10_000);
    expect(events.find((e) => e.kind === "sent")?.tNs).toBeLessThan(wrote);
  });

  test.each([
    ["length", "length", false],
    ["content_filter", "filter", true],
  ] as const)("finish reason %s", async (finish, expected, refused) => {
    server.setReplies([{ finish }]);
    expect((await eventsOf(prepared)).at(-1)).toMatchObject({ finish: expected, refused });
  });

  test.each([
    "abort",
    "error",
    "insufficient_system_resource",
  ])("one that the server broke off (%s) is none", async (finish) => {
    server.setReplies([{ chunks: ["half an"], finish }]);
    const error = await engineErrorOf(eventsOf(prepared));
    expect([error.kind, error.class]).toEqual(["transient", "broken_off"]);
    expect(error.message).toContain(`finish reason "${finish}"`);
  });

  test("usage without numbers is none", async () => {
    const usage = { in: null, out: null } as unknown as { in: number; out: number };
    server.setReplies([{ usage }]);
    expect((await eventsOf(prepared)).at(-1)).toMatchObject({ tokens: { source: "none" } });
  });

  test("a refusal is told apart from an answer", async () => {
    server.setReplies([{ chunks: [], refusal: "I cannot help with that." }]);
    expect((await eventsOf(prepared)).at(-1)).toMatchObject({
      refused: true,
      text: "I cannot help with that.",
    });
  });

  test("settings, system message and pictures arrive; usage is always asked for", async () => {
    await eventsOf(
      prepared,
      requestOf({
        system: "Be brief.",
        images: [{ name: "a.png", mime: "image/png", bytes: new Uint8Array([1, 2, 3]) }],
        generation: {
          ...requestOf().generation,
          temperature: 0,
          max_tokens: 5,
          seed: 3,
          top_p: 0.9,
          top_k: 40,
        },
      }),
    );
    const seen = server.requests.at(-1);
    expect(seen?.body).toEqual({
      ...{ model: "scripted:1b", stream: true, stream_options: { include_usage: true } },
      ...{ temperature: 0, max_tokens: 5, seed: 3, top_p: 0.9 },
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: "data:image/png;base64,AQID" } },
            { type: "text", text: "What is 2 + 2?" },
          ],
        },
      ],
    });
    const generation = { ...requestOf().generation, top_k: 40, num_ctx: 512 };
    expect(prepared.notApplied(generation, { num_gpu: 1 })).toEqual(["num_ctx", "num_gpu", "top_k"]);
  });
});

describe("the operator's key", () => {
  test("goes to the operator's server and to no other, and nothing else goes along", async () => {
    await eventsOf(prepared);
    const headers = server.requests.at(-1)?.headers ?? {};
    expect(headers.authorization).toBe(`Bearer ${KEY}`);
    expect(Object.keys(headers).filter((name) => name.startsWith("x-") || name.startsWith("openai"))).toEqual(
      [],
    );

    const other = await startScriptedServer();
    const options = { base_url: `${other.url}/v1` };
    await eventsOf(await engine.prepare(modelSpec("openai", "scripted:1b"), options, never(), NO_GPU));
    expect(other.requests.at(-1)?.headers.authorization).toBeUndefined();
    await other.close();
  });

  test("never stands in an error that quotes it", async () => {
    const body = JSON.stringify({
      error: { message: `Incorrect API key provided: ${KEY}`, code: "invalid_api_key" },
    });
    server.setReplies([{ fault: { kind: "status", status: 401, body } }]);
    const error = await engineErrorOf(eventsOf(prepared));
    expect([error.kind, error.class]).toEqual(["engine", "unauthorized"]);
    expect(error.message).toContain("[key]");
    expect(error.message).not.toContain(KEY);
  });

  test.each<[string, ScriptedReply]>([
    ["an error inside the answer", { fault: { kind: "error_in_stream", after: 1, message: `bad ${KEY}` } }],
    ["garbage", { fault: { kind: "garbage", after: 0, text: `data: {"${KEY}\n\n` } }],
    ["a page instead of a stream", { fault: { kind: "status", status: 302, body: `<a>${KEY}</a>` } }],
    ["another content type", { fault: { kind: "status", status: 200, body: KEY, contentType: "text/html" } }],
  ])("nor in %s, its causes and its stack", async (_name, reply) => {
    server.setReplies([reply]);
    const error = await engineErrorOf(eventsOf(prepared));
    expect(`${inspect(error, { depth: 9 })}${errorText(error)}${error.stack}`).not.toContain(KEY);
  });

  test("nor in an answer", async () => {
    server.setReplies([{ chunks: ["your key is ", KEY.slice(0, 9), KEY.slice(9)] }]);
    expect((await eventsOf(prepared)).at(-1)).toMatchObject({ text: "your key is [key]" });
  });
});

describe("preparing and probing", () => {
  test("a model that is not served is refused, with those that are", async () => {
    const error = await engineErrorOf(engine.prepare(modelSpec("openai", "absent"), {}, never(), NO_GPU));
    expect(error.class).toBe("model_missing");
    expect(error.message).toContain("it serves: scripted:1b");
  });

  test("a list of models may be longer than a line of an answer", async () => {
    const models = [{ name: "scripted:1b" }, { name: "x".repeat(2 ** 20) }];
    const large = await startScriptedServer({ models });
    const options = { base_url: `${large.url}/v1` };
    await engine.prepare(modelSpec("openai", "scripted:1b"), options, never(), NO_GPU);
    await large.close();
  });

  test("a server that is silent about its models is not waited for", async () => {
    const silent = await startScriptedServer({ metaDelayMs: 60_000 });
    const clock = {
      ...systemClock,
      after: (ms: number, run: () => void) => systemClock.after(ms / 1000, run),
    };
    const impatient = createOpenAiEngine({ baseUrl: `${silent.url}/v1` }, { clock, stallMs: 60_000 });
    const error = await engineErrorOf(
      impatient.prepare(modelSpec("openai", "scripted:1b"), {}, never(), NO_GPU),
    );
    expect([error.kind, error.class]).toEqual(["transient", "no_answer"]);
    expect(error.message).toContain("no answer within 30 s");
    await impatient.close();
    await silent.close();
  });

  test("probe lists models, or says why not", async () => {
    expect(await engine.probe(never())).toEqual({ version: "", models: ["scripted:1b"] });
    const parts = { clock: systemClock, stallMs: 200 };
    const without = createOpenAiEngine({}, parts);
    expect((await without.probe(never())).unavailable).toBe("no base URL is configured");
    const keyless = createOpenAiEngine({ baseUrl: "https://api.openai.com/v1" }, parts);
    expect((await keyless.probe(never())).unavailable).toBe("no API key is configured");
    const url = await refusedUrl();
    const refused = createOpenAiEngine({ baseUrl: url }, parts);
    expect((await refused.probe(never())).unavailable).toContain(`${url}: nobody listens there`);
    await Promise.all([without.close(), keyless.close(), refused.close()]);
  });
});

describe("failures", () => {
  const overflow = JSON.stringify({
    error: {
      message: "This model's maximum context length is 512 tokens.",
      type: "BadRequestError",
      code: 400,
    },
  });
  test.each<[string, ScriptedFault, string, string, string]>([
    [
      "an error event after a 200",
      { kind: "error_in_stream", after: 1, message: "worker died", code: 400 },
      "engine",
      "server_error",
      "worker died",
    ],
    [
      "an error event with a server's code",
      { kind: "error_in_stream", after: 0, message: "busy", code: 503 },
      "transient",
      "server_error",
      "busy",
    ],
    [
      "an end without a finish reason",
      { kind: "silent_end", after: 2 },
      "transient",
      "silent_end",
      "neither a finish reason nor [DONE]",
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
    [
      "OpenAI's own error in mid-answer",
      { kind: "error_in_stream", after: 1, message: "had an error", type: "server_error" },
      "transient",
      "server_error",
      "had an error",
    ],
    [
      "an error as older vLLM tells it",
      {
        kind: "garbage",
        after: 0,
        text: `data: ${JSON.stringify({ object: "error", message: "engine died", type: "InternalServerError", code: 500 })}\n\ndata: [DONE]\n\n`,
      },
      "transient",
      "server_error",
      "engine died",
    ],
    [
      "text that is none",
      {
        kind: "garbage",
        after: 0,
        text: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: [{ type: "thinking" }] } }] })}\n\n`,
      },
      "engine",
      "garbage",
      "no text",
    ],
    ["silence mid-stream", { kind: "hang_mid_stream", after: 1 }, "transient", "stalled", "stalled"],
    ["garbage events", { kind: "garbage", after: 1 }, "engine", "garbage", "not JSON"],
    ["garbage instead of HTTP", { kind: "garbage_http" }, "engine", "garbage", "not HTTP"],
    [
      "a line without end",
      { kind: "huge_line", bytes: 3_000_000 },
      "engine",
      "answer_too_large",
      "1048576 bytes in one line",
    ],
    ["an answer that is no stream", { kind: "not_a_stream" }, "engine", "garbage", "application/json"],
    [
      "a prompt that does not fit",
      { kind: "status", status: 400, body: overflow },
      "engine",
      "context_overflow",
      "512 tokens",
    ],
    [
      "a bad request",
      { kind: "status", status: 422, body: "no such field" },
      "engine",
      "bad_status",
      "no such field",
    ],
    [
      "a prompt that does not fit vLLM",
      {
        ...{ kind: "status", status: 400 },
        body: "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
      },
      "engine",
      "context_overflow",
      "4096",
    ],
    [
      "no balance",
      { kind: "status", status: 402, body: "Insufficient Balance" },
      "engine",
      "quota_exhausted",
      "the account's plan and balance",
    ],
    [
      "a server's failure",
      { kind: "status", status: 500, body: "oops" },
      "transient",
      "bad_status",
      "status 500",
    ],
  ])("%s", async (_name, fault, kind, className, words) => {
    server.setReplies([{ chunks: ["one", " two", " three"], fault }]);
    const error = await engineErrorOf(eventsOf(prepared));
    expect([error.kind, error.class]).toEqual([kind, className]);
    expect(error.message).toContain(WHERE());
    expect(error.message).toContain(words);
  });

  test.each([
    [429, "rate_limited", "2", 2_000],
    [529, "overloaded", "0.5", 500],
  ])("status %i keeps Retry-After", async (status, className, retryAfter, ms) => {
    server.setReplies([{ fault: { kind: "status", status, retryAfter } }]);
    const error = await engineErrorOf(eventsOf(prepared));
    expect([error.kind, error.class, error.retryAfterMs]).toEqual(["transient", className, ms]);
  });

  test.each<[string, { [name: string]: string }, number | undefined]>([
    ["a date", { "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }, 30_000],
    ["a date that is over", { "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT" }, 0],
    ["milliseconds", { "retry-after": "9", "retry-after-ms": "250" }, 250],
    [
      "the reset of the limit that is used up",
      {
        ...{ "x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-requests": "1h0m0s" },
        ...{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m1.5s" },
      },
      61_500,
    ],
    ["nonsense", { "retry-after": "soon" }, undefined],
  ])("how long to wait: %s", async (_name, headers, ms) => {
    const date = "Wed, 21 Oct 2026 07:28:00 GMT";
    server.setReplies([{ fault: { kind: "status", status: 429, headers: { date, ...headers } } }]);
    expect((await engineErrorOf(eventsOf(prepared))).retryAfterMs).toBe(ms);
  });

  test("an account without money is no reason to try again", async () => {
    const body = JSON.stringify({
      error: { message: "You exceeded your quota", code: "insufficient_quota" },
    });
    server.setReplies([{ fault: { kind: "status", status: 429, body } }]);
    const error = await engineErrorOf(eventsOf(prepared));
    expect([error.kind, error.class]).toEqual(["engine", "quota_exhausted"]);
  });
});

test("aborting ends this request at the server and leaves the other", async () => {
  const first = server.requests.length;
  server.setReplies((request) =>
    JSON.stringify(request.body).includes("stop me")
      ? { fault: { kind: "never_finish" }, betweenMs: 2 }
      : { betweenMs: 40, chunks: ["a", "b", "c"] },
  );
  const stop = new AbortController();
  const stopped = eventsOf(prepared, requestOf({ user: "stop me" }), stop.signal);
  const other = eventsOf(prepared);
  while (server.requests.length < first + 2) await systemClock.sleep(2);
  stop.abort(new Error("enough"));
  await expect(stopped).rejects.toThrow("enough");
  expect((await other).at(-1)).toMatchObject({ kind: "done", text: "abc" });
  while (server.requests.slice(first).every((r) => !r.closedEarly)) await systemClock.sleep(2);
});
