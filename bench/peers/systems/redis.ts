/** Redis as a server of BullMQ and Celery: Debian's, unpacked into the scratch folder. */
import { join } from "node:path";
import { freePort } from "../../../test/support/child.js";
import { output } from "../../../test/support/outside.js";
import { type Server, startServer } from "../children.js";
import { debianTree, librariesOf } from "../install.js";

const PACKAGES = ["redis-tools", "libjemalloc2", "liblzf1", "libatomic1"];

async function redis(scratch: string) {
  const root = await debianTree(scratch, "redis", PACKAGES);
  // The program is the same for all of Redis' names, and looks at the one it is called by.
  return { program: join(root, "usr/bin/redis-check-rdb"), env: { LD_LIBRARY_PATH: librariesOf(root) } };
}

export async function installRedis(scratch: string): Promise<string> {
  const { program, env } = await redis(scratch);
  const said = await output("bash", ["-c", `exec -a redis-server ${program} --version`], { env });
  return `Redis ${/v=(\S+)/.exec(said)?.[1]}`;
}

/** `always`: each write is on the disk before it is answered; otherwise nothing is ever written. */
export async function startRedis(
  scratch: string,
  folder: string,
  always: boolean,
): Promise<Server & { port: number }> {
  const { program, env } = await redis(scratch);
  const port = await freePort();
  const flags = `--port ${port} --bind 127.0.0.1 --dir ${folder} --save "" --appendonly ${always ? "yes" : "no"} --appendfsync always`;
  const server = await startServer("bash", ["-c", `exec -a redis-server ${program} ${flags}`], port, {
    env,
  });
  return { ...server, port };
}
