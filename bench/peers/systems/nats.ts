import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../../test/support/child.js";
import { goProgram } from "../../../test/support/outside.js";
import { startLineProgram } from "../../support/line-child.js";
import { ready, running, startServer, together } from "../children.js";
import { npmPackages, support } from "../install.js";
import type { System } from "../system.js";

const SERVER = "v2.15.2";
const CLIENT = "3.4.0";
const PACKAGES = [`@nats-io/transport-node@${CLIENT}`, `@nats-io/jetstream@${CLIENT}`];

const program = () =>
  goProgram(
    { package: "github.com/nats-io/nats-server/v2", name: "nats-server", version: SERVER },
    console.error,
  );

/** `always`: each write is on the disk before it is answered; otherwise as it is by default, every two minutes. */
export const nats = (always: boolean): System => ({
  name: always ? "NATS JetStream, file, sync always" : "NATS JetStream, file, default sync",
  how: "a task and its result are messages in two work queues on files; one worker process, up to 500 messages fetched ahead",
  async install(scratch) {
    await program();
    await npmPackages(scratch, "nats", PACKAGES);
    return `nats-server ${SERVER}, @nats-io/jetstream ${CLIENT}`;
  },
  start: ({ scratch, folder }) =>
    together(async (keep) => {
      const port = await freePort();
      const store = join(folder, "jetstream");
      mkdirSync(store);
      const config = join(folder, "nats.conf");
      const jetstream = `store_dir: "${store}"${always ? ", sync_interval: always" : ""}`;
      writeFileSync(config, `host: 127.0.0.1\nport: ${port}\njetstream { ${jetstream} }\n`);
      const server = keep(await startServer(await program(), ["-c", config], port));
      const packages = await npmPackages(scratch, "nats", PACKAGES);
      const start = (name: string) =>
        startLineProgram(process.execPath, [
          join(packages, `nats-${name}.mjs`),
          JSON.stringify({ port, support }),
        ]);
      const client = await ready(keep(start("client"))); // makes the streams
      const worker = await ready(keep(start("worker")));
      return running([server], worker, client);
    }),
});
