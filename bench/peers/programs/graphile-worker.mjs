// Graphile Worker: counts each task; what it returns is not kept by this system.
import { Logger, run } from "graphile-worker";

const { url, support, concurrency } = JSON.parse(process.argv[2]);
const { Executed } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const executed = new Executed();
await run({
  ...{ connectionString: url, concurrency, maxPoolSize: 10, noHandleSignals: true, pollInterval: 2000 },
  logger: new Logger(() => () => {}),
  taskList: { noop: async ({ task }) => executed.add(Number(task)) },
  preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
});
await answer({ ready: async () => {}, counts: async () => executed.counted });
process.exit();
