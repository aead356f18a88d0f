/** sai.agent.v1 on a gRPC server: every stream is a peer for the core, and what arrives on it goes to its session. */
import type { ServerDuplexStream, ServiceError } from "@grpc/grpc-js";
import {
  type AgentMessage,
  type AgentServiceServer,
  AgentServiceService,
  type CoordinatorMessage,
} from "../../shared/gen/sai/agent/v1/session.js";
import type { ServiceTable } from "../../shared/rpc/services.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { GrpcPeer, type Peer, type PeerLimits } from "./peer.js";
import type { AgentSession } from "./session.js";

/** What an agent may say at once; a larger message ends its stream. */
export const MAX_AGENT_MESSAGE_BYTES = 256 * 1024;

/** Who takes the streams: the core of this term. */
export interface SessionHost {
  readonly epoch: bigint;
  readonly clusterId: string;
  open(peer: Peer): AgentSession;
}

/** Adds the service; every open session is in `open`, so that a stop can say goodbye. */
export function addAgentService(
  server: ServiceTable,
  host: SessionHost,
  limits: PeerLimits,
  clock: Clock,
  open: Set<GrpcPeer>,
): void {
  const service: AgentServiceServer = {
    session(stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>) {
      const peer = new GrpcPeer(stream, host, limits, clock);
      const session = host.open(peer);
      open.add(peer);
      const end = (reason?: string) => {
        open.delete(peer);
        session.ended(reason);
      };
      stream.on("data", (message: AgentMessage) => session.receive(message));
      stream.on("end", () => {
        peer.close();
        end();
      });
      stream.on("error", (error: Partial<ServiceError>) => end(error.details ?? error.message));
      stream.on("cancelled", () => end());
    },
  };
  server.addService(AgentServiceService, service);
}
