/**
 * Connections of a load generator, each for one request at a time. A pool of undici's would do, but for two things that are
 * seen in the times: a connection counts as busy until a turn of the event loop after its answer's end, so that the next
 * request of a closed loop is sent late, or on a new connection with all that opening one takes.
 *
 * 1. There are never more of them than there were requests at once.
 */
import { Client } from "undici";

const CONNECT_TIMEOUT_MS = 10_000;

export class Connections {
  private readonly free: Client[] = [];
  private readonly all = new Set<Client>();

  constructor(private readonly origin: string) {}

  /** The one used last, which is the least likely to have been closed by the server; a new one when all are taken. */
  take(): Client {
    const free = this.free.pop();
    if (free) return free;
    const client = new Client(this.origin, {
      ...{ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } },
      // Never used: but with 1 a connection waits for a turn of the event loop after each answer.
      pipelining: 2,
    });
    this.all.add(client);
    return client;
  }

  /** After an answer's end. */
  giveBack(client: Client): void {
    this.free.push(client);
  }

  /** After a failure: what is still on its way is of no use to anybody. */
  drop(client: Client): void {
    this.all.delete(client);
    void client.destroy().catch(() => {}); // as it is given up, how it ends is not asked
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.all].map((client) => client.destroy()));
  }
}
