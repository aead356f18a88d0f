import type { NodeServiceServer } from "../../shared/gen/sai/v1/node.js";
import { type CallObserver, unary } from "../../shared/rpc/serve.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Fleet, NodeEntry } from "../sessions/fleet.js";
import type { FleetAdmin } from "../sessions/fleet-admin.js";
import { labelFields, nodeId, reasonField, refuseAll } from "./check.js";
import { nodeMessage } from "./convert.js";
import { pageById } from "./page.js";

const MAX_DRAIN_MS = 7 * 24 * 3_600_000;

/** sai.v1.NodeService. */
export function nodeService(fleet: Fleet, admin: FleetAdmin, calls: CallObserver): NodeServiceServer {
  const shown = (node: NodeEntry) => nodeMessage(node, fleet.gpuStates(node));
  const changed = (node: NodeEntry) => ({ node: shown(node) });
  return {
    listNodes: unary(calls, (request) => {
      const { page, nextPageToken } = pageById(fleet.list(), request);
      return { nodes: page.map(shown), nextPageToken };
    }),
    getNode: unary(calls, ({ id }) => changed(foundNode(fleet, id))),
    cordonNode: unary(calls, async ({ id, reason }) => {
      refuseAll([nodeId(id), reasonField(reason)]);
      return changed(await admin.cordon(id, reason));
    }),
    uncordonNode: unary(calls, async ({ id }) => {
      refuseAll([nodeId(id)]);
      return changed(await admin.uncordon(id));
    }),
    drainNode: unary(calls, async ({ id, deadlineMs, reason }) => {
      const tooLong = `is ${deadlineMs}, at most ${MAX_DRAIN_MS} (7 days)`;
      const field = "deadline_ms";
      refuseAll([
        nodeId(id),
        deadlineMs > MAX_DRAIN_MS ? { field, description: tooLong } : undefined,
        reasonField(reason),
      ]);
      return changed(await admin.drain(id, deadlineMs, reason));
    }),
    labelNode: unary(calls, async ({ id, set, unset }) => {
      refuseAll([nodeId(id), ...labelFields({ set, unset })]);
      return changed(await admin.label(id, { set, unset }));
    }),
    removeNode: unary(calls, async ({ id }) => {
      refuseAll([nodeId(id)]);
      const last = changed(foundNode(fleet, id));
      await admin.remove(id);
      return last;
    }),
  };
}

/** Throws SaiError not_found. */
export function foundNode(fleet: Fleet, id: string): NodeEntry {
  const node = fleet.node(id);
  if (node) return node;
  throw new SaiError("not_found", `no node ${id.slice(0, 80)}`, {
    hint: "`sai node list` shows those there are",
  });
}
