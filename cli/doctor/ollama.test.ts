import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { listOllama, seesPictures } from "./ollama.js";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that answers with the JSON of its path, and hangs where there is none. */
async function serve(answers: { [path: string]: unknown }): Promise<string> {
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? ""];
    if (answer !== undefined) response.end(JSON.stringify(answer));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  return `http://127.0.0.1:${typeof at === "object" && at ? at.port : 0}`;
}

const never = new AbortController().signal;

test("version, models and those in memory", async () => {
  const url = await serve({
    "/api/version": { version: "0.12.3" },
    "/api/tags": { models: [{ name: "b" }, { name: "a" }] },
    "/api/ps": { models: [{ name: "b" }] },
  });
  expect(await listOllama(url, 5000, never)).toEqual({
    ok: true,
    version: "0.12.3",
    models: ["a", "b"],
    loaded: ["b"],
  });
});

test("a server that hangs, one that is not there, and an interrupt are reasons, not exceptions", async () => {
  const url = await serve({ "/api/version": { version: "0.12.3" } });
  expect(await listOllama(url, 50, never)).toEqual({ ok: false, reason: "no answer in time" });
  expect(await listOllama("http://127.0.0.1:9", 5000, never)).toMatchObject({ ok: false });
  expect(await listOllama(url, 5000, AbortSignal.abort())).toMatchObject({ ok: false });
});

test("a model sees pictures only if the server says so", async () => {
  const url = await serve({ "/api/show": { capabilities: ["completion", "vision"] } });
  expect(await seesPictures(url, "m", 5000, never)).toBe(true);
  const text = await serve({ "/api/show": { capabilities: ["completion"] } });
  expect(await seesPictures(text, "m", 5000, never)).toBe(false);
  const old = await serve({ "/api/show": { details: {} } });
  expect(await seesPictures(old, "m", 5000, never)).toBe(false);
  expect(await seesPictures("http://127.0.0.1:9", "m", 5000, never)).toBe(false);
});
