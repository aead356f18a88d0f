import { join } from "node:path";
import { startLineProgram } from "../../support/line-child.js";
import { ready, running, together } from "../children.js";
import { npmPackages, support } from "../install.js";
import type { System } from "../system.js";
import { installRedis, startRedis } from "./redis.js";

const VERSION = "6.7.0";
const PACKAGES = [`bullmq@${VERSION}`, "ioredis@6.0.0"];
const CONCURRENCY = 256;

/** `always`: with Redis' `appendfsync always`; otherwise nothing is persisted. */
export const bullmq = (always: boolean): System => ({
  name: always ? "BullMQ + Redis, appendfsync always" : "BullMQ + Redis, no persistence",
  how: `one job a task, its end by QueueEvents; one worker process with concurrency ${CONCURRENCY}`,
  async install(scratch) {
    const redis = await installRedis(scratch);
    await npmPackages(scratch, "bullmq", PACKAGES);
    return `${PACKAGES.join(", ")}, ${redis}`;
  },
  start: ({ scratch, folder }) =>
    together(async (keep) => {
      const server = keep(await startRedis(scratch, folder, always));
      const packages = await npmPackages(scratch, "bullmq", PACKAGES);
      const start = (name: string) =>
        startLineProgram(process.execPath, [
          join(packages, `bullmq-${name}.mjs`),
          JSON.stringify({ port: server.port, support, concurrency: CONCURRENCY }),
        ]);
      const worker = await ready(keep(start("worker")));
      const client = await ready(keep(start("client")));
      return running([server], worker, client);
    }),
});
