/**
 * sai.agent.v1 on a gRPC server. Messages of one stream are handled in the order they came; only waiting for commits
 * does not hold up those behind.
 */
import type { Server, ServerDuplexStream, ServiceError } from "@grpc/grpc-js";
import {
  type AgentMessage,
  type AgentServiceServer,
  AgentServiceService,
  type CoordinatorMessage,
} from "../../shared/gen/sai/agent/v1/session.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import { GrpcPeer, type PeerLimits } from "./peer.js";
import { AgentSession, type SessionParts } from "./session.js";

/** Adds the service; every open session is in `open`, so that a stop can say goodbye. */
export function addAgentService(
  server: Server,
  parts: SessionParts,
  envelope: () => { clusterId: string; epoch: bigint },
  limits: PeerLimits,
  clock: Clock,
  open: Set<GrpcPeer>,
): void {
  const service: AgentServiceServer = {
    session(stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>) {
      const peer = new GrpcPeer(stream, envelope, limits, clock);
      const session = new AgentSession(parts, peer);
      open.add(peer);
      let turn: Promise<unknown> = Promise.resolve();
      let over = false;
      stream.on("data", (message: AgentMessage) => {
        const handle = async () => {
          if (!over) await session.receive(message);
        };
        // Commits wait for the disk; credits and heartbeats behind them must not.
        const done =
          message.body?.$case === "results" ? turn.then(() => void handle().catch(fail)) : turn.then(handle);
        turn = done.catch(fail);
      });
      const fail = (error: unknown) => {
        over = true;
        parts.log.warn({ err: errorText(error) }, "session ends with an error");
        peer.close(
          error instanceof SaiError ? error : new SaiError("internal", "internal error in the session"),
        );
      };
      const end = () => {
        open.delete(peer);
        session.ended();
      };
      stream.on("end", () => {
        peer.close();
        end();
      });
      stream.on("error", (error: Partial<ServiceError>) => {
        parts.log.warn({ node: session.id, reason: error.details ?? error.message }, "session broken");
        end();
      });
      stream.on("cancelled", end);
    },
  };
  server.addService(AgentServiceService, service);
}
