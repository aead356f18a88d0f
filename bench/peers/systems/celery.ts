import { join } from "node:path";
import { startLineProgram } from "../../support/line-child.js";
import { ready, running, together } from "../children.js";
import { programs, pythonPackages } from "../install.js";
import type { System } from "../system.js";
import { installRedis, startRedis } from "./redis.js";

const PACKAGES = ["celery==5.7.0", "redis==8.1.0", "packaging==25.0"];

export const celery: System = {
  name: "Celery + Redis, no persistence",
  how: "one message a task, results heard by one subscription; one worker process (solo pool), up to 256 messages fetched ahead",
  async install(scratch) {
    const redis = await installRedis(scratch);
    await pythonPackages(scratch, "celery", PACKAGES);
    return `${PACKAGES.join(", ")}, ${redis}`;
  },
  start: ({ scratch, folder }) =>
    together(async (keep) => {
      const server = keep(await startRedis(scratch, folder, false));
      const python = await pythonPackages(scratch, "celery", PACKAGES);
      const env = { PEER_PORT: `${server.port}`, PYTHONDONTWRITEBYTECODE: "1" };
      const start = (name: string) => startLineProgram(python, [join(programs, `celery_${name}.py`)], env);
      const worker = await ready(keep(start("worker")));
      const client = await ready(keep(start("client")));
      return running([server], worker, client);
    }),
};
