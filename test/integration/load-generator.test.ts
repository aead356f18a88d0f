/** The load generator's program, as an agent talks to it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type FromGenerator, GENERATOR_PROTOCOL, type GeneratorPlan } from "../../agent/load/messages.js";
import { refusedUrl } from "../support/scripted-server.js";

const MAIN = fileURLToPath(new URL("../../agent/load/child/main.ts", import.meta.url));

function start(plan: GeneratorPlan) {
  const child = spawn(process.execPath, ["--import", "tsx", MAIN], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.write(`${JSON.stringify(plan)}\n`);
  return child;
}

/** All it tells until its end, read with a pause of `pauseMs` after each piece. */
async function told(child: ReturnType<typeof start>, pauseMs = 0): Promise<string> {
  let text = "";
  for await (const piece of child.stdout) {
    text += String(piece);
    if (pauseMs > 0) await pause(pauseMs);
  }
  return text;
}

const events = (text: string): FromGenerator[] =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const requestsOf = (text: string) =>
  events(text).flatMap((event) => (event.event === "requests" ? event.requests : []));

test("a closed loop keeps to its connections, and sends the next request at once", async () => {
  let opened = 0;
  const chunk = (more: object) => `data: ${JSON.stringify({ choices: [{ index: 0, ...more }] })}\n\n`;
  const whole = `${chunk({ delta: { content: "a" } })}${chunk({ delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`;
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      setTimeout(() => response.end(whole), 2);
    });
  });
  server.on("connection", () => {
    opened += 1;
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const text = await told(
      start({
        v: GENERATOR_PROTOCOL,
        ...{ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions` },
        ...{ headers: {}, bodies: [{ head: "{", tail: "}" }] },
        ...{ warmup: 3, durationMs: 1_000, drainMs: 5_000, timeoutMs: 5_000, maxRequests: 10_000 },
        flow: { kind: "closed", atOnce: 6 },
      }),
    );
    const requests = requestsOf(text);
    expect(requests.length).toBeGreaterThan(30);
    expect(requests.filter(({ failure }) => failure)).toEqual([]);
    expect(opened).toBe(6);
  } finally {
    server.close();
  }
});

test("a generator tells all it saw, however slowly it is listened to, and then ends", async () => {
  const requests = 4_000;
  const text = await told(
    start({
      v: GENERATOR_PROTOCOL,
      ...{
        url: `${await refusedUrl()}/v1/chat/completions`,
        headers: {},
        bodies: [{ head: "{", tail: "}" }],
      },
      ...{ warmup: 0, durationMs: 50, drainMs: 5_000, timeoutMs: 5_000, maxRequests: requests },
      flow: { kind: "open", atMs: Array<number>(requests).fill(0), maxInflight: 500 },
    }),
    2,
  );
  expect(events(text).at(-1)).toMatchObject({ event: "over" });
  expect(requestsOf(text)).toHaveLength(requests);
  expect(Buffer.byteLength(text)).toBeGreaterThan(384 * 1024);
});
