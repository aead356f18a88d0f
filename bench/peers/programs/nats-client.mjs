// NATS JetStream: a task is a message in a stream on files; its result is a message in another, which begins with the
// number that the task's message has in its stream.
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const { port, support } = JSON.parse(process.argv[2]);
const { Loop, loopQuestions, Named } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const nc = await connect({ servers: `127.0.0.1:${port}` });
const manager = await jetstreamManager(nc);
for (const name of ["tasks", "results"]) {
  const about = { retention: RetentionPolicy.Workqueue, storage: StorageType.File };
  await manager.streams.add({ name, subjects: [name], ...about });
  const consumer = { durable_name: name, ack_policy: AckPolicy.Explicit, max_ack_pending: 10_000 };
  await manager.consumers.add(name, consumer);
}
const js = jetstream(nc);
const loop = new Loop(async (id, payload) =>
  named.submitted(String((await js.publish("tasks", payload)).seq), id),
);
const named = new Named((id, cameBack) => loop.done(id, cameBack));
const messages = await (await js.consumers.get("results", "results")).consume({ max_messages: 500 });
(async () => {
  for await (const message of messages) {
    const [name, payload] = message.string().split(" ");
    message.ack();
    named.ended(name, payload);
  }
})();
await answer({ ready: async () => {}, ...loopQuestions(() => loop) });
process.exit();
