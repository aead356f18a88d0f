/** A PostgreSQL server of a test's or a benchmark's own, on a free port of loopback, gone with its folder at the end. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";

export interface PostgresServer {
  host: string;
  port: number;
  user: string;
  /** Makes an empty database. */
  create(name: string): Promise<void>;
  /** Ends the server at once, as a power cut would; `start` brings it back. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const START_MS = 30_000;

/** `bin`: the folder with initdb and postgres. `settings` as for `postgres -c`. */
export async function startPostgres(bin: string, settings: readonly string[] = []): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "sai-postgres-"));
  const data = join(folder, "data");
  // It refuses to run as root, so it runs as the user of its package then.
  const as: { uid?: number; gid?: number } = process.getuid?.() === 0 ? userOf("postgres") : {};
  if (as.uid !== undefined && as.gid !== undefined) chownSync(folder, as.uid, as.gid);
  const user = "sai_benchmark";
  const options = { ...as, cwd: folder, env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8" } };
  await promisify(execFile)(
    join(bin, "initdb"),
    ["-D", data, "-U", user, "-A", "trust", "--no-sync"],
    options,
  );
  const port = await freePort();
  let child: ChildProcess | undefined;
  let said = "";
  const ended = (process: ChildProcess) =>
    process.exitCode !== null || process.signalCode !== null
      ? Promise.resolve()
      : new Promise<void>((resolve) => process.once("exit", () => resolve()));
  const start = async () => {
    const all = [
      `port=${port}`,
      "listen_addresses=127.0.0.1",
      `unix_socket_directories=${folder}`,
      ...settings,
    ];
    const started = spawn(join(bin, "postgres"), ["-D", data, ...all.flatMap((one) => ["-c", one])], options);
    child = started;
    started.stderr?.on("data", (bytes) => {
      said = (said + bytes).slice(-4000);
    });
    const endMs = Date.now() + START_MS;
    while (!(await answers(port, user))) {
      if (started.exitCode !== null || Date.now() > endMs)
        throw new Error(`PostgreSQL does not start: ${said}`);
      await sleep(50);
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child === undefined) return;
    child.kill(signal);
    await ended(child);
    child = undefined;
  };
  await start();
  return {
    ...{ host: "127.0.0.1", port, user, start },
    create: (name) => asked(port, user, `create database ${name}`),
    // SIGQUIT is the immediate shutdown: nothing is written, the next start recovers.
    kill: () => end("SIGQUIT"),
    async stop() {
      await end("SIGINT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function asked(port: number, user: string, sql: string): Promise<void> {
  const client = new pg.Client({ host: "127.0.0.1", port, user, database: "postgres", password: "" });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const answers = (port: number, user: string): Promise<boolean> =>
  asked(port, user, "select 1").then(
    () => true,
    () => false,
  );

function userOf(name: string): { uid: number; gid: number } {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((one) => one.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined) throw new Error(`there is no user ${name}, which Debian's postgresql makes`);
  return { uid: Number(uid), gid: Number(gid) };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
