import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { Metrics } from "../metrics.js";
import { type OpsServerOptions, startOpsServer } from "./http.js";

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(more: Partial<OpsServerOptions> = {}) {
  const metrics = new Metrics({ clock: systemClock });
  const server = await startOpsServer({
    host: "127.0.0.1",
    port: { value: 0, explicit: true },
    version: "1.2.3",
    clock: systemClock,
    logger: silentLogger(),
    metrics: () => metrics,
    checks: () => ({ store: () => {}, leadership: async () => {} }),
    summary: () => ({ nodes: 2 }),
    ...more,
  });
  stops.push(() => metrics.close(), server.close);
  return {
    ...server,
    get: (path: string, init?: RequestInit) => fetch(`http://${server.address}${path}`, init),
  };
}

async function occupy(): Promise<number> {
  const taken: Server = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  stops.push(() => new Promise<void>((resolve) => taken.close(() => resolve())));
  const address = taken.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

describe("health", () => {
  test("all is well", async () => {
    const { get } = await start();
    expect(await (await get("/livez")).json()).toEqual({ status: "alive" });
    expect(await (await get("/readyz")).json()).toEqual({
      status: "ready",
      checks: { store: "ok", leadership: "ok" },
    });
    expect(await (await get("/health")).json()).toEqual({
      status: "healthy",
      version: "1.2.3",
      checks: { store: "ok", leadership: "ok" },
      nodes: 2,
    });
  });

  test("a failing check is named; the process is alive all the same", async () => {
    const checks = { store: () => Promise.reject(new Error("store is closed")), leadership: () => {} };
    const { get } = await start({ checks: () => checks });
    const ready = await get("/readyz");
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({
      status: "not ready",
      checks: { store: "store is closed", leadership: "ok" },
    });
    expect((await get("/health")).status).toBe(503);
    expect((await get("/livez")).status).toBe(200);
  });

  test("a check that hangs counts as failed when its deadline passes", async () => {
    const deadlines: (() => void)[] = [];
    const clock = {
      ...systemClock,
      after: (_ms: number, run: () => void) => {
        deadlines.push(run);
        return () => {};
      },
    };
    const { get } = await start({ clock, checks: () => ({ store: () => new Promise<void>(() => {}) }) });
    const answer = get("/readyz");
    while (deadlines.length === 0) await systemClock.sleep(1);
    for (const passed of deadlines.splice(0)) passed();
    expect(await (await answer).json()).toEqual({
      status: "not ready",
      checks: { store: "no answer within 2000 ms" },
    });
  });
});

describe("metrics", () => {
  test("are served, requests included", async () => {
    const { get } = await start();
    await get("/livez");
    const answer = await get("/metrics");
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).toContain('route="/livez",status="200"} ');
  });

  test("paths that do not exist share one label", async () => {
    const { get } = await start();
    await get("/a");
    await get("/b");
    expect(await (await get("/metrics")).text()).toContain(
      'http_request_duration_seconds_count{method="GET",route="(none)",status="404"} 2',
    );
  });

  test("switched off they are not there", async () => {
    const { get } = await start({ metrics: undefined });
    expect((await get("/metrics")).status).toBe(404);
  });
});

describe("what is not there", () => {
  test.each([
    ["GET", "/v1/campaigns?x=1", "there is no GET /v1/campaigns"],
    ["POST", "/livez", "there is no POST /livez"],
  ])("%s %s is a problem document", async (method, path, detail) => {
    const { get } = await start();
    const answer = await get(path, { method });
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(await answer.json()).toMatchObject({ title: "Not Found", status: 404, code: "not_found", detail });
  });

  test.each(["/%zz", "/%00"])("a broken path %s is refused without a stack", async (path) => {
    const { get } = await start();
    const answer = await get(path);
    expect([400, 404]).toContain(answer.status);
    expect(await answer.text()).not.toMatch(/\bat .*\.js/);
  });

  test("an error inside is answered without its text", async () => {
    const summary = () => {
      throw new Error("inner detail");
    };
    const { get } = await start({ summary });
    const answer = await get("/health");
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain("inner detail");
  });
});

describe("ports", () => {
  test("an implicit port that is taken moves to the next free one", async () => {
    const taken = await occupy();
    const server = await start({ port: { value: taken, explicit: false } });
    expect(server.moved).toBe(true);
    expect(Number(server.address.split(":")[1])).toBeGreaterThan(taken);
    expect((await server.get("/livez")).status).toBe(200);
  });

  test("an explicit port that is taken fails and is named", async () => {
    const taken = await occupy();
    await expect(start({ port: { value: taken, explicit: true } })).rejects.toMatchObject({
      code: "config",
      message: `coordinator.http_port: port ${taken} is in use`,
    });
  });
});

test("after close nothing listens", async () => {
  const server = await start();
  await server.close();
  await expect(server.get("/livez")).rejects.toThrow();
});
