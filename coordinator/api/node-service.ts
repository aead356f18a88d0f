import type { GpuServiceServer } from "../../shared/gen/sai/v1/gpu.js";
import type { NodeServiceServer } from "../../shared/gen/sai/v1/node.js";
import { type CallObserver, unary } from "../../shared/rpc/serve.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Fleet, NodeEntry } from "../sessions/fleet.js";
import { labelFields, nodeId, reasonField, refuseAll } from "./check.js";
import { nodeMessage } from "./convert.js";

const DRAIN_MS = 10 * 60_000;
const MAX_DRAIN_MS = 7 * 24 * 3_600_000;

/** What people may change about a node; each resolves once it is durable. */
export interface FleetAdmin {
  cordon(id: string, reason: string): Promise<void>;
  uncordon(id: string): Promise<void>;
  drain(id: string, deadlineMs: number, reason: string): Promise<void>;
  label(id: string, change: { set: Record<string, string>; unset: string[] }): Promise<void>;
  remove(id: string): Promise<void>;
}

/** sai.v1.NodeService. */
export function nodeService(fleet: Fleet, admin: FleetAdmin, calls: CallObserver): NodeServiceServer {
  const shown = (id: string) => ({ node: nodeMessage(foundNode(fleet, id)) });
  return {
    listNodes: unary(calls, () => ({ nodes: fleet.list().map(nodeMessage) })),
    getNode: unary(calls, ({ id }) => shown(id)),
    cordonNode: unary(calls, async ({ id, reason }) => {
      refuseAll([nodeId(id), reasonField(reason)]);
      await admin.cordon(foundNode(fleet, id).id, reason);
      return shown(id);
    }),
    uncordonNode: unary(calls, async ({ id }) => {
      refuseAll([nodeId(id)]);
      await admin.uncordon(foundNode(fleet, id).id);
      return shown(id);
    }),
    drainNode: unary(calls, async ({ id, deadlineMs, reason }) => {
      const tooLong = `is ${deadlineMs}, at most ${MAX_DRAIN_MS} (7 days)`;
      const field = "deadline_ms";
      refuseAll([
        nodeId(id),
        deadlineMs > MAX_DRAIN_MS ? { field, description: tooLong } : undefined,
        reasonField(reason),
      ]);
      await admin.drain(foundNode(fleet, id).id, deadlineMs === 0 ? DRAIN_MS : deadlineMs, reason);
      return shown(id);
    }),
    labelNode: unary(calls, async ({ id, set, unset }) => {
      refuseAll([nodeId(id)]);
      const { labels } = nodeMessage(foundNode(fleet, id));
      refuseAll(labelFields({ set, unset }, labels));
      await admin.label(id, { set, unset });
      return shown(id);
    }),
    removeNode: unary(calls, async ({ id }) => {
      refuseAll([nodeId(id)]);
      const last = shown(id);
      await admin.remove(id);
      return last;
    }),
  };
}

/** sai.v1.GpuService: every device but CPU slots and places for remote requests. */
export const gpuService = (fleet: Fleet, calls: CallObserver): GpuServiceServer => ({
  listGpus: unary(calls, ({ node }) => {
    const nodes = node === "" ? fleet.list() : [foundNode(fleet, node)];
    return {
      gpus: nodes.flatMap((entry) =>
        (nodeMessage(entry).inventory?.devices ?? [])
          .filter((device) => device.kind !== "cpu" && device.kind !== "remote")
          .map((device) => ({ node: entry.id, device })),
      ),
    };
  }),
});

function foundNode(fleet: Fleet, id: string): NodeEntry {
  const node = fleet.node(id);
  if (node) return node;
  throw new SaiError("not_found", `no node ${id.slice(0, 80)}`, {
    hint: "`sai node list` shows those there are",
  });
}
