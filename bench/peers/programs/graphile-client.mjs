// Graphile Worker: a task is a row; the worker says over a socket when it is deleted, by its id (graphile-worker.mjs).
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { makeWorkerUtils } from "graphile-worker";
import pg from "pg";

const { url, support, connections, ends } = JSON.parse(process.argv[2]);
const { Loop, loopQuestions, Named } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const pool = new pg.Pool({ connectionString: url, max: connections });
const utils = await makeWorkerUtils({ pgPool: pool });
await utils.migrate();
const loop = new Loop(async (id, task) => named.submitted((await utils.addJob("noop", { task })).id, id));
const named = new Named((id, cameBack) => loop.done(id, cameBack));
const server = createServer((worker) => {
  createInterface(worker).on("line", (line) => named.ended(...line.split(" ")));
});
await once(server.listen(ends, "127.0.0.1"), "listening");
await answer({ ready: async () => {}, ...loopQuestions(() => loop) });
process.exit();
