/** Questions to a child process and their answers, one after the other, with the types of both ends in one place. */
import { createInterface } from "node:readline";
import type { LineChild } from "./line-child.js";

/** What a child can be asked: functions of one JSON value. */
export type Questions = { readonly [name: string]: (about: never) => Promise<unknown> };

/** Asks a child that serves questions `Q`. Rejects with the child's error. */
export async function ask<Q extends Questions, K extends keyof Q & string>(
  child: LineChild,
  name: K,
  about: NonNullable<Parameters<Q[K]>[0]>,
): Promise<Awaited<ReturnType<Q[K]>>> {
  child.send({ name, about });
  const { answer, error } = (await child.next()) as { answer: unknown; error?: string };
  if (error !== undefined) throw new Error(error);
  return answer as Awaited<ReturnType<Q[K]>>;
}

/** In the child: answers the questions on stdin until it ends. */
export async function answer(questions: Questions): Promise<void> {
  for await (const line of createInterface(process.stdin)) {
    const { name, about } = JSON.parse(line) as { name: string; about: never };
    const said = await Promise.resolve(questions[name]?.(about)).then(
      (value) => ({ answer: value ?? null }),
      (error: unknown) => ({
        answer: null,
        error: error instanceof Error ? (error.stack ?? "") : `${error}`,
      }),
    );
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
}
