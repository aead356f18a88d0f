import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../test/support/child.js";
import { output } from "../../../test/support/outside.js";
import { startLineProgram } from "../../support/line-child.js";
import { ready, running, startServer, together } from "../children.js";
import { debianTree, npmPackages, support } from "../install.js";
import type { System } from "../system.js";

const PACKAGES = ["graphile-worker@0.18.0", "pg@8.23.1"];
const CONCURRENCY = 24;
/** Of the client; with 60 it was no faster, as the server's core is busy. */
const CONNECTIONS = 20;
const NOBODY = 65534;

/** The folder of PostgreSQL's programs: an installed one's, or Debian's 15 in the scratch folder. */
async function postgres(scratch: string): Promise<string> {
  const installed = "/usr/lib/postgresql";
  const versions = existsSync(installed) ? readdirSync(installed).map(Number) : [];
  const found = versions.filter((v) => existsSync(`${installed}/${v}/bin/initdb`)).sort((a, b) => b - a)[0];
  if (found !== undefined) return `${installed}/${found}/bin`;
  return join(await debianTree(scratch, "postgresql", ["postgresql-15"]), installed, "15/bin");
}

export const graphile: System = {
  name: "Graphile Worker + PostgreSQL",
  how: `one row a task, added over one of ${CONNECTIONS} connections; its worker tells the client over a socket once the transaction that deletes the row is over, with what it was given; concurrency ${CONCURRENCY}, up to 500 jobs fetched ahead, ends put together as they come; the result is not stored`,
  async install(scratch) {
    const bin = await postgres(scratch);
    await npmPackages(scratch, "graphile", PACKAGES);
    const version = (await output(join(bin, "postgres"), ["--version"])).trim();
    return `${PACKAGES[0]}, ${version}`;
  },
  start: ({ scratch, folder }) =>
    together(async (keep) => {
      const bin = await postgres(scratch);
      // It refuses to run as root, and nobody may not look into root's folders.
      const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined;
      const data = user ? mkdtempSync(join(tmpdir(), "sai-bench-pg-")) : mkdtempSync(join(folder, "pg-"));
      keep({ stop: async () => rmSync(data, { recursive: true, force: true, maxRetries: 5 }) });
      if (user) chownSync(data, user.uid, user.gid);
      const init = [
        join(bin, "initdb"),
        "-D",
        data,
        "-U",
        "bench",
        "--auth=trust",
        "-E",
        "UTF8",
        "--locale=C",
      ];
      await output(...as(user, init));
      const port = await freePort();
      const flags = ["-D", data, "-p", `${port}`, "-c", "listen_addresses=127.0.0.1", "-k", data];
      const server = keep(await startServer(join(bin, "postgres"), flags, port, user ? { user } : {}));
      const url = `postgres://bench@127.0.0.1:${port}/postgres`;
      const packages = await npmPackages(scratch, "graphile", PACKAGES);
      const ends = await freePort();
      const about = { url, support, concurrency: CONCURRENCY, connections: CONNECTIONS, ends };
      const start = (name: string) =>
        startLineProgram(process.execPath, [join(packages, `graphile-${name}.mjs`), JSON.stringify(about)]);
      const client = await ready(keep(start("client"))); // makes the schema, and listens
      const worker = await ready(keep(start("worker")));
      const of = running([server], worker, client);
      return {
        ...of,
        async stop() {
          await of.stop();
          rmSync(data, { recursive: true, force: true, maxRetries: 5 });
        },
      };
    }),
};

const as = (user: { uid: number } | undefined, [program = "", ...args]: string[]): [string, string[]] =>
  user
    ? ["setpriv", [`--reuid=${user.uid}`, `--regid=${user.uid}`, "--clear-groups", program, ...args]]
    : [program, args];
