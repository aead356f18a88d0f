/** What campaigns ask of the sessions, answered by the fleet. */
import type { AvailableModels } from "../../shared/benchmark/models.js";
import type { EngineKind } from "../../shared/benchmark/plan.js";
import type { AgentsPort } from "../campaigns/parts.js";
import type { Fleet, NodeEntry } from "./fleet.js";

/** Time an attempt gets to finish the sample in hand when it is cancelled. */
const GRACE_MS = 1000;

export const agentsPort = (fleet: Fleet, named: AgentsPort["named"]): AgentsPort => ({
  named,
  stop(agent, fence, reason) {
    const value = { fences: [fence], graceMs: GRACE_MS, reason };
    fleet.node(agent)?.peer?.send({ $case: "cancel", value });
  },
  retract(agent, fences) {
    if (fences.length > 0)
      fleet.node(agent)?.peer?.send({ $case: "retract", value: { fences: [...fences] } });
  },
  ended: (agent, fence) => fleet.ended(agent, fence),
  available() {
    const nodes = fleet.list().filter((node) => node.inventory !== undefined && node.state.kind === "READY");
    return nodes.length === 0 ? undefined : availableModels(nodes);
  },
});

function availableModels(nodes: NodeEntry[]): AvailableModels[] {
  const models = new Map<EngineKind, Set<string>>();
  for (const engine of nodes.flatMap((node) => node.inventory?.engines ?? [])) {
    if (engine.unavailable !== "") continue;
    const kind = engine.kind as EngineKind;
    models.set(kind, new Set([...(models.get(kind) ?? []), ...engine.models]));
  }
  return [...models].map(([engine, names]) => ({ engine, models: [...names].sort() }));
}
