import { expect, test } from "vitest";
import { answerTo, Executed, Loop, Named, payloadOf, TASK_BYTES } from "./loop.js";

/** Hands each task in to `tasks`. */
function loop() {
  const tasks: [number, string][] = [];
  const made = new Loop(async (id, payload) => void tasks.push([id, payload]));
  return { made, tasks };
}

test("a task has 100 bytes", () => {
  expect(payloadOf(7)).toHaveLength(TASK_BYTES);
  expect(Number(payloadOf(7))).toBe(7);
});

test("it keeps as many outstanding as it was told, and waits for them at the end", async () => {
  const { made, tasks } = loop();
  made.begin(3);
  expect(tasks.map(([id]) => id)).toEqual([0, 1, 2]);
  made.startWindow();
  made.done(1, payloadOf(1));
  expect(tasks.map(([id]) => id)).toEqual([0, 1, 2, 3]);
  const ended = made.end();
  for (const id of [0, 2, 3]) made.done(id, payloadOf(id));
  expect(tasks).toHaveLength(4);
  expect(await ended).toMatchObject({ tasks: 1, submitted: 4, acknowledged: 4, wrong: 0 });
});

test("what is said twice or comes back changed is counted", async () => {
  const { made } = loop();
  made.begin(2);
  const ended = made.end();
  made.done(0, payloadOf(0));
  made.done(0, payloadOf(0));
  made.done(1, payloadOf(0));
  expect(await ended).toMatchObject({ acknowledged: 2, acknowledgedTwice: 1, wrong: 1 });
});

test("a client that expects something else than the task counts what is not that", async () => {
  const made = new Loop(
    async () => {},
    (id) => answerTo(payloadOf(id)),
  );
  made.begin(3);
  const ended = made.end();
  made.done(0, answerTo(payloadOf(0)));
  made.done(1, answerTo(payloadOf(0)));
  made.done(2, payloadOf(2));
  expect(await ended).toMatchObject({ acknowledged: 3, wrong: 2 });
});

test("what comes back is of the task that has the name, also when the name is told after its end", async () => {
  const { made } = loop();
  const named = new Named((id, cameBack) => made.done(id, cameBack));
  made.begin(4);
  const ended = made.end();
  named.ended("row 9", payloadOf(0));
  named.submitted("row 9", 0);
  named.submitted("row 7", 1);
  named.ended("row 7", payloadOf(1));
  named.ended("row 7", payloadOf(1));
  // The answers of two tasks are swapped; each is one that was submitted.
  for (const [name, id] of [
    ["row 3", 2],
    ["row 4", 3],
  ] as const)
    named.submitted(name, id);
  named.ended("row 3", payloadOf(3));
  named.ended("row 4", payloadOf(2));
  expect(await ended).toMatchObject({ acknowledged: 4, acknowledgedTwice: 1, wrong: 2 });
});

test("a worker counts how many it ran and how many different ones", () => {
  const executed = new Executed();
  for (const id of [0, 5, 5, 200_000]) executed.add(id);
  expect(executed.counted).toEqual({ executed: 4, distinct: 3 });
});
