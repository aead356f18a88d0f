/**
 * Sees the agents' stream as the version before this one does: a relay that reads every message with that version's own
 * proto files (protocol-1/) and passes on what it understood. Whoever speaks through it is, for the other side, of that
 * version: what it does not know is lost on the way, in both directions.
 *
 * Kept by hand: what version 1 did besides reading, which is to refuse a Hello whose `protocol` is not 1.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, credentials, type MethodDefinition, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export interface OldEyes {
  /** host:port that agents dial instead of the coordinator. */
  readonly address: string;
  /** Messages that lost something on the way. */
  readonly lost: { fromAgents: number; fromCoordinator: number };
  close(): Promise<void>;
}

const session = sessionAsBefore();

/** Between agents and the coordinator at `target`; the leader's address in a Goodbye becomes `relayOf` it. */
export async function oldEyes(
  target: string,
  relayOf: (address: string) => string = (address) => address,
): Promise<OldEyes> {
  const lost = { fromAgents: 0, fromCoordinator: 0 };
  const client = new Client(target, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 200,
  });
  const server = new Server();
  server.addService(
    { session: { ...session, ...asBytes } },
    {
      // biome-ignore lint/suspicious/noExplicitAny: messages are bytes here, and gRPC's types want classes
      session(near: any) {
        const far = client.makeBidiStreamRequest(session.path, same, same);
        const end = (error: unknown) => near.emit("error", error);
        near.on("data", (bytes: Buffer) => {
          const seen = session.requestDeserialize(bytes) as { hello?: { protocol: number } | null };
          if (seen.hello && seen.hello.protocol !== 1) {
            far.cancel();
            end({
              code: status.FAILED_PRECONDITION,
              details: `protocol ${seen.hello.protocol} is not spoken here, 1 is`,
            });
            return;
          }
          const passed = session.requestSerialize(seen);
          if (passed.length < bytes.length) lost.fromAgents += 1;
          far.write(passed);
        });
        near.on("end", () => far.end());
        near.on("cancelled", () => far.cancel());
        far.on("data", (bytes: Buffer) => {
          const seen = session.responseDeserialize(bytes) as { goodbye?: { address: string } | null };
          const passed = session.responseSerialize(seen);
          if (passed.length < bytes.length) lost.fromCoordinator += 1;
          if (seen.goodbye?.address) seen.goodbye.address = relayOf(seen.goodbye.address);
          near.write(session.responseSerialize(seen));
        });
        far.on("end", () => near.end());
        far.on("error", end);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return {
    ...{ address: `127.0.0.1:${port}`, lost },
    async close() {
      server.forceShutdown();
      client.close();
    },
  };
}

const same = (bytes: Buffer): Buffer => bytes;
const asBytes = {
  ...{ requestSerialize: same, requestDeserialize: same },
  ...{ responseSerialize: same, responseDeserialize: same },
};

function sessionAsBefore(): MethodDefinition<object, object> {
  const folder = fileURLToPath(new URL("protocol-1", import.meta.url));
  const loaded = loadSync(join(folder, "sai/agent/v1/session.proto"), {
    ...{ includeDirs: [folder], keepCase: false, longs: String, enums: String, bytes: Buffer, oneofs: false },
  });
  const service = loaded["sai.agent.v1.AgentService"] as unknown as {
    Session: MethodDefinition<object, object>;
  };
  return service.Session;
}
