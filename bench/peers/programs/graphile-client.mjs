// Graphile Worker: a task is a row; one whose row is deleted is done, which a trigger tells in the same transaction.
import { makeWorkerUtils } from "graphile-worker";
import pg from "pg";

const { url, support, connections } = JSON.parse(process.argv[2]);
const { Loop, loopQuestions } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const pool = new pg.Pool({ connectionString: url, max: connections });
const utils = await makeWorkerUtils({ pgPool: pool });
await utils.migrate();
await pool.query(`
  create function tell() returns trigger language plpgsql as $$
    begin perform pg_notify('done', old.payload->>'task'); return old; end $$;
  create trigger tell after delete on graphile_worker._private_jobs for each row execute function tell();
`);
const loop = new Loop((_, task) => utils.addJob("noop", { task }));
const listener = new pg.Client({ connectionString: url });
await listener.connect();
await listener.query("listen done");
listener.on("notification", ({ payload }) => loop.done(Number(payload), payload));
await answer({ ready: async () => {}, ...loopQuestions(() => loop) });
process.exit();
