/** A coordinator and an agent in one process, interrupted while a model works. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lineLogger, silentLogger } from "../shared/runtime/logger.js";
import { connectApi } from "../test/support/api.js";
import { suiteOf } from "../test/support/suites.js";
import { until } from "../test/support/until.js";
import { captureIo, testContext } from "./cli.test-support.js";
import { requireConfig } from "./config.js";
import { openClient } from "./connection.js";
import { nodeReady, startLocal } from "./local.js";

test("an interrupt does not wait for a slow model, whatever the drain time of agents is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sai-local-"));
  const { context } = testContext(captureIo({ cwd: folder }).io);
  const { config } = requireConfig(context, true, {
    data_dir: join(folder, "data"),
    ...{ "coordinator.grpc_port": 0, "coordinator.agent_port": 0, "coordinator.http_port": 0 },
    // Longer than any test may run.
    ...{ "coordinator.shutdown_timeout_ms": 600_000, "agent.drain_timeout_ms": 600_000 },
  });
  const logs: string[] = [];
  const local = await startLocal(
    context,
    config,
    lineLogger((line) => logs.push(line), "debug"),
  );
  const api = connectApi(local.coordinator.apiAddress);
  const { id } = await api.create({ suite: suiteOf({ items: 4, options: { latency_ms: 300_000 } }) });
  await until("it is planned", async () => (await api.get(id)).jobs.length > 0);
  await until("a shard runs", async () =>
    (await api.job(id, "j0000")).shards.some(({ state }) => state === "running"),
  );
  api.close();
  await local.stop("an interrupt");
  rmSync(folder, { recursive: true });
  const said = logs.map((line) => JSON.parse(line) as { msg: string });
  expect(said.filter(({ msg }) => msg.includes("stop cleanly") || msg.includes("left behind"))).toEqual([]);
  expect(said.some(({ msg }) => msg === "agent stopped")).toBe(true);
});

test("with the memory store each start is a cluster of its own, and its agent joins it all the same", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sai-local-"));
  const { context } = testContext(captureIo({ cwd: folder }).io);
  const { config } = requireConfig(context, true, {
    ...{ data_dir: join(folder, "data"), "store.kind": "memory" },
    ...{ "coordinator.grpc_port": 0, "coordinator.agent_port": 0, "coordinator.http_port": 0 },
  });
  for (const _ of [1, 2]) {
    const local = await startLocal(context, config, silentLogger());
    const client = openClient(context, local.coordinator.apiAddress);
    await nodeReady(context, client, 20_000);
    client.close();
    await local.stop("the test is over");
  }
  rmSync(folder, { recursive: true });
});
