// Graphile Worker: counts each task, and tells the client of its end. The events of this system come before a job's row is
// deleted, so that the deleting statements are watched, each of which is a transaction.
import { once } from "node:events";
import { connect } from "node:net";
import { Logger, run } from "graphile-worker";
import pg from "pg";

const { url, support, concurrency, ends } = JSON.parse(process.argv[2]);
const { Executed } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const client = connect({ port: ends, host: "127.0.0.1", noDelay: true });
await once(client, "connect");
/** What was run and not deleted yet, by the row's id. */
const tasks = new Map();
const deleted = (ids) => {
  client.write(ids.map((id) => `${id} ${tasks.get(id)}\n`).join(""));
  for (const id of ids) tasks.delete(id);
};
const pool = new pg.Pool({ connectionString: url, max: 10 });
pool.on("connect", (connection) => {
  const query = connection.query.bind(connection);
  connection.query = (asked, ...more) => {
    const answered = query(asked, ...more);
    if (/^delete from \S+\._private_jobs /.test(asked?.text)) {
      answered.then(
        () => deleted(asked.values.flat()),
        () => {},
      );
    }
    return answered;
  };
});

const executed = new Executed();
const noop = async ({ task }, { job }) => {
  executed.add(Number(task));
  tasks.set(job.id, task);
};
await run({
  ...{ pgPool: pool, concurrency, noHandleSignals: true, pollInterval: 2000 },
  logger: new Logger(() => () => {}),
  taskList: { noop },
  preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
});
await answer({ ready: async () => {}, counts: async () => executed.counted });
process.exit();
