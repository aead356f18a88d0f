import { createServer, type IncomingMessage, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { checkOpenai } from "./openai.js";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that gives one answer to everything, or hangs; it keeps what it was asked. */
async function serve(status: number, body?: string): Promise<{ url: string; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    if (body !== undefined) response.writeHead(status).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  return { url: `http://127.0.0.1:${typeof at === "object" && at ? at.port : 0}/v1`, asked };
}

const never = new AbortController().signal;
const check = (baseUrl: string, apiKey?: string, timeoutMs = 5000) =>
  checkOpenai({ baseUrl, apiKey }, timeoutMs, never);

test("OpenAI without a key is a warning; neither way is it asked", async () => {
  expect(await check("https://api.openai.com/v1")).toEqual({
    name: "engine openai",
    result: "warn",
    detail: "https://api.openai.com/v1: no API key; not asked",
  });
  expect(await check("https://api.openai.com/v1", "sk-1")).toMatchObject({ result: "ok" });
});

test("another server is asked for its models, with the key if there is one", async () => {
  const { url, asked } = await serve(200, '{"data": [{"id": "one"}, {"id": "two"}, {"no": "id"}]}');
  expect(await check(url)).toMatchObject({ result: "ok", detail: `${url}: one, two` });
  expect(await check(`${url}/`, "sk-secret")).toMatchObject({ result: "ok" });
  expect(asked.map((request) => [request.url, request.headers.authorization])).toEqual([
    ["/v1/models", undefined],
    ["/v1/models", "Bearer sk-secret"],
  ]);
});

test("a server that refuses, talks nonsense, hangs or is not there is a warning with the reason", async () => {
  const refusing = await serve(401, "{}");
  expect(await check(refusing.url)).toMatchObject({ result: "warn", detail: expect.stringContaining("401") });
  expect(await check((await serve(200, "<html>")).url)).toMatchObject({ result: "warn" });
  const hanging = await serve(200);
  const late = await check(hanging.url, undefined, 50);
  expect(late).toMatchObject({ result: "warn", detail: `${hanging.url}: no answer in time` });
  expect(await check("http://127.0.0.1:9/v1")).toMatchObject({ result: "warn" });
});
