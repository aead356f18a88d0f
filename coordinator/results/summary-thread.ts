/**
 * A thread that turns records into summaries, one campaign at a time, and compares cells, two at a time, so that the coordinator's event loop stays free.
 * It is started when it is first needed, does not keep the process alive, and is started again if it dies.
 *
 * 1. The event loop goes on while records are handed over: a million that are in memory come without a pause.
 * 2. A bounded number of them is on its way to the thread, however much slower it is than whoever reads them.
 */
import type { Worker } from "node:worker_threads";
import type { SummaryMeta } from "../../shared/benchmark/aggregate.js";
import type { CellComparison } from "../../shared/benchmark/compare/compare-cells.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { Plan } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { Breath } from "../../shared/runtime/breath.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { startThread } from "../../shared/runtime/thread.js";
import type { CompareTask } from "./cell-comparing.js";

/** What is summed up: all records of `campaigns` that are of the plan's samples. */
export interface SummarySource {
  plan: Plan;
  /** The campaign itself, and those it is a retry of. */
  campaigns: string[];
  /** The records are scored again by the plan's jobs; items by the hash of their manifest. */
  rescore?: { items: { [manifestSha256: string]: Item[] } };
}

/** What sums records up. */
export interface Summarizer {
  /** The summary of the records, which arrive a shard at a time. Rejects with what `batches` throws. */
  summarize(
    source: SummarySource,
    batches: AsyncIterable<ResultRecord[]>,
    meta: SummaryMeta,
  ): Promise<Summary>;
  /** Two cells against each other; of each its records as above, the base's first. Rejects with what those throw. */
  compare(
    task: CompareTask,
    base: AsyncIterable<ResultRecord[]>,
    candidate: AsyncIterable<ResultRecord[]>,
  ): Promise<CellComparison>;
  close(): Promise<void>;
}

export type ToWorker =
  /** `n`: one for each summary. */
  | ({ kind: "begin"; n: number } & SummarySource)
  | { kind: "records"; records: ResultRecord[] }
  | { kind: "end"; meta: SummaryMeta }
  | { kind: "compare"; n: number; task: CompareTask }
  /** The base's records were all; those of the candidate follow. */
  | { kind: "candidate" }
  | { kind: "compared" }
  /** Nobody waits for it any more. */
  | { kind: "drop" };

/** About what was begun as `n`. */
export type FromWorker = { n: number } & (
  | { kind: "added" } // the records of one message
  | { kind: "summary"; summary: Summary }
  | { kind: "cell"; cell: CellComparison }
  | { kind: "failed"; reason: string }
);

/** Records in one message, at least, but for the last. */
const TOGETHER = 200;
/** Messages that were not answered yet, at most. */
const ON_THEIR_WAY = 16;

export class SummaryThread implements Summarizer {
  private worker: Worker | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private n = 0;

  /** The summary of the records, which arrive a shard at a time. Rejects when the thread dies or `batches` throws. */
  summarize(
    source: SummarySource,
    batches: AsyncIterable<ResultRecord[]>,
    meta: SummaryMeta,
  ): Promise<Summary> {
    return this.inTurn(async (worker, n) => {
      const exchange = new Exchange(worker, n, (said) =>
        said.kind === "summary" ? said.summary : undefined,
      );
      return exchange.hold(async () => {
        exchange.post({ kind: "begin", n, ...source });
        await exchange.handAll(batches);
        exchange.post({ kind: "end", meta });
      });
    });
  }

  compare(
    task: CompareTask,
    base: AsyncIterable<ResultRecord[]>,
    candidate: AsyncIterable<ResultRecord[]>,
  ): Promise<CellComparison> {
    return this.inTurn(async (worker, n) => {
      const exchange = new Exchange(worker, n, (said) => (said.kind === "cell" ? said.cell : undefined));
      return exchange.hold(async () => {
        exchange.post({ kind: "compare", n, task });
        await exchange.handAll(base);
        exchange.post({ kind: "candidate" });
        await exchange.handAll(candidate);
        exchange.post({ kind: "compared" });
      });
    });
  }

  /** Ends the thread; summaries under way are rejected. */
  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private inTurn<T>(work: (worker: Worker, n: number) => Promise<T>): Promise<T> {
    const mine = this.turn.then(() => {
      this.worker ??= this.start();
      this.n += 1;
      return work(this.worker, this.n);
    });
    this.turn = mine.catch(() => {});
    return mine;
  }

  private start(): Worker {
    const worker = startThread("summary-worker", import.meta.url);
    worker.unref();
    const forget = () => {
      if (this.worker === worker) this.worker = undefined;
    };
    worker.on("exit", forget);
    worker.on("error", forget);
    return worker;
  }
}

/** The messages to the thread and back about one thing it is asked. */
class Exchange<T> {
  /** Rejects when the thread fails or ends. */
  private readonly answer: Promise<T>;
  private onTheirWay = 0;
  private roomier = () => {};
  private readonly over = new AbortController();

  constructor(
    private readonly worker: Worker,
    n: number,
    answerIn: (said: FromWorker) => T | undefined,
  ) {
    worker.ref();
    this.answer = new Promise((resolve, reject) => {
      const { signal } = this.over;
      const on = <T>(event: string, heard: (value: T) => void) => {
        worker.on(event, heard);
        signal.addEventListener("abort", () => worker.off(event, heard), { once: true });
      };
      const fail = (error: SaiError) => {
        reject(error);
        this.roomier();
      };
      on<FromWorker>("message", (message) => {
        if (message.n !== n) return; // of one that was given up
        const answer = answerIn(message);
        if (answer !== undefined) resolve(answer);
        else if (message.kind === "failed")
          fail(new SaiError("internal", `the summary cannot be computed: ${message.reason}`));
        else this.onTheirWay -= 1;
        this.roomier();
      });
      on("error", (cause) => fail(new SaiError("internal", "the summary thread failed", { cause })));
      on("exit", () => fail(new SaiError("unavailable", "the summary thread was stopped")));
    });
    // While records are still being read it must not go unhandled.
    this.answer.catch(() => {});
  }

  /** The answer to what `ask` posts. Listens no more when it is over. */
  async hold(ask: () => Promise<void>): Promise<T> {
    try {
      await ask();
      return await this.answer;
    } finally {
      this.end();
    }
  }

  /** Hands over all of them, many in a message. */
  async handAll(batches: AsyncIterable<ResultRecord[]>): Promise<void> {
    let records: ResultRecord[] = [];
    const breath = new Breath(systemClock); // invariant 1
    for await (const batch of batches) {
      if (breath.isDue()) await breath.take();
      for (const record of batch) records.push(record);
      if (records.length < TOGETHER) continue;
      await this.hand(records);
      records = [];
    }
    await this.hand(records);
  }

  post(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  /** Resolves when there is room for more (invariant 2). Rejects when the thread fails or ends. */
  private async hand(records: ResultRecord[]): Promise<void> {
    this.post({ kind: "records", records });
    this.onTheirWay += 1;
    if (this.onTheirWay < ON_THEIR_WAY) return;
    const room = new Promise<void>((resolve) => {
      this.roomier = resolve;
    });
    await Promise.race([room, this.answer]);
  }

  private end(): void {
    this.over.abort();
    this.post({ kind: "drop" });
    this.worker.unref();
  }
}
