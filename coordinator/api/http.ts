/**
 * The operations server: /livez (the process answers; touches nothing), /readyz (store, leadership and whatever else is
 * passed in), /health (a summary for people and container health checks), /metrics. Everything else is a problem
 * document (RFC 9457). It holds nothing secret, takes no input but the path, and answers within its timeouts.
 */
import Fastify, { type FastifyInstance } from "fastify";
import type { Json } from "../../shared/benchmark/json.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Port } from "../../shared/runtime/config.js";
import { listenOn } from "../../shared/runtime/listen.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Metrics } from "../metrics.js";
import { addProblems } from "./problems.js";
import { type Readiness, type ReadyCheck, runChecks } from "./ready.js";

export interface OpsServerOptions {
  host: string;
  port: Port;
  version: string;
  clock: Clock;
  logger: Logger;
  /** Of the role the coordinator has now. Undefined: metrics are switched off, and /metrics says so. */
  metrics: (() => Metrics) | undefined;
  /** By name, of the role it has now; each throws or rejects when the coordinator should get no traffic. */
  checks: () => { readonly [name: string]: ReadyCheck };
  /** Further members of /health. */
  summary: () => { [name: string]: Json };
}

export interface OpsServer {
  /** host:port it listens on. */
  address: string;
  /** True if the implicit port was taken and the next free one is used. */
  moved: boolean;
  /** Stops listening, lets running requests end for 2 s, then cuts them. */
  close(): Promise<void>;
}

const CLOSE_GRACE_MS = 2_000;

/** Starts it. Throws SaiError("config") when the port cannot be had. */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const { server: app, moved } = await listenOn("coordinator.http_port", options.port, async (port) => {
    const candidate = build(options);
    try {
      await candidate.listen({ host: options.host, port });
      return candidate;
    } catch (error) {
      await candidate.close();
      throw error;
    }
  });
  return {
    address: addressOf(app, options.host),
    moved,
    async close() {
      const cancelCut = options.clock.after(CLOSE_GRACE_MS, () => app.server.closeAllConnections());
      await app.close();
      cancelCut();
    },
  };
}

function build(options: OpsServerOptions): FastifyInstance {
  const { metrics } = options;
  const app = Fastify({
    bodyLimit: 1024 * 1024,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 5_000,
    forceCloseConnections: "idle",
  });
  app.server.maxConnections = 1_000;
  addProblems(app, options.logger);
  if (metrics !== undefined) {
    app.addHook("onResponse", async (request, reply) => {
      const route = request.routeOptions.url ?? "(none)";
      const labels = { method: request.method, route, status: reply.statusCode };
      metrics().observeHttp(labels, reply.elapsedTime / 1000);
    });
  }

  app.get("/livez", async () => ({ status: "alive" }));
  app.get("/readyz", async (_request, reply) => {
    const ready = await runChecks(options.checks(), options.clock);
    return reply
      .code(statusOf(ready))
      .send({ status: ready.ok ? "ready" : "not ready", checks: ready.checks });
  });
  app.get("/health", async (_request, reply) => {
    const ready = await runChecks(options.checks(), options.clock);
    const body = {
      status: ready.ok ? "healthy" : "unhealthy",
      version: options.version,
      checks: ready.checks,
    };
    return reply.code(statusOf(ready)).send({ ...options.summary(), ...body });
  });
  if (metrics !== undefined) {
    app.get("/metrics", async (_request, reply) => {
      const { registry } = metrics();
      return reply.type(registry.contentType).send(await registry.metrics());
    });
  }
  return app;
}

const statusOf = (ready: Readiness) => (ready.ok ? 200 : 503);

function addressOf(app: FastifyInstance, host: string): string {
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
