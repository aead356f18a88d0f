/** sai.agent.v1 of a coordinator that does not lead: every agent is told where the leader is, if anybody knows. */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import {
  type AgentMessage,
  AgentServiceService,
  type CoordinatorMessage,
} from "../../shared/gen/sai/agent/v1/session.js";
import type { ServiceTable } from "../../shared/rpc/services.js";

const RETRY_MS = 1_000;

/** `leader`: host:port that agents dial; undefined while nobody leads. */
export function addRedirect(table: ServiceTable, leader: () => string | undefined): void {
  table.addService(AgentServiceService, {
    session(stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>) {
      stream.on("error", () => undefined);
      stream.on("data", () => undefined); // what it says is for the leader
      const address = leader();
      const goodbye =
        address === undefined
          ? { address: "", retryAfterMs: RETRY_MS, reason: "no coordinator leads" }
          : { address, retryAfterMs: 0, reason: `the coordinator at ${address} leads` };
      stream.write({ clusterId: "", epoch: 0n, body: { $case: "goodbye", value: goodbye } });
      stream.end();
    },
  });
}
