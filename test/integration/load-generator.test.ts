/** The load generator's program, as an agent talks to it. */
import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { GENERATOR_PROTOCOL, type GeneratorPlan } from "../../agent/load/messages.js";
import { refusedUrl } from "../support/scripted-server.js";

const MAIN = fileURLToPath(new URL("../../agent/load/child/main.ts", import.meta.url));

test("a generator tells all it saw, however slowly it is listened to, and then ends", async () => {
  const requests = 4_000;
  const plan: GeneratorPlan = {
    v: GENERATOR_PROTOCOL,
    ...{ url: `${await refusedUrl()}/v1/chat/completions`, headers: {}, bodies: [{ head: "{", tail: "}" }] },
    ...{ warmup: 0, durationMs: 50, drainMs: 5_000, timeoutMs: 5_000, maxRequests: requests },
    flow: { kind: "open", atMs: Array<number>(requests).fill(0), maxInflight: 500 },
  };
  const child = spawn(process.execPath, ["--import", "tsx", MAIN], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.write(`${JSON.stringify(plan)}\n`);
  let told = "";
  for await (const piece of child.stdout) {
    told += String(piece);
    await pause(2);
  }
  const events = told
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.at(-1)).toMatchObject({ event: "over" });
  expect(events.flatMap((event) => event.requests ?? [])).toHaveLength(requests);
  expect(Buffer.byteLength(told)).toBeGreaterThan(384 * 1024);
  child.stdin.end();
});
