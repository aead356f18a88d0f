/** A coordinator spoken by hand on a real gRPC server: what slow, old and broken ones say, and what they read. */
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import {
  type AgentMessage,
  AgentServiceService,
  CoordinatorMessage,
} from "../../shared/gen/sai/agent/v1/session.js";
import { until } from "./until.js";

type Body = NonNullable<CoordinatorMessage["body"]>;
type Said = NonNullable<AgentMessage["body"]>;
type ValueOf<K extends Said["$case"]> = Extract<Said, { $case: K }>["value"];

/** One stream an agent opened. */
export class StubSession {
  readonly heard: Said[] = [];
  ended = false;
  private n = 0n;

  constructor(private readonly stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>) {
    stream.on("data", ({ body }: AgentMessage) => body && this.heard.push(body));
    for (const event of ["end", "error", "cancelled"]) {
      stream.on(event, () => {
        this.ended = true;
        stream.end();
      });
    }
  }

  say(body: Body): boolean {
    return this.stream.write(CoordinatorMessage.fromPartial({ clusterId: "stub", epoch: 1n, body }));
  }
  /** All that was heard of a kind. */
  bodies<K extends Said["$case"]>(kind: K): ValueOf<K>[] {
    return this.heard.flatMap((body) => (body.$case === kind ? [body.value as ValueOf<K>] : []));
  }
  /** Reads nothing more, and goes on speaking. */
  deafen(): void {
    this.stream.pause();
  }
  async welcome(more: { lostAfterMs?: number } = {}): Promise<void> {
    await until("the agent says Hello", () => this.heard.some(({ $case }) => $case === "hello"));
    const value = {
      heartbeatIntervalMs: 1000,
      needInventory: false,
      verdicts: [],
      lostAfterMs: 600_000,
      protocol: 2,
      reconnectCapMs: 0,
      more: false,
      ...more,
    };
    this.say({ $case: "welcome", value });
    this.say({ $case: "ready", value: {} });
  }
  /** Gives so many attempts more, whatever the agent has offered, of the first samples of a job. */
  assign(attempts: number, more: { planSha256?: string; job?: string; count?: number } = {}): void {
    const { planSha256 = "", job = "j", count = 1 } = more;
    const assignments = Array.from({ length: attempts }, () => {
      this.n += 1n;
      return {
        fence: { epoch: 1n, n: this.n },
        shard: { campaign: "c", job, index: Number(this.n), first: 0, count },
        ...{ gate: 1n, planSha256, lane: "cpu", model: "", deadlineMs: 60_000, attempt: 0, suspects: [] },
      };
    });
    this.say({ $case: "assign", value: { assignments } });
  }
}

export async function startStubCoordinator() {
  const sessions: StubSession[] = [];
  const server = new Server();
  server.addService(AgentServiceService, {
    session: (stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>) =>
      void sessions.push(new StubSession(stream)),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return {
    address: `127.0.0.1:${port}`,
    sessions,
    session: (index: number) => until(`session ${index} begins`, () => sessions[index]),
    close: () => server.forceShutdown(),
  };
}
